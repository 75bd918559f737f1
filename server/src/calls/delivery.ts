// Brings a call to its endpoint: in its turn, unless the endpoint's circuit is open, in as many attempts as allowed. All
// of that has to fit into the endpoint's timeout.
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { AddressGuard } from './address-guard.ts';
import { Circuits } from './circuits.ts';
import { Failure, refusedWith, thrown } from './failure.ts';
import { Signer } from './signature.ts';
import { MAX_CALLS_AT_ONCE, Turns } from './turns.ts';

/** Longest answer that is read, in bytes. */
const MAX_REPLY_BYTES = 64 * 1024;
/** One attempt to connect. */
const CONNECT_MS = 2_000;
/** Longest pause before the first repetition; twice as long before each further one. How long it is, is drawn. */
const BACKOFF_MS = 100;

export interface Endpoint {
  url: string;
  /** Milliseconds for all attempts together. */
  timeout: number;
  /** Attempts after the first one. */
  retries: number;
  /** Also repeats a call that was sent and not answered: the function may have run. */
  retryTimeouts: boolean;
}

export interface Message {
  id: string;
  headers: Record<string, string>;
  body: string | Uint8Array;
}

export interface DeliveryOptions {
  /** Where endpoints may be. */
  guard: AddressGuard;
  /** Calls are signed with each of them; with none they are not signed. */
  secrets: readonly string[];
}

export class Delivery {
  private readonly signer: Signer | undefined;
  private readonly agent: Agent;
  private readonly turns = new Turns();
  private readonly circuits = new Circuits();
  private readonly ending = new AbortController();

  constructor(options: DeliveryOptions) {
    this.signer = options.secrets.length > 0 ? new Signer(options.secrets) : undefined;
    this.agent = new Agent({
      connect: options.guard.connector({ timeout: CONNECT_MS }),
      connections: MAX_CALLS_AT_ONCE,
      pipelining: 1,
      keepAliveTimeout: 30_000,
    });
  }

  /**
   * @returns the body of the answer
   * @throws Failure of the last attempt
   */
  async deliver(endpoint: Endpoint, message: Message): Promise<Buffer> {
    const until = performance.now() + endpoint.timeout;
    let last: Failure | undefined;
    let signedAt = 0;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.enter(endpoint, until);
      } catch (failure) {
        throw last ?? failure;
      }
      // functions take the same call again only under a later time
      signedAt = Math.max(signedAt + 1, Math.floor(Date.now() / 1_000));
      const left = Math.max(1, until - performance.now());
      const share = endpoint.retryTimeouts ? left / (endpoint.retries + 2 - attempt) : left;
      try {
        return await this.attempt(endpoint, message, signedAt, Math.ceil(share));
      } catch (failure) {
        last = failure as Failure;
      }
      last.attempts = attempt;
      const pause = last.after ?? Math.random() * BACKOFF_MS * 2 ** (attempt - 1);
      const again = last.repeatable && attempt <= endpoint.retries && performance.now() + pause < until;
      if (!again) throw last;
      await sleep(pause, undefined, { signal: this.ending.signal }).catch(() => {
        throw last;
      });
    }
  }

  /** Calls still under way are ended. */
  async end(): Promise<void> {
    this.ending.abort();
    await this.agent.destroy();
  }

  private async enter({ url, timeout }: Endpoint, until: number): Promise<void> {
    const closed = () => new Failure('its circuit is open');
    if (this.circuits.isOpen(url)) throw closed();
    const turn = await this.turns.take(Math.max(1, until - performance.now()));
    if (turn === 'full') throw new Failure('too many calls wait');
    if (turn === 'late') throw new Failure(`its turn did not come within ${timeout} ms`);
    if (this.circuits.enter(url)) return;
    this.turns.give();
    throw closed();
  }

  private async attempt(
    endpoint: Endpoint,
    { id, headers, body }: Message,
    signedAt: number,
    ms: number,
  ): Promise<Buffer> {
    let confirmed = false;
    // less work than AbortSignal.timeout(), which cannot be taken back
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException('late', 'TimeoutError')), ms);
    try {
      const response = await request(endpoint.url, {
        method: 'POST',
        dispatcher: this.agent,
        headers: { ...headers, ...this.signer?.headers(id, signedAt, body) },
        body,
        signal: late.signal,
      });
      confirmed = response.statusCode >= 200 && response.statusCode < 300;
      if (!confirmed) {
        await response.body.dump();
        throw refusedWith(response.statusCode, response.headers);
      }
      const answer = await readBounded(response.body);
      this.circuits.succeeded(endpoint.url);
      return answer;
    } catch (error) {
      const failure = thrown(error, endpoint.timeout, endpoint.retryTimeouts && !confirmed);
      if (failure.trouble) this.circuits.failed(endpoint.url);
      else if (error === failure) this.circuits.succeeded(endpoint.url);
      throw failure;
    } finally {
      clearTimeout(timer);
      this.turns.give();
    }
  }
}

async function readBounded(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) throw new Failure(`its answer is longer than ${MAX_REPLY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
