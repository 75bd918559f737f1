// Signatures as in Standard Webhooks 1.0, symmetric: the function sees that a call comes from the service, unchanged and
// lately. Made here and not by its library, which takes a body for text and would sign other bytes than those sent.
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
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

export class Signer {
  /** Made once: from bytes each signature would make one, which takes several times as long as to sign. */
  readonly #keys: KeyObject[];

  /** @param secrets each one signs, so that functions can change theirs at any time during a rotation */
  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map((secret) => createSecretKey(keyOf(secret)));
  }

  /**
   * `webhook-signature` of one attempt.
   * @param id        of the call: the same for each of its attempts
   * @param timestamp of the attempt, in seconds
   */
  sign(id: string, timestamp: number, body: string | Uint8Array): string {
    const head = `${id}.${timestamp}.`;
    let signatures = '';
    for (const key of this.#keys) {
      const hmac = createHmac('sha256', key).update(head).update(body).digest('base64');
      signatures += signatures === '' ? `v1,${hmac}` : ` v1,${hmac}`;
    }
    return signatures;
  }
}
