import {
  ArraySchema,
  CollectionSchema,
  Encoder,
  MapSchema,
  Schema,
  SetSchema,
  StateView,
  StreamSchema,
  schema,
  t,
  type,
} from '@colyseus/schema';
import { describe, expect, test } from '@jest/globals';
import { BatonError } from '../../server/src/errors.ts';
import type { StateSnapshot } from '../../server/src/migration/schema/index.ts';
import {
  isSchemaInstance,
  PreCopyTarget,
  reflectionHash,
  StateCapture,
  StateRestore,
} from '../../server/src/migration/schema/index.ts';
import { type Any, at, Point } from './schema/points.ts';
import { travel } from './schema/world.ts';

const thrown = (fn: () => unknown): BatonError => {
  try {
    fn();
  } catch (error) {
    return error as BatonError;
  }
  throw new Error('nothing was thrown');
};

describe('faults', () => {
  const make = (fields: Any, name = 'Faulty') => schema(fields, name) as Any;
  const snapshotOf = (Class: Any): StateSnapshot => new StateCapture(new Encoder(new Class())).finish();

  test.each<[string, Any, Any, RegExp]>([
    [
      'a field of another type',
      { hp: t.uint8() },
      { hp: t.uint16() },
      /Faulty\.hp is uint16 instead of uint8/,
    ],
    [
      'a field of another name',
      { hp: t.uint8() },
      { mp: t.uint8() },
      /field 0 of Faulty is mp instead of hp/,
    ],
    ['a missing field', { a: t.uint8(), b: t.string() }, { a: t.uint8() }, /Faulty\.b \(string\) is missing/],
    ['a new field', { a: t.uint8() }, { a: t.uint8(), b: t.string() }, /Faulty\.b \(string\) is new/],
    [
      'another view tag',
      { a: t.uint8().view(2) },
      { a: t.uint8() },
      /Faulty\.a is declared without modifier instead of view\(2\)/,
    ],
    [
      'another range',
      { a: t.quantized({ min: 0, max: 1 }) },
      { a: t.quantized({ min: 0, max: 2 }) },
      /Faulty\.a is quantized/,
    ],
    ['a missing class', { p: t.ref(Point) }, { p: t.ref(make({ x: t.number() }, 'Other')) }, /Point/],
  ])('%s is a schema mismatch that names it', (_name, there, here, text) => {
    const Here = make(here);
    const existing = new Here();
    const before = JSON.stringify(existing);
    const error = thrown(
      () =>
        new StateRestore(travel(snapshotOf(make(there))), Here, existing, {
          place: { roomName: 'arena', host: 'h2' },
        }),
    );
    expect(error).toBeInstanceOf(BatonError);
    expect(error.code).toBe('BATON_SCHEMA_MISMATCH');
    expect(error.message).toMatch(text);
    expect(error.message).toMatch(/"arena".*on h2/);
    expect(JSON.stringify(existing)).toBe(before);
  });

  test('a detached instance of a class that the target lacks is a mismatch, and a given class helps', () => {
    const Lonely = make({ a: t.uint8() }, 'Lonely');
    const State = make({ b: t.uint8() });
    const capture = new StateCapture(new Encoder(new State()));
    const id = capture.idOf(new Lonely({ a: 3 }));
    const snapshot = travel(capture.finish());
    expect(thrown(() => new StateRestore(snapshot, State)).message).toMatch(/class Lonely is unknown/);
    const restore = new StateRestore(snapshot, State, undefined, { classes: new Map([['Lonely', Lonely]]) });
    expect((restore.byId(id) as Any).a).toBe(3);
  });

  test('another version of the snapshot is refused', () => {
    const State = make({ a: t.uint8() });
    const snapshot = { ...snapshotOf(State), version: 999 };
    expect(thrown(() => new StateRestore(snapshot, State)).code).toBe('BATON_SCHEMA_MISMATCH');
    expect(thrown(() => new PreCopyTarget(State).add(snapshot)).code).toBe('BATON_SCHEMA_MISMATCH');
  });

  test('what cannot be carried is reported with place and hint', () => {
    class MyMap extends MapSchema<string> {}
    class State extends Schema {
      @type({ map: 'string' }) declare map: MapSchema<string>;
      @type({ stream: Point }) declare dust: StreamSchema<Point>;
    }
    const state = new State();
    state.map = new MyMap();
    state.dust = new StreamSchema();
    const encoder = new Encoder(state);
    new StateView().subscribe(state.dust, (point) => point.x);
    const capture = new StateCapture(encoder);
    capture.finish();
    expect(capture.problems.map((problem) => problem.what).join()).toMatch(
      /priority function.*MyMap|MyMap.*priority function/,
    );
    for (const { path, hint } of capture.problems) expect([path, hint].every(Boolean)).toBe(true);
  });

  test('the hash is equal for equal classes only', () => {
    const hash = (fields: Any) => reflectionHash(new Encoder(new (make(fields))()));
    expect(hash({ a: t.uint8() })).toBe(hash({ a: t.uint8() }));
    expect(hash({ a: t.uint8() })).not.toBe(hash({ a: t.uint8().view() }));
    expect(hash({ a: t.uint8() })).toMatch(/^[0-9a-f]{64}$/);
  });

  test('isSchemaInstance tells instances from the rest', () => {
    for (const ref of [
      at(1),
      new MapSchema(),
      new ArraySchema(),
      new SetSchema(),
      new CollectionSchema(),
      new StreamSchema(),
    ]) {
      expect(isSchemaInstance(ref)).toBe(true);
    }
    for (const other of [undefined, null, 1, 'x', {}, [], new Map(), Point, () => 1])
      expect(isSchemaInstance(other)).toBe(false);
  });
});
