// How often a key may ask, and how often an address may come with a wrong key. Counted on each host by itself.
import { createHash } from 'node:crypto';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { rateLimited } from '../errors.ts';

export interface LimitOptions {
  /** Requests of one key within `seconds`. Default 1000 within 10 s. */
  requests?: number;
  seconds?: number;
  /** Wrong keys from one address within a minute. Default 30. */
  wrongKeys?: number;
}

const MAX_REQUESTS = 1_000;
const REQUESTS_SECONDS = 10;
const MAX_WRONG_KEYS = 30;
const WRONG_KEYS_SECONDS = 60;
/** Addresses share so many counters: the memory that strangers can take has an end. */
const ADDRESS_COUNTERS = 16_384;

export class RequestLimits {
  private readonly keys: RateLimiterMemory;
  private readonly addresses: RateLimiterMemory;

  constructor(options: LimitOptions = {}) {
    const { requests = MAX_REQUESTS, seconds = REQUESTS_SECONDS, wrongKeys = MAX_WRONG_KEYS } = options;
    this.keys = new RateLimiterMemory({ points: requests, duration: seconds });
    this.addresses = new RateLimiterMemory({ points: wrongKeys, duration: WRONG_KEYS_SECONDS });
  }

  /**
   * Counts a request of a key.
   * @returns headers for its answer, draft-ietf-httpapi-ratelimit-headers
   * @throws BATON_RATE_LIMITED
   */
  async take(key: string): Promise<Record<string, string>> {
    const { points, duration } = this.keys;
    const headers = ({ remainingPoints, msBeforeNext }: RateLimiterRes) => ({
      'RateLimit-Policy': `"key";q=${points};w=${duration}`,
      RateLimit: `"key";r=${remainingPoints};t=${Math.ceil(msBeforeNext / 1_000)}`,
    });
    try {
      return headers(await this.keys.consume(key));
    } catch (refused) {
      throw refusal(this.keys, refused);
    }
  }

  /** @throws BATON_RATE_LIMITED when too many wrong keys came from the address */
  async assertMayTry(address: string): Promise<void> {
    const counted = await this.addresses.get(counterOf(address));
    if (counted && counted.consumedPoints >= this.addresses.points) throw refusal(this.addresses, counted);
  }

  async wrongKey(address: string): Promise<void> {
    await this.addresses.penalty(counterOf(address));
  }
}

function refusal({ points, duration }: RateLimiterMemory, counted: unknown): Error {
  if (!(counted instanceof RateLimiterRes)) return counted as Error;
  const retryAfter = Math.max(1, Math.ceil(counted.msBeforeNext / 1_000));
  return rateLimited({ limit: points, seconds: duration, retryAfter });
}

/** Those of one IPv6 network are one: whoever has an address there has them all. */
function counterOf(address: string): string {
  const plain = address.replace(/^::ffff:/, '');
  const network = plain.includes(':') ? plain.split(':').slice(0, 4).join(':') : plain;
  return String(createHash('sha256').update(network).digest().readUInt32LE(0) % ADDRESS_COUNTERS);
}
