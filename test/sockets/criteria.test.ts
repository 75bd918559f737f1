// Receive criteria against a naive reference: random messages, cut anywhere, saved and restored at random points.

import v8 from 'node:v8';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Criteria, ReceiveBuffer } from '../../server/src/sockets/receive/criteria.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const criteria = (some: Partial<Criteria>): Criteria => ({ delimiters: [], maxBuffer: 65_536, ...some });
const texts = (buffer: ReceiveBuffer, ...messages: string[]) =>
  messages
    .flatMap((message) => buffer.push(bytes(message), 0))
    .map(({ data, reason }) => `${reason} ${Buffer.from(data).toString('latin1')}`);

describe('a call is due', () => {
  test('for every message, when nothing is said', () =>
    expect(texts(new ReceiveBuffer(criteria({})), 'a', '', 'bc')).toEqual([
      'messages a',
      'messages ',
      'messages bc',
    ]));
  test('when so many bytes are buffered; what is over waits', () => {
    const buffer = new ReceiveBuffer(criteria({ bytes: 4 }));
    expect(texts(buffer, 'ab', 'cdefghij')).toEqual(['bytes abcd', 'bytes efgh']);
    expect(buffer.size).toBe(2);
  });
  test('up to and with a delimiter, also one that is split', () => {
    const buffer = new ReceiveBuffer(criteria({ delimiters: [bytes('\r\n')] }));
    expect(texts(buffer, 'one\r', '\ntwo\r\nthr', 'ee')).toEqual(['delimiter one\r\n', 'delimiter two\r\n']);
    expect(Buffer.from(buffer.flush()).toString()).toBe('three');
    expect(buffer.empty).toBe(true);
  });
  test('when so many messages are buffered; one that is begun counts', () => {
    const buffer = new ReceiveBuffer(criteria({ messages: 2, delimiters: [bytes('|')] }));
    expect(texts(buffer, 'ab|cd', 'ef', 'g')).toEqual(['delimiter ab|', 'messages cdef']);
  });
  test('when its time has come, from the first byte on', () => {
    const buffer = new ReceiveBuffer(criteria({ everyMs: 250 }));
    expect(buffer.push(bytes('a'), 1_000)).toEqual([]);
    expect(buffer.push(bytes('b'), 1_200)).toEqual([]);
    expect(buffer.deadline).toBe(1_250);
    expect(buffer.expire(1_249)).toBeUndefined();
    expect(buffer.expire(1_250)).toEqual({ data: bytes('ab'), reason: 'every' });
    expect(buffer.deadline).toBeUndefined();
  });
  test('by whichever comes first', () => {
    const both = criteria({ bytes: 5, delimiters: [bytes(';'), bytes('--')] });
    expect(texts(new ReceiveBuffer(both), 'abcdefg;h--ijklm')).toEqual([
      'bytes abcde',
      'delimiter fg;',
      'delimiter h--',
      'bytes ijklm',
    ]);
  });
});

test('what is too much is given out, at the end of a message, never more at a time than may wait or one message has', () => {
  const buffer = new ReceiveBuffer(criteria({ messages: 1e9, everyMs: 100, maxBuffer: 10 }));
  const push = (message: string, now: number) => {
    expect(buffer.push(bytes(message), now)).toEqual([]);
    return buffer.overflow(now).map(({ data, reason }) => `${reason} ${Buffer.from(data)}`);
  };
  expect(push('abcd', 0)).toEqual([]);
  expect(push('efghij', 50)).toEqual([]);
  expect(buffer.deadline).toBe(100);
  expect(push('k', 60)).toEqual(['overflow abcdefghij']);
  expect([buffer.size, buffer.deadline]).toEqual([1, 160]);
  expect(push('0123456789AB', 70)).toEqual(['overflow k', 'overflow 0123456789AB']);
  expect([buffer.empty, buffer.deadline]).toEqual([true, undefined]);
});

test('more than may wait is seen, bytes and empty messages alike', () => {
  const buffer = new ReceiveBuffer(criteria({ messages: 1e9, maxBuffer: 10 }));
  buffer.push(new Uint8Array(10), 0);
  expect(buffer.overflown).toBe(false);
  buffer.push(new Uint8Array(1), 0);
  expect(buffer.overflown).toBe(true);
  const idle = new ReceiveBuffer(criteria({ messages: 1e9 }));
  for (let i = 0; i < 65_537; i++) idle.push(new Uint8Array(0), 0);
  expect(idle.overflown).toBe(true);
  expect(idle.overflow(0)).toEqual([{ data: bytes(''), reason: 'overflow' }]);
  expect(idle.empty).toBe(true);
});

