// The newest entries of a list that each tenant has, in the store: a hash whose places are taken in turn.
import type { Presence } from '@colyseus/core';
import type { z } from 'zod';

/** How many were written so far; the other fields are places. */
const WRITTEN = 'written';
/** Entries of one tenant that wait for the store; more are refused, since the list is out of reach or overrun. */
const MAX_WAITING = 1_000;

/** `number` counts all entries of the tenant, from 1. */
export interface Numbered {
  number: number;
}

export interface NewestOptions<T> {
  presence: Presence;
  /** In front of the tenant in the store's key. */
  prefix: string;
  /** How many of each tenant are kept. */
  most: number;
  schema: z.ZodType<T>;
}

export class Newest<T extends Numbered> {
  private readonly options: NewestOptions<T>;
  /** One after the other: of two that are a round apart the later one has to be written last. */
  private readonly writing = new Map<string, { last: Promise<unknown>; waiting: number }>();

  constructor(options: NewestOptions<T>) {
    this.options = options;
  }

  /**
   * Takes the place of the oldest one when there are too many.
   * @throws Error when too many wait to be written; BATON_STORE_UNAVAILABLE
   */
  async add(tenant: string, entry: Omit<T, 'number'>): Promise<void> {
    const queue = this.writing.get(tenant) ?? { last: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= MAX_WAITING) throw new Error(`${MAX_WAITING} entries wait to be written`);
    queue.waiting++;
    this.writing.set(tenant, queue);
    const written = queue.last.then(() => this.write(tenant, entry));
    queue.last = written.catch(() => {});
    try {
      await written;
    } finally {
      if (--queue.waiting === 0) this.writing.delete(tenant);
    }
  }

  /** The newest first. @param before only those with a smaller number */
  async newest(tenant: string, count: number, before = Number.POSITIVE_INFINITY): Promise<T[]> {
    const { presence, most } = this.options;
    const written = Number((await presence.hget(this.keyOf(tenant), WRITTEN)) ?? 0);
    const oldest = Math.max(1, written - most + 1);
    const found: T[] = [];
    let next = Math.min(written, before - 1);
    while (found.length < count && next >= oldest) {
      const some = Math.min(next - oldest + 1, count - found.length);
      const numbers = Array.from({ length: some }, (_, i) => next - i);
      const entries = await Promise.all(numbers.map((number) => this.find(tenant, number)));
      // one that is being written, or was taken off, is not there
      found.push(...entries.filter((entry) => entry !== undefined));
      next -= some;
    }
    return found;
  }

  async find(tenant: string, number: number): Promise<T | undefined> {
    const { presence, schema } = this.options;
    const json = await presence.hget(this.keyOf(tenant), this.placeOf(number));
    const entry = json ? schema.parse(JSON.parse(json)) : undefined;
    return entry?.number === number ? entry : undefined; // else its place was taken
  }

  async remove(tenant: string, number: number): Promise<void> {
    if (await this.find(tenant, number))
      await this.options.presence.hdel(this.keyOf(tenant), this.placeOf(number));
  }

  private async write(tenant: string, entry: Omit<T, 'number'>): Promise<void> {
    const { presence } = this.options;
    const number = await presence.hincrby(this.keyOf(tenant), WRITTEN, 1);
    await presence.hset(this.keyOf(tenant), this.placeOf(number), JSON.stringify({ ...entry, number }));
  }

  private keyOf(tenant: string): string {
    return this.options.prefix + tenant;
  }

  private placeOf(number: number): string {
    return String(number % this.options.most);
  }
}
