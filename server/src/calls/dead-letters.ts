// Calls that nobody can repeat any more by themselves and that were not delivered: kept in the store, the newest ones, so
// that an operator can see what a function does not know.
import type { Presence } from '@colyseus/core';
import { z } from 'zod';

const KEY = 'baton:dead-letters';
/** How many were written so far; the others are places, which are taken in turn. */
const WRITTEN = 'written';
export const MAX_LETTERS = 1_000;
/** Letters of one answer. */
const MAX_PAGE = 100;

const letterSchema = z.object({
  /** Counts all letters of the store, from 1. */
  number: z.number(),
  /** When the last attempt had failed, ISO 8601. */
  time: z.string(),
  /** `ce-id` of the call. */
  callId: z.string().optional(),
  reason: z.string(),
  attempts: z.number(),
  event: z.object({
    type: z.string(),
    mapping: z.string(),
    socketId: z.string(),
    playerId: z.string(),
    epoch: z.number().optional(),
    sequence: z.number().optional(),
    data: z.unknown(),
  }),
});
export type DeadLetter = z.infer<typeof letterSchema>;

export class DeadLetters {
  private readonly presence: Presence;
  /** One after the other: of two that are a round apart the later one has to be written last. */
  private writing: Promise<unknown> = Promise.resolve();

  constructor(presence: Presence) {
    this.presence = presence;
  }

  /** Takes the place of the oldest one when there are too many. */
  add(letter: Omit<DeadLetter, 'number'>): Promise<void> {
    const written = this.writing.then(() => this.write(letter));
    this.writing = written.catch(() => {});
    return written;
  }

  /** The newest first. @param before only those with a smaller number */
  async newest(count = MAX_PAGE, before = Number.POSITIVE_INFINITY): Promise<DeadLetter[]> {
    const written = Number((await this.presence.hget(KEY, WRITTEN)) ?? 0);
    const last = Math.min(written, before - 1);
    const first = Math.max(1, written - MAX_LETTERS + 1, last - Math.min(count, MAX_PAGE) + 1);
    const numbers = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => last - i);
    const found = await Promise.all(
      numbers.map(async (number) => {
        const json = await this.presence.hget(KEY, place(number));
        return json ? letterSchema.parse(JSON.parse(json)) : undefined;
      }),
    );
    // one that is being written, or was replaced meanwhile, is not there
    return found.filter((letter, i): letter is DeadLetter => letter?.number === numbers[i]);
  }

  private async write(letter: Omit<DeadLetter, 'number'>): Promise<void> {
    const number = await this.presence.hincrby(KEY, WRITTEN, 1);
    await this.presence.hset(KEY, place(number), JSON.stringify({ ...letter, number }));
  }
}

const place = (number: number) => String(number % MAX_LETTERS);