/** The same with nothing clever: an array of bytes that know the end of their message. */
class Naive {
  private readonly criteria: Criteria;
  private waiting: { byte: number; last: boolean }[] = [];
  /** Empty messages by how many bytes stand before them. */
  private hollow: number[] = [];
  due: number | undefined;
  constructor(given: Criteria) {
    this.criteria = given;
  }
  push(message: Uint8Array, now: number): string[] {
    const { bytes: enoughBytes, messages, everyMs, delimiters } = this.criteria;
    if (message.length === 0) this.hollow.push(this.waiting.length);
    for (const [index, byte] of message.entries())
      this.waiting.push({ byte, last: index === message.length - 1 });
    if (everyMs !== undefined) this.due ??= now + everyMs;
    const out: string[] = [];
    for (;;) {
      const count = this.waiting.filter(({ last }) => last).length + this.hollow.length;
      if (count === 0) break;
      let cut: number | undefined;
      let reason = '';
      for (let length = 1; length <= this.waiting.length && cut === undefined; length++) {
        const text = this.waiting.slice(0, length).map(({ byte }) => byte);
        const ends = (delimiter: Uint8Array) =>
          delimiter.length <= length &&
          delimiter.every((byte, i) => text[length - delimiter.length + i] === byte);
        if (delimiters.some(ends)) [cut, reason] = [length, 'delimiter'];
        else if (length === enoughBytes) [cut, reason] = [length, 'bytes'];
      }
      const alone = enoughBytes === undefined && everyMs === undefined && delimiters.length === 0;
      if (cut === undefined && count >= (messages ?? (alone ? 1 : Infinity)))
        [cut, reason] = [this.waiting.length, 'messages'];
      if (cut === undefined) break;
      out.push(`${reason} ${this.take(cut)}`);
      const left = this.waiting.length + this.hollow.length > 0;
      this.due = left && everyMs !== undefined ? now + everyMs : undefined;
    }
    return out;
  }
  take(length: number): string {
    const taken = this.waiting.splice(0, length);
    this.hollow = this.hollow.filter((before) => before > length).map((before) => before - length);
    return Buffer.from(taken.map(({ byte }) => byte)).toString('hex');
  }
  expire(now: number): string[] {
    if (this.due === undefined || now < this.due) return [];
    this.due = undefined;
    this.hollow = [];
    return [`every ${this.take(this.waiting.length)}`];
  }
}

const shown = (batch: { data: Uint8Array; reason: string }) =>
  `${batch.reason} ${Buffer.from(batch.data).toString('hex')}`;
const letters = (maxLength: number, minLength = 0) =>
  fc.array(fc.integer({ min: 97, max: 99 }), { minLength, maxLength }).map((list) => Uint8Array.from(list));

test('any criteria, any messages, moved at any time: the same as the reference', () => {
  const given = fc.record({
    bytes: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
    messages: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
    everyMs: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
    delimiters: fc.array(letters(3, 1), { maxLength: 3 }),
    maxBuffer: fc.constant(65_536),
  });
  const step = fc.record({ message: letters(9), wait: fc.integer({ min: 0, max: 30 }), move: fc.boolean() });
  fc.assert(
    fc.property(given, fc.array(step, { maxLength: 40 }), (rules, steps) => {
      let now = 1_000;
      let buffer = new ReceiveBuffer(rules);
      const naive = new Naive(rules);
      for (const { message, wait, move } of steps) {
        now += wait;
        const due = buffer.expire(now);
        expect(due ? [shown(due)] : []).toEqual(naive.expire(now));
        expect(buffer.push(message, now).map(shown)).toEqual(naive.push(message, now));
        expect(buffer.deadline).toBe(naive.due);
        if (move) {
          const record = v8.deserialize(v8.serialize(buffer.save(now)));
          const gone = 7_777; // the other host has another clock
          buffer = new ReceiveBuffer();
          buffer.restore(record, now + gone);
          if (buffer.deadline !== undefined) expect(buffer.deadline - gone).toBe(Math.max(now, naive.due!));
          buffer.restore(record, now);
          if (naive.due !== undefined) naive.due = Math.max(now, naive.due);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
