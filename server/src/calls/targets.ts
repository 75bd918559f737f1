// Where a call is sent: the connections to an endpoint's server, and what the URL says to it.
import { Agent, type Dispatcher } from 'undici';
import type { BatonError } from '../errors.ts';
import type { AddressGuard } from './address-guard.ts';
import { type Exchange, exchange } from './exchange.ts';
import { Failure } from './failure.ts';
import { MAX_TENANT_CALLS } from './turns.ts';

/** One attempt to connect. */
const CONNECT_MS = 2_000;
/** URLs whose parts are remembered. */
const MAX_KNOWN = 1_000;
const FUNCTION = 'function:';

const POOL = {
  connections: MAX_TENANT_CALLS,
  pipelining: 1,
  keepAliveTimeout: 30_000,
  // each call has one of its own, for all of it
  headersTimeout: 0,
  bodyTimeout: 0,
};

/** Where a request goes, and how long it may take. */
export interface Target {
  dispatcher: Dispatcher;
  origin: string;
  path: string;
  /** Until the end of the answer, from when it was found. */
  ms: number;
}

/** The functions that the service runs itself. */
export interface FunctionHosts {
  /**
   * Where to call it, and on which connections: it is where no studio's endpoint may be. They have no timeouts.
   * @throws when the tenant has no such function, or it does not run
   */
  resolve(tenant: string, name: string): Promise<{ url: string; dispatcher: Dispatcher }>;
}

export class Targets {
  private readonly functions: FunctionHosts | undefined;
  private readonly outside: Agent;
  private readonly known = new Map<string, { origin: string; path: string }>();

  constructor(guard: AddressGuard, functions?: FunctionHosts) {
    this.functions = functions;
    this.outside = new Agent({ ...POOL, connect: guard.connector({ timeout: CONNECT_MS }) });
  }

  /**
   * @param ms for all of the request
   * @returns a promise only for a function of the service; it throws a Failure when there is none
   */
  find(tenant: string, url: string, ms: number): Target | Promise<Target> {
    if (url.startsWith(FUNCTION)) return this.functionAt(tenant, url.slice(FUNCTION.length), ms);
    const { origin, path } = this.parts(url);
    return { dispatcher: this.outside, origin, path, ms };
  }

  /** @param headers names and values in turn */
  send(
    { dispatcher, origin, path, ms }: Target,
    method: 'POST' | 'OPTIONS',
    headers: readonly string[],
    body: Uint8Array | null,
    maxReply?: number,
  ): Exchange {
    const request = { origin, path, method, headers: headers as string[], body };
    return exchange(dispatcher, request, ms, maxReply);
  }

  async end(): Promise<void> {
    await this.outside.destroy();
  }

  /** It may have to be started first, which goes on when the time is over. */
  private async functionAt(tenant: string, name: string, ms: number): Promise<Target> {
    const until = performance.now() + ms;
    if (!this.functions) throw new Failure('this service runs no functions');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Failure(`it did not start within ${Math.round(ms)} ms`)), ms);
    });
    try {
      const { url, dispatcher } = await Promise.race([this.functions.resolve(tenant, name), late]);
      return { dispatcher, ...this.parts(url), ms: Math.max(1, until - performance.now()) };
    } catch (cause) {
      if (cause instanceof Failure) throw cause;
      const { status = 500, details } = cause as Partial<BatonError>;
      const after = details?.['afterMs'] as number | undefined;
      const reason = status === 404 ? 'it is not deployed' : 'it does not run';
      throw new Failure(reason, { repeatable: status >= 500, after, cause });
    } finally {
      clearTimeout(timer);
    }
  }

  private parts(url: string): { origin: string; path: string } {
    let parts = this.known.get(url);
    if (parts) return parts;
    const { origin, pathname, search } = new URL(url);
    parts = { origin, path: pathname + search };
    if (this.known.size >= MAX_KNOWN) this.known.delete(this.known.keys().next().value!);
    this.known.set(url, parts);
    return parts;
  }
}
