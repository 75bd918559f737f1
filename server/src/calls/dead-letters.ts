// Calls that nobody can repeat any more by themselves and that were not delivered: kept in the store, the newest ones of
// each tenant, so that it can be seen what a function does not know, and told to it once it is well again.
import type { Presence } from '@colyseus/core';
import { z } from 'zod';
import { callFailed, deadLetterNotFound } from '../errors.ts';
import { Newest } from '../store/index.ts';
import { counters } from '../telemetry/index.ts';
import type { Caller } from './caller.ts';
import type { Endpoint } from './delivery.ts';
import type { CallEvent } from './event.ts';

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
  private readonly letters: Newest<DeadLetter>;

  constructor(presence: Presence) {
    this.letters = new Newest({
      presence,
      prefix: 'baton:dead-letters:',
      most: MAX_LETTERS,
      schema: letterSchema,
    });
  }

  /** Takes the place of the oldest one when there are too many. */
  async add({ event, ...call }: LostCall): Promise<void> {
    const { tenant, body, ...about } = event;
    const kept = body.length <= MAX_BODY_BYTES ? Buffer.from(body).toString('base64') : undefined;
    await this.letters.add(tenant, { ...call, time: new Date().toISOString(), event: about, body: kept });
    counters.deadLetters++;
    counters.lettersOf.add(tenant);
  }

  /** The newest first. @param before only those with a smaller number */
  newest(tenant: string, count = MAX_PAGE, before?: number): Promise<DeadLetter[]> {
    return this.letters.newest(tenant, Math.min(count, MAX_PAGE), before);
  }

  /** @throws BATON_DEAD_LETTER_NOT_FOUND */
  async get(tenant: string, number: number): Promise<DeadLetter> {
    const letter = Number.isSafeInteger(number) ? await this.letters.find(tenant, number) : undefined;
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
    await this.letters.remove(tenant, number);
    counters.lettersOf.add(tenant);
    return letter;
  }
}

const REPLAY = { timeout: 10_000, retries: 2, retryTimeouts: false };

function eventOf(tenant: string, { event }: DeadLetter, body: Uint8Array): CallEvent {
  const { mappingVersion, epoch, sequence, attributes } = event;
  return { ...event, mappingVersion, epoch, sequence, attributes, tenant, body };
}
