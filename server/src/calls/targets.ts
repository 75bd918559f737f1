// Where a call is sent: the connections to an endpoint's server, and what the URL says to it.
import { Agent } from 'undici';
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

interface Request {
  method: 'POST' | 'OPTIONS';
  /** Names and values in turn. */
  headers: readonly string[];
  body: Uint8Array | null;
}

/** The functions that the service runs itself. */
export interface FunctionHosts {
  /** @throws when the tenant has no such function, or it does not run */
  resolve(tenant: string, name: string): Promise<{ url: string; headers?: Record<string, string> }>;
}

export class Targets {
  private readonly functions: FunctionHosts | undefined;
  private readonly outside: Agent;
  /** To the service's own functions, which are where no studio's endpoint may be. */
  private readonly inside = new Agent({ ...POOL, connect: { timeout: CONNECT_MS } });
  private readonly known = new Map<string, { origin: string; path: string }>();

  constructor(guard: AddressGuard, functions?: FunctionHosts) {
    this.functions = functions;
    this.outside = new Agent({ ...POOL, connect: guard.connector({ timeout: CONNECT_MS }) });
  }

  /** @throws Failure when there is no such function */
  async send(tenant: string, url: string, { method, headers, body }: Request, ms: number): Promise<Exchange> {
    const inside = url.startsWith(FUNCTION);
    const found = inside ? await this.functionAt(tenant, url.slice(FUNCTION.length)) : undefined;
    const { origin, path } = this.parts(found?.url ?? url);
    const more = found?.headers ? headers.concat(...Object.entries(found.headers)) : headers;
    return exchange(
      inside ? this.inside : this.outside,
      { origin, path, method, headers: more as string[], body },
      ms,
    );
  }

  async end(): Promise<void> {
    await Promise.all([this.outside.destroy(), this.inside.destroy()]);
  }

  private async functionAt(tenant: string, name: string) {
    try {
      if (this.functions) return await this.functions.resolve(tenant, name);
    } catch (cause) {
      throw new Failure('it does not run', { repeatable: true, cause });
    }
    throw new Failure('this service runs no functions');
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
