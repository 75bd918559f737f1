// Signatures as in Standard Webhooks 1.0: a call is taken only if the service signed these very bytes, lately,
// and if it was not made before, as far as this process remembers.
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

const PREFIX = 'whsec_';
/** How far a call's timestamp may be from this machine's clock, in seconds. */
const TOLERANCE = 5 * 60;
/** Calls remembered at most; past it the oldest is forgotten. */
const MAX_REMEMBERED = 100_000;

/** Why a call is not taken; the adapter answers it with status 401. */
export class Unsigned extends Error {
  override readonly name = 'Unsigned';
}

type HeaderOf = (name: string) => string | undefined;

/**
 * Checks of calls for a server that does not use `defineFunctions()`: that the service signed these very bytes with one of
 * the secrets, within five minutes, and that the call was not made before. What was seen is kept in memory: the last 100,000
 * calls, of this process.
 *
 * @example
 * ```ts
 * const check = verify(['whsec_…']);
 * check(request.headers, await request.bytes()); // throws Unsigned
 * ```
 * @throws TypeError when there is no secret, or one is malformed
 */
export function verify(
  secrets: readonly string[],
): (headers: Headers | HeaderOf | Readonly<Record<string, unknown>>, body: Uint8Array | string) => void {
  const verifier = new Verifier(secrets);
  return (headers, body) => {
    const header: HeaderOf =
      typeof headers === 'function'
        ? headers
        : headers instanceof Headers
          ? (name) => headers.get(name) ?? undefined
          : (name) => (typeof headers[name] === 'string' ? headers[name] : undefined);
    verifier.check(header, typeof body === 'string' ? Buffer.from(body) : body);
  };
}

export class Verifier {
  readonly #keys: KeyObject[];
  /** Timestamp of the newest attempt of each call, by webhook-id, in order of arrival. */
  readonly #seen = new Map<string, number>();

  /**
   * @param secrets `whsec_…`; a signature by one of them is enough
   * @throws TypeError when there is none, or one is malformed
   */
  constructor(secrets: readonly string[]) {
    if (secrets.length === 0) throw new TypeError('secrets is empty; leave it out to take unsigned calls');
    this.#keys = secrets.map((secret, i) => {
      const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
      if (!secret.startsWith(PREFIX) || key.length < 24 || key.length > 64)
        throw new TypeError(`secrets[${i}] is not "${PREFIX}" and the base64 of 24 to 64 bytes`);
      return createSecretKey(key);
    });
  }

  /**
   * @param now seconds
   * @throws Unsigned
   */
  check(header: HeaderOf, body: Uint8Array, now = Math.floor(Date.now() / 1_000)): void {
    const required = (name: string) => {
      const value = header(name);
      if (!value) throw new Unsigned(`The call is not signed: header ${name} is missing.`);
      return value;
    };
    const id = required('webhook-id');
    // A dot in it could be taken for the one before the timestamp.
    if (!/^[\w-]{1,128}$/.test(id)) throw new Unsigned('Header webhook-id is not an id.');
    const timestamp = required('webhook-timestamp');
    if (!this.#signed(required('webhook-signature'), `${id}.${timestamp}.`, body))
      throw new Unsigned('The signature does not match; is the secret that of the service?');
    if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE)
      throw new Unsigned(
        `The call was signed more than ${TOLERANCE} seconds from now; are the clocks right?`,
      );
    this.#remember(id, Number(timestamp), now);
  }

  #signed(given: string, head: string, body: Uint8Array): boolean {
    const signatures = given
      .split(' ')
      .filter((signature) => signature.startsWith('v1,'))
      .map((signature) => Buffer.from(signature.slice(3), 'base64'));
    return this.#keys.some((key) => {
      const expected = createHmac('sha256', key).update(head).update(body).digest();
      return signatures.some((got) => got.length === expected.length && timingSafeEqual(got, expected));
    });
  }

  /** The service repeats a call under a later timestamp each time; somebody who recorded one cannot. */
  #remember(id: string, timestamp: number, now: number): void {
    const before = this.#seen.get(id);
    if (before !== undefined && timestamp <= before) throw new Unsigned('This call was made before.');
    this.#seen.delete(id);
    this.#seen.set(id, timestamp);
    for (const [oldest, at] of this.#seen) {
      if (this.#seen.size <= MAX_REMEMBERED && now - at <= TOLERANCE) return;
      this.#seen.delete(oldest);
    }
  }
}
