// The public keys of a tenant's issuer (JWKS, RFC 7517 §5), fetched where endpoints may be and kept.
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { type Agent, request } from 'undici';
import { z } from 'zod';
import type { Log } from '../telemetry/index.ts';

/** Keys this old are fetched anew; when that fails they are used on. */
const KEYS_CACHE_MS = 10 * 60_000;
/** A key that is not known makes them be fetched anew, but not more often than this; nor does a failure. */
const COOLDOWN_RETRY_MS = 10_000;
/** One attempt to fetch them. */
const FETCH_KEYS_MS = 5_000;

const jwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

export interface KeySetOptions {
  url: string;
  /** Connects to permitted addresses only, and bounds what it reads. */
  agent: Agent;
  log: Log;
  /** Milliseconds; default `performance.now`. */
  now?: () => number;
}

export class KeySet {
  private readonly options: KeySetOptions;
  private readonly now: () => number;
  private keys: JWTVerifyGetKey | undefined;
  private fetchedAt = Number.NEGATIVE_INFINITY;
  private triedAt = Number.NEGATIVE_INFINITY;
  private failure = '';
  private fetching: Promise<void> | undefined;

  constructor(options: KeySetOptions) {
    this.options = options;
    this.now = options.now ?? (() => performance.now());
  }

  /**
   * @param unknown a key was asked for that they do not have
   * @returns the keys, or why there are none
   */
  async get(unknown = false): Promise<JWTVerifyGetKey | { failure: string }> {
    const old = this.now() - this.fetchedAt > KEYS_CACHE_MS;
    const cold = this.now() - this.triedAt >= COOLDOWN_RETRY_MS;
    if (this.fetching || ((old || unknown) && cold)) {
      this.fetching ??= this.fetch().finally(() => {
        this.fetching = undefined;
      });
      await this.fetching;
    }
    return this.keys ?? { failure: this.failure };
  }

  private async fetch(): Promise<void> {
    const { url, agent, log } = this.options;
    try {
      const response = await request(url, {
        dispatcher: agent,
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(FETCH_KEYS_MS),
      });
      if (response.statusCode !== 200) {
        await response.body.dump();
        throw new Error(`status ${response.statusCode}`);
      }
      this.keys = createLocalJWKSet(jwksSchema.parse(await response.body.json()) as JSONWebKeySet);
      this.fetchedAt = this.now();
    } catch (error) {
      this.failure = reasonOf(error);
      log.warn({ url, err: error }, 'the keys of an issuer could not be fetched');
    }
    this.triedAt = this.now();
  }
}

/** For players, who need not know what is where. */
function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError || error instanceof SyntaxError) return 'the answer is no JSON Web Key Set';
  const { name, code, message } = error as { name?: string; code?: string; message: string };
  if (name === 'TimeoutError') return `no answer within ${FETCH_KEYS_MS} ms`;
  return message.startsWith('status ') ? message : (code ?? 'the connection failed');
}
