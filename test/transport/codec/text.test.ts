// RFC 6455 §8.1: text is UTF-8, wherever it is cut.

import { isUtf8 } from 'node:buffer';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Utf8Check } from '../../../server/src/transport/codec/utf8.ts';
import { continuation, hex, read, readCut, text } from '../fixtures/frames.ts';

const INVALID_TEXT = [['violation', 1007]];
const bad: [string, number[]][] = [
  ['a lone continuation byte', [0x80]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['an overlong NUL of three bytes', [0xe0, 0x80, 0x80]],
  ['an overlong form of four bytes', [0xf0, 0x8f, 0xbf, 0xbf]],
  ['a surrogate', [0xed, 0xa0, 0x80]],
  ['what is above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ['a byte that never occurs', [0xff]],
  ['a character without its end', [0xe2, 0x82]],
  ['a character broken off', [0xe2, 0x82, 0x41]],
];

describe('a text message', () => {
  test.each(bad)('of %s closes with 1007', (_, bytes) => {
    const payload = Buffer.from([0x41, ...bytes]);
    expect(read(text(payload))).toEqual(INVALID_TEXT);
    for (let cut = 1; cut < payload.length + 6; cut++)
      expect(readCut(text(payload), [cut])).toEqual(INVALID_TEXT);
  });
  test('may have a character cut by a fragment', () => {
    const payload = Buffer.from('κόσμε 🂡');
    for (let cut = 0; cut <= payload.length; cut++) {
      const bytes = Buffer.concat([
        text(payload.subarray(0, cut), { fin: false }),
        continuation(payload.subarray(cut)),
      ]);
      expect(read(bytes)).toEqual([['message', hex(payload), false]]);
    }
  });
  test('fails at the first byte that cannot be text, before its end', () => {
    expect(read(text(Buffer.from([0x41, 0xff]), { fin: false }))).toEqual(INVALID_TEXT);
    const whole = text(Buffer.concat([Buffer.from([0xc0]), Buffer.alloc(1000, 'a')]));
    expect(read(whole.subarray(0, 20))).toEqual(INVALID_TEXT);
  });
});

test('the validator agrees with Node on random bytes and random text, cut anywhere', () => {
  const edgy = fc.constantFrom(
    0x00,
    0x7f,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc0,
    0xc1,
    0xc2,
    0xdf,
    0xe0,
    0xe1,
    0xec,
    0xed,
    0xee,
    0xef,
    0xf0,
    0xf1,
    0xf3,
    0xf4,
    0xf5,
    0xff,
  );
  const bytes = fc.oneof(
    fc.array(edgy, { maxLength: 12 }).map((array) => Buffer.from(array)),
    fc.string({ unit: 'binary', maxLength: 20 }).map((string) => Buffer.from(string)),
    fc.uint8Array({ maxLength: 12 }).map((array) => Buffer.from(array)),
  );
  fc.assert(
    fc.property(bytes, fc.nat(20), (whole, at) => {
      const cut = Math.min(at, whole.length);
      const first = new Utf8Check();
      let valid = first.push(whole, 0, cut);
      const second = new Utf8Check(structuredClone(first.save()));
      valid = valid && second.push(whole, cut, whole.length) && second.complete;
      expect(valid).toBe(isUtf8(whole));
    }),
    { numRuns: 3000 },
  );
});
