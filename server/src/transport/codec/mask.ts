// Unmasking (RFC 6455 §5.3) into another buffer, because the source belongs to whoever reads the socket.

import { endianness } from 'node:os';

/** From this size on, copying natively and combining four bytes at a time beats the byte loop. */
const WORDWISE_FROM = 256;
const littleEndian = endianness() === 'LE';

const rotateLeft = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits));

const byteSwap = (value: number) =>
  (value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff0000) | (value << 24);

/**
 * Writes `length` unmasked bytes of `source` (from `from`) to `target` (at `at`). `source` is only read.
 *
 * @param mask  masking key, its first byte in the highest bits
 * @param phase bytes of the payload that went before; only its last two bits matter
 */
export function unmask(
  source: Buffer,
  from: number,
  target: Buffer,
  at: number,
  length: number,
  mask: number,
  phase: number,
): void {
  if ((phase & 3) !== 0) mask = rotateLeft(mask, (phase & 3) << 3);
  let done = 0;
  if (length >= WORDWISE_FROM && ((target.byteOffset + at) & 3) === 0) {
    source.copy(target, at, from, from + length);
    const words = new Int32Array(target.buffer, target.byteOffset + at, length >>> 2);
    const key = littleEndian ? byteSwap(mask) : mask;
    for (let i = 0; i < words.length; i++) words[i]! ^= key;
    done = words.length << 2;
  }
  const m0 = mask >>> 24;
  const m1 = (mask >>> 16) & 0xff;
  const m2 = (mask >>> 8) & 0xff;
  const m3 = mask & 0xff;
  const whole = length - 3;
  for (; done < whole; done += 4) {
    target[at + done] = source[from + done]! ^ m0;
    target[at + done + 1] = source[from + done + 1]! ^ m1;
    target[at + done + 2] = source[from + done + 2]! ^ m2;
    target[at + done + 3] = source[from + done + 3]! ^ m3;
  }
  if (done < length) target[at + done] = source[from + done]! ^ m0;
  if (done + 1 < length) target[at + done + 1] = source[from + done + 1]! ^ m1;
  if (done + 2 < length) target[at + done + 2] = source[from + done + 2]! ^ m2;
}
