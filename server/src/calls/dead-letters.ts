// Calls that nobody can repeat any more by themselves and that were not delivered: kept in the store, the newest ones of
// each tenant, so that it can be seen what a function does not know, and told to it once it is well again.
import type { Presence } from '@colyseus/core';
import { z } from 'zod';
import { callFailed, deadLetterNotFound } from '../errors.ts';
import { counters } from '../telemetry/index.ts';
import type { Caller } from './caller.ts';
import type { Endpoint } from './delivery.ts';
import type { CallEvent } from './event.ts';

const keyOf = (tenant: string) => `baton:dead-letters:${tenant}`;
/** How many were written so far; the others are places, which are taken in turn. */
const WRITTEN = 'written';
/** Of one tenant. */
export const MAX_LETTERS = 1_000;
/** Letters of one answer. */
const MAX_PAGE = 100;
/** Of a longer body nothing is kept, and the call cannot be repeated. */
const MAX_BODY_BYTES = 64 * 1024;

const letterSchema = z.object({
  /** Counts all letters of the tenant, from 1. */
  number: z.number(),
  /** When the last attempt had failed, ISO 8601. */
  time: z.string(),
  /** `ce-id` of the call. */
  callId: z.string(),
  reason: z.string(),
  attempts: z.number(),
  /** Where it was sent. */
  url: z.string(),
  /** Which entry of the mapping's `receive` it was. */
  route: z.number().optional(),
  event: z.object({
    type: z.enum(['open', 'receive', 'close', 'linked', 'unlinked']),
    mapping: z.string(),
    mappingVersion: z.number().optional(),
    socketId: z.string(),
    playerId: z.string(),
    epoch: z.number().optional(),
    sequence: z.number().optional(),
    attributes: z.record(z.string(), z.unknown()).optional(),
    contentType: z.string(),
  }),
  /** Base64. */
  body: z.string().optional(),
});
export type DeadLetter = z.infer<typeof letterSchema>;

/** A call that failed for good. */
export interface LostCall {
  callId: string;
  reason: string;
  attempts: number;
  url: string;
  route?: number | undefined;
  event: CallEvent;
}

export class DeadLetters {
  private readonly presence: Presence;
  /** One after the other: of two that are a round apart the later one has to be written last. */
  private writing: Promise<unknown> = Promise.resolve();

  constructor(presence: Presence) {
    this.presence = presence;
  }

  /** Takes the place of the oldest one when there are too many. */
  add({ event, ...call }: LostCall): Promise<void> {
    const { tenant, body, ...about } = event;
    const kept = body.length <= MAX_BODY_BYTES ? Buffer.from(body).toString('base64') : undefined;
    const letter = { ...call, time: new Date().toISOString(), event: about, body: kept };
    const written = this.writing.then(async () => {
      const number = await this.presence.hincrby(keyOf(tenant), WRITTEN, 1);
      await this.presence.hset(keyOf(tenant), place(number), JSON.stringify({ ...letter, number }));
      counters.deadLetters++;
    });
    this.writing = written.catch(() => {});
    return written;
  }

  /** The newest first. @param before only those with a smaller number */
  async newest(tenant: string, count = MAX_PAGE, before = Number.POSITIVE_INFINITY): Promise<DeadLetter[]> {
    const written = Number((await this.presence.hget(keyOf(tenant), WRITTEN)) ?? 0);
    const oldest = Math.max(1, written - MAX_LETTERS + 1);
    const found: DeadLetter[] = [];
    let next = Math.min(written, before - 1);
    while (found.length < Math.min(count, MAX_PAGE) && next >= oldest) {
      const some = Math.min(next - oldest + 1, Math.min(count, MAX_PAGE) - found.length);
      const numbers = Array.from({ length: some }, (_, i) => next - i);
      const letters = await Promise.all(numbers.map((number) => this.find(tenant, number)));
      // one that is being written, or was delivered after all, is not there
      found.push(...letters.filter((letter) => letter !== undefined));
      next -= some;
    }
    return found;
  }

  /** @throws BATON_DEAD_LETTER_NOT_FOUND */
  async get(tenant: string, number: number): Promise<DeadLetter> {
    const letter = Number.isSafeInteger(number) ? await this.find(tenant, number) : undefined;
    if (!letter) throw deadLetterNotFound({ number });
    return letter;
  }

  /**
   * Makes the call again, under its old id; when it is delivered the letter goes. What the function answers has no
   * effect: the moment it was meant for has passed.
   * @param endpointOf where such a call goes today; without an answer it goes where it went
   * @throws BATON_DEAD_LETTER_NOT_FOUND, BATON_CALL_FAILED
   */
  async replay(
    tenant: string,
    number: number,
    caller: Caller,
    endpointOf: (letter: DeadLetter) => Endpoint | undefined,
  ): Promise<DeadLetter> {
    const letter = await this.get(tenant, number);
    const { mapping, type } = letter.event;
    if (letter.body === undefined)
      throw callFailed({ event: type, mapping, reason: 'its body was too long to be kept' });
    const endpoint = endpointOf(letter) ?? { url: letter.url, ...REPLAY };
    const body = Buffer.from(letter.body, 'base64');
    await caller.tell(endpoint, eventOf(tenant, letter, body), letter.callId);
    // its place may have been taken meanwhile
    if (await this.find(tenant, number)) await this.presence.hdel(keyOf(tenant), place(number));
    return letter;
  }

  private async find(tenant: string, number: number): Promise<DeadLetter | undefined> {
    const json = await this.presence.hget(keyOf(tenant), place(number));
    const letter = json ? letterSchema.parse(JSON.parse(json)) : undefined;
    return letter?.number === number ? letter : undefined;
  }
}

const REPLAY = { timeout: 10_000, retries: 2, retryTimeouts: false };

const place = (number: number) => String(number % MAX_LETTERS);

function eventOf(tenant: string, { event }: DeadLetter, body: Uint8Array): CallEvent {
  const { mappingVersion, epoch, sequence, attributes } = event;
  return { ...event, mappingVersion, epoch, sequence, attributes, tenant, body };
}
