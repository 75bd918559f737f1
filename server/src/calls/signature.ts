// Signatures as in Standard Webhooks 1.0, symmetric: the function sees that a call comes from the service, unchanged and
// lately. Made here and not by its library, which takes a body for text and would sign other bytes than those sent.
import { hash } from 'node:crypto';
import { z } from 'zod';

const PREFIX = 'whsec_';

/** `whsec_` and the base64 of 24 to 64 bytes. What is wrong with one is said without repeating it. */
export const signingSecret = z.string().refine(
  (secret) => {
    if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret)) return false;
    const { length } = keyOf(secret);
    return length >= 24 && length <= 64;
  },
  { error: 'expected "whsec_" and the base64 of 24 to 64 random bytes' },
);

const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(PREFIX.length), 'base64');

/** Of SHA-256 (FIPS 180-4), in bytes. */
const BLOCK = 64;
const DIGEST = 32;

/**
 * HMAC-SHA256 (RFC 2104) by two hashes. Node's own takes an object outside of V8's heap for each signature, and these
 * cost the garbage collector more than to hash.
 */
class Key {
  private readonly inner: Buffer;
  /** Its pad, and the digest of what follows the other one. */
  private readonly outer: Buffer;

  /** @param secret at most a block, which `signingSecret` sees to */
  constructor(secret: Buffer) {
    this.inner = padded(secret, 0x36);
    this.outer = Buffer.concat([padded(secret, 0x5c), Buffer.alloc(DIGEST)]);
  }

  /** Base64. */
  sign(message: readonly Uint8Array[]): string {
    this.outer.set(hash('sha256', Buffer.concat([this.inner, ...message]), 'buffer'), BLOCK);
    return hash('sha256', this.outer, 'base64');
  }
}

function padded(secret: Buffer, pad: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  secret.copy(block);
  return block.map((byte) => byte ^ pad) as Buffer;
}

export class Signer {
  readonly #keys: Key[];

  /** @param secrets each one signs, so that functions can change theirs at any time during a rotation */
  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map((secret) => new Key(keyOf(secret)));
  }

  /**
   * `webhook-signature` of one attempt.
   * @param id        of the call: the same for each of its attempts
   * @param timestamp of the attempt, in seconds
   */
  sign(id: string, timestamp: number, body: string | Uint8Array): string {
    const message = [Buffer.from(`${id}.${timestamp}.`), typeof body === 'string' ? Buffer.from(body) : body];
    let signatures = '';
    for (const key of this.#keys) {
      const hmac = key.sign(message);
      signatures += signatures === '' ? `v1,${hmac}` : ` v1,${hmac}`;
    }
    return signatures;
  }
}
