// Calls to the room of a hosted socket, on whichever host it is. Each host listens to one channel of its own; the store
// says on which host a socket is. A socket between two hosts is asked again where it went.
import type { Presence } from '@colyseus/core';
import { z } from 'zod';
import { asBatonError, BatonError, hostUnreachable } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';

const channelOf = (host: string) => `baton:host:${host}`;

/** How long a host may take to answer. */
const ANSWER_MS = 2_000;
/** How long a socket is followed that is on its way between hosts. */
const FOLLOW_MS = 5_000;
const PAUSE_MS = 20;
/** Calls of this host that wait for their answer. */
const MAX_OPEN_CALLS = 50_000;

const callSchema = z.object({
  id: z.number(),
  from: z.string(),
  method: z.string(),
  socketId: z.string(),
  args: z.array(z.unknown()),
});
const answerSchema = z.object({
  re: z.number(),
  /** The socket is not on that host, or about to leave it. */
  away: z.boolean().optional(),
  value: z.unknown(),
  error: z
    .object({
      code: z.string(),
      status: z.number(),
      message: z.string(),
      details: z.record(z.string(), z.unknown()),
    })
    .optional(),
});
type Answer = z.infer<typeof answerSchema>;

/** What a host says to a call for a socket that is not there. */
export const AWAY: unique symbol = Symbol('away');

export interface ReachOptions {
  host: string;
  store: Store;
  log: Log;
  /** Carries a call out on this host. @returns AWAY when the socket is not here, or not for long */
  perform(method: string, socketId: string, args: unknown[]): unknown;
}

export class Reach {
  private readonly options: ReachOptions;
  private readonly presence: Presence;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private lastId = 0;

  constructor(options: ReachOptions) {
    this.options = options;
    this.presence = options.store.presence;
  }

  async start(): Promise<void> {
    await this.presence.subscribe(channelOf(this.options.host), (message: unknown) => this.heard(message));
  }

  stop(): void {
    this.presence.unsubscribe(channelOf(this.options.host));
  }

  /**
   * Calls a method of a socket's room.
   * @returns undefined when nobody has the socket
   * @throws what the method throws, as an error of the catalogue; BATON_HOST_UNREACHABLE
   */
  async call<T>(socketId: string, method: string, args: unknown[]): Promise<T | undefined> {
    const until = Date.now() + FOLLOW_MS;
    for (;;) {
      const here = await this.options.perform(method, socketId, args);
      if (here !== AWAY) return here as T;
      const owner = await this.options.store.owner(socketId);
      if (!owner) return undefined;
      if (owner.host !== this.options.host) {
        const value = await this.ask(owner.host, method, socketId, args);
        if (value !== AWAY) return value as T;
      }
      if (Date.now() > until)
        throw hostUnreachable({ host: owner.host, reason: `socket ${socketId} is still on its way` });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** Asks a host. @returns AWAY when it does not have the socket */
  async ask(host: string, method: string, socketId: string, args: unknown[]): Promise<unknown> {
    if (host === this.options.host) return this.options.perform(method, socketId, args);
    const answer = await this.send(host, { id: ++this.lastId, method, socketId, args });
    if (answer.error) throw BatonError.fromJSON(answer.error);
    return answer.away ? AWAY : answer.value;
  }

  private send(host: string, call: { id: number; [field: string]: unknown }): Promise<Answer> {
    if (this.waiting.size >= MAX_OPEN_CALLS)
      throw hostUnreachable({ host, reason: 'too many calls wait for their answers' });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(call.id);
        reject(hostUnreachable({ host, reason: `no answer within ${ANSWER_MS} ms` }));
      }, ANSWER_MS);
      this.waiting.set(call.id, (answer) => {
        clearTimeout(timer);
        this.waiting.delete(call.id);
        resolve(answer);
      });
      this.publish(host, { ...call, from: this.options.host }).catch((error) => {
        clearTimeout(timer);
        this.waiting.delete(call.id);
        reject(error);
      });
    });
  }

  private async publish(host: string, message: object): Promise<void> {
    await this.presence.publish(channelOf(host), message);
  }

  private heard(message: unknown): void {
    const answer = answerSchema.safeParse(message);
    if (answer.success) {
      this.waiting.get(answer.data.re)?.(answer.data);
      return;
    }
    const call = callSchema.safeParse(message);
    if (call.success) void this.carryOut(call.data);
    else this.options.log.warn('a message of another host is malformed');
  }

  private async carryOut({ id, from, method, socketId, args }: z.infer<typeof callSchema>): Promise<void> {
    let answer: Answer;
    try {
      const value = await this.options.perform(method, socketId, args);
      answer = value === AWAY ? { re: id, away: true, value: null } : { re: id, value: value ?? null };
    } catch (error) {
      if (!(error instanceof BatonError)) this.options.log.error({ err: error, method }, 'a call failed');
      answer = { re: id, value: null, error: asBatonError(error).toJSON() };
    }
    await this.publish(from, answer).catch((error) =>
      this.options.log.debug({ err: error, host: from }, 'an answer could not be sent'),
    );
  }
}
