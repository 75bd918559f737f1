// Brings a call to its endpoint: in its turn, unless the endpoint's circuit is open, in as many attempts as allowed. All
// of that has to fit into the endpoint's timeout.
import { setTimeout as sleep } from 'node:timers/promises';
import { counters } from '../telemetry/index.ts';
import type { AddressGuard } from './address-guard.ts';
import { Circuits } from './circuits.ts';
import type { Answer, Exchange } from './exchange.ts';
import { Failure, refusedWith, thrown } from './failure.ts';
import { Signer } from './signature.ts';
import { type FunctionHosts, Targets } from './targets.ts';
import { Turns } from './turns.ts';

/** Longest pause before the first repetition; twice as long before each further one. How long it is, is drawn. */
const BACKOFF_MS = 100;

export interface Endpoint {
  /** `http(s)://…`, or `function:NAME` for one that the service runs itself. */
  url: string;
  /** Milliseconds for all attempts together. */
  timeout: number;
  /** Attempts after the first one. */
  retries: number;
  /** Also repeats a call that was sent and not answered: the function may have run. */
  retryTimeouts: boolean;
  /** Bytes of its answer; 64 KiB if not said. */
  maxReply?: number;
}

export interface Message {
  tenant: string;
  id: string;
  /** Names and values in turn. */
  headers: readonly string[];
  body: Uint8Array;
}

export interface DeliveryOptions {
  /** Where endpoints may be. */
  guard: AddressGuard;
  /** A tenant's calls are signed with each of them; with none they are not signed. The same array until they change. */
  secrets(tenant: string): readonly string[];
  /** Calls of a tenant at a time; 256 if not said. */
  atOnce?(tenant: string): number | undefined;
  /** Calls of a tenant that wait; 10,000 if not said. */
  waiting?(tenant: string): number | undefined;
  functions?: FunctionHosts;
}

export class Delivery {
  private readonly options: DeliveryOptions;
  private readonly targets: Targets;
  private readonly signers = new WeakMap<readonly string[], Signer>();
  private readonly turns = new Turns();
  private readonly circuits = new Circuits();
  private readonly ending = new AbortController();

  constructor(options: DeliveryOptions) {
    this.options = options;
    this.targets = new Targets(options.guard, options.functions);
  }

  /**
   * One promise for all of it: each one more costs every call.
   * @returns an answer of success
   * @throws Failure of the last attempt
   */
  async deliver(endpoint: Endpoint, message: Message): Promise<Answer> {
    const { tenant } = message;
    const until = performance.now() + endpoint.timeout;
    let last: Failure | undefined;
    let signedAt = 0;
    for (let attempt = 1; ; attempt++) {
      try {
        const turn = this.enter(tenant, endpoint, until);
        if (turn) await turn;
      } catch (failure) {
        throw last ?? failure;
      }
      // functions take the same call again only under a later time
      signedAt = Math.max(signedAt + 1, Math.floor(Date.now() / 1_000));
      const left = Math.max(1, until - performance.now());
      const share = endpoint.retryTimeouts ? left / (endpoint.retries + 2 - attempt) : left;
      let made: Exchange | undefined;
      try {
        const headers = this.signed(message, signedAt);
        const found = this.targets.find(tenant, endpoint.url, Math.ceil(share));
        made = this.targets.send(
          found instanceof Promise ? await found : found,
          'POST',
          headers,
          message.body,
          endpoint.maxReply,
        );
        const answer = await made.answer;
        if (!made.confirmed) throw refusedWith(answer.status, answer.headers);
        this.circuits.succeeded(tenant, endpoint.url);
        return answer;
      } catch (error) {
        last = this.failed(error, endpoint, tenant, made);
      } finally {
        this.turns.give(tenant);
      }
      last.attempts = attempt;
      const pause = last.after ?? Math.random() * BACKOFF_MS * 2 ** (attempt - 1);
      const again = last.repeatable && attempt <= endpoint.retries && performance.now() + pause < until;
      if (!again) throw last;
      await sleep(pause, undefined, { signal: this.ending.signal }).catch(() => {
        throw last;
      });
      counters.callRetries++;
    }
  }

  /** An OPTIONS request: neither signed nor repeated. @throws Failure */
  async ask(url: string, headers: string[], ms: number): Promise<Answer> {
    try {
      const found = await this.targets.find('', url, ms);
      return await this.targets.send(found, 'OPTIONS', headers, null).answer;
    } catch (error) {
      throw thrown(error, ms, false);
    }
  }

  get openCircuits(): number {
    return this.circuits.open();
  }

  /** Calls still under way are ended. */
  async end(): Promise<void> {
    this.ending.abort();
    await this.targets.end();
  }

  /** @returns a promise only if the call has to wait for its turn */
  private enter(tenant: string, { url, timeout }: Endpoint, until: number): Promise<void> | undefined {
    if (this.circuits.isOpen(tenant, url)) throw circuitOpen();
    const wait = Math.max(1, until - performance.now());
    const turn = this.turns.take(tenant, wait, this.options.atOnce?.(tenant), this.options.waiting?.(tenant));
    if (turn === 'full') throw new Failure('too many calls wait');
    if (turn === 'taken') return this.proceed(tenant, url);
    return turn.then((result) => {
      if (result === 'late') throw new Failure(`its turn did not come within ${timeout} ms`);
      this.proceed(tenant, url);
    });
  }

  private proceed(tenant: string, url: string): undefined {
    if (this.circuits.enter(tenant, url)) return;
    this.turns.give(tenant);
    throw circuitOpen();
  }

  /** The headers of an attempt. */
  private signed({ tenant, id, headers, body }: Message, signedAt: number): readonly string[] {
    const secrets = this.options.secrets(tenant);
    if (secrets.length === 0) return headers;
    let signer = this.signers.get(secrets);
    if (!signer) this.signers.set(secrets, (signer = new Signer(secrets)));
    const signature = signer.sign(id, signedAt, body);
    const signed = ['webhook-id', id, 'webhook-timestamp', String(signedAt), 'webhook-signature', signature];
    return headers.concat(signed);
  }

  /** What a failed attempt says of the endpoint. */
  private failed(error: unknown, endpoint: Endpoint, tenant: string, made: Exchange | undefined): Failure {
    const failure = thrown(error, endpoint.timeout, endpoint.retryTimeouts && !made?.confirmed);
    if (failure.trouble) this.circuits.failed(tenant, endpoint.url);
    else if (error === failure) this.circuits.succeeded(tenant, endpoint.url);
    return failure;
  }
}

const circuitOpen = () => new Failure('its circuit is open');
