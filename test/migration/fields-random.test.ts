import { isDeepStrictEqual } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { Room } from '@colyseus/core';
import { afterEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { build, check, closeRooms, move } from './fields-rooms.ts';

afterEach(closeRooms);

class Point {
  x = 0;
}
class Holder extends Room {
  static movableClasses = [Point];
  a: any;
  b: any;
}

/** A recipe for a graph: objects of several kinds, then edges between them, so that cycles and shared objects are common. */
const recipe = fc.record({
  kinds: fc.array(
    fc.constantFrom('object', 'null', 'array', 'map', 'set', 'point', 'date', 'bytes', 'error'),
    { minLength: 1, maxLength: 25 },
  ),
  edges: fc.array(
    fc.tuple(
      fc.nat(),
      fc.nat(),
      fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('__proto__', 'constructor', 'length', '0')),
    ),
    { maxLength: 60 },
  ),
  leaves: fc.array(
    fc.tuple(
      fc.nat(),
      fc.string({ maxLength: 4 }),
      fc.oneof(
        fc.anything({ maxDepth: 0, withBigInt: true, withSparseArray: true, withDate: true }),
        fc.constant(-0),
        fc.constant(undefined),
      ),
    ),
    { maxLength: 30 },
  ),
  frozen: fc.array(fc.nat(), { maxLength: 3 }),
});

function make(kind: string): any {
  switch (kind) {
    case 'null':
      return Object.create(null);
    case 'array':
      return [];
    case 'map':
      return new Map();
    case 'set':
      return new Set();
    case 'point':
      return new Point();
    case 'date':
      return new Date(86_400_000);
    case 'bytes':
      return new Uint16Array([1, 2, 3]);
    case 'error':
      return new RangeError('r');
    default:
      return {};
  }
}

function connect(from: any, to: any, key: string): void {
  if (from instanceof Map) from.set(key.length > 2 ? to : key, to);
  else if (from instanceof Set) from.add(to);
  else if (Array.isArray(from)) from.push(to);
  else if (!(from instanceof Date) && !ArrayBuffer.isView(from) && !(from instanceof Error))
    Object.defineProperty(from, key, { value: to, enumerable: true, writable: true, configurable: true });
}

function grow({ kinds, edges, leaves, frozen }: any): any[] {
  const objects = kinds.map(make);
  const pick = (i: number) => objects[i % objects.length];
  for (const [from, to, key] of edges) connect(pick(from), pick(to), key);
  for (const [at, key, value] of leaves)
    if (typeof value !== 'function' && typeof value !== 'symbol') connect(pick(at), value, key);
  for (const i of frozen) if (!ArrayBuffer.isView(pick(i))) Object.freeze(pick(i));
  return objects;
}

/** Which places hold the same object, walked in the same order on both sides: equal lists mean equal identity. */
function shape(root: unknown): unknown[] {
  const ids = new Map<unknown, number>();
  const out: unknown[] = [];
  const queue: any[] = [root];
  for (let i = 0; i < queue.length; i++) {
    const v = queue[i];
    if (typeof v !== 'object' || v === null) {
      out.push(v);
      continue;
    }
    const known = ids.get(v);
    out.push(
      known ??
        `new ${Object.prototype.toString.call(v)} ${Object.getPrototypeOf(v)?.constructor?.name} ${Object.isFrozen(v)}`,
    );
    if (known !== undefined) continue;
    ids.set(v, ids.size);
    if (v instanceof Map) for (const [k, x] of v) queue.push(k, x);
    else if (v instanceof Set) queue.push(...v);
    else if (v instanceof Date) out.push(v.getTime());
    else if (ArrayBuffer.isView(v)) out.push(...(v as Uint16Array));
    else if (v instanceof Error) out.push(v.message, v.stack);
    else
      for (const key of Object.getOwnPropertyNames(v)) {
        out.push(key);
        queue.push(Object.getOwnPropertyDescriptor(v, key)!.value);
      }
  }
  return out;
}

test('random graphs arrive with the same shape, values and identity', () => {
  fc.assert(
    fc.property(recipe, (plan) => {
      const source = build(Holder);
      const shell = build(Holder);
      const objects = grow(plan);
      source.a = objects;
      source.b = { last: objects.at(-1), first: objects[0] };
      const before = shape([source.a, source.b]);
      expect(check(source, shell).all).toEqual([]);
      expect(move(source, shell)).toEqual({ problems: [], left: [] });
      expect(isDeepStrictEqual(shape([shell.a, shell.b]), before)).toBe(true);
      closeRooms();
    }),
    { numRuns: 300 },
  );
});

test('a graph laid over an older one of the same room becomes equal to it', () => {
  fc.assert(
    fc.property(recipe, recipe, (old, plan) => {
      const source = build(Holder);
      const shell = build(Holder);
      shell.a = grow(old);
      shell.b = { first: shell.a[0], old: true };
      source.a = grow(plan);
      source.b = { first: source.a[0], last: source.a.at(-1) };
      expect(move(source, shell)).toEqual({ problems: [], left: [] });
      expect(isDeepStrictEqual(shape([shell.a, shell.b]), shape([source.a, source.b]))).toBe(true);
      closeRooms();
    }),
    { numRuns: 300 },
  );
});

test('the nodes of a graph survive v8.serialize', () => {
  const source = build(Holder);
  source.a = { n: -0, big: 1n, nothing: undefined };
  expect(deserialize(serialize(source.a))).toEqual(source.a);
});
