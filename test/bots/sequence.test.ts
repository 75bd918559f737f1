import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stateDifference } from '../../server/src/cli/bots/same-state.ts';
import { Sequence } from '../../server/src/cli/bots/sequence.ts';

const counts = ({ received, sent, lost, duplicated, reordered }: Sequence) => ({
  received,
  sent,
  lost,
  duplicated,
  reordered,
});

function fed(numbers: number[], first?: number): Sequence {
  const sequence = new Sequence(first);
  for (const n of numbers) sequence.accept(n);
  return sequence;
}

describe('numbers that count up', () => {
  test('in order: nothing to complain about', () => {
    expect(counts(fed([1, 2, 3], 1))).toEqual({ received: 3, sent: 3, lost: 0, duplicated: 0, reordered: 0 });
  });

  test('a missing one is lost, and reordered once it comes late', () => {
    const sequence = fed([1, 2, 4], 1);
    expect(sequence.lost).toBe(1);
    sequence.accept(3);
    expect(counts(sequence)).toEqual({ received: 4, sent: 4, lost: 0, duplicated: 0, reordered: 1 });
  });

  test('one that comes twice is a duplicate', () => {
    expect(counts(fed([1, 2, 2, 3, 1], 1))).toMatchObject({ duplicated: 2, lost: 0, reordered: 0 });
  });

  test('what is sent but never seen is lost at the end', () => {
    const sequence = fed([1, 2], 1);
    sequence.end(5);
    expect(counts(sequence)).toMatchObject({ sent: 5, received: 2, lost: 3 });
  });

  test('without a first number it starts where the sender was', () => {
    expect(counts(fed([41, 42, 44]))).toMatchObject({ sent: 4, received: 3, lost: 1 });
  });

  test('an absurd jump does not fill the memory', () => {
    expect(fed([1, 1e12], 1).lost).toBe(1e12 - 2);
  });

  test('sent = received + lost − duplicated, whatever happens on the way', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 })), (numbers) => {
        const sequence = fed(numbers, 1);
        expect(sequence.sent).toBe(sequence.received + sequence.lost - sequence.duplicated);
        expect(sequence.received - sequence.duplicated).toBe(new Set(numbers).size);
      }),
    );
  });
});

describe('states', () => {
  test('equal ones, floats rounded on the wire and absent fields included', () => {
    const server = { x: 0.1, name: undefined, list: [1, { y: 2 }] };
    expect(stateDifference({ x: Math.fround(0.1), list: [1, { y: 2 }] }, server)).toBeUndefined();
  });

  test('the first difference is named with its path', () => {
    expect(stateDifference({ a: { b: [1, 2] } }, { a: { b: [1, 3] } })).toBe(
      'state.a.b.1: 2 at the client, 3 at the server',
    );
    expect(stateDifference({ a: 1 }, { a: 1, extra: 'x' })).toBe(
      'state.extra: nothing at the client, "x" at the server',
    );
    expect(stateDifference([], {})).toMatch(/^state: /);
  });
});
