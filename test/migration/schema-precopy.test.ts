import { Encoder, MapSchema, Reflection, Schema, schema, t, type } from '@colyseus/schema';
import { describe, expect, jest, test } from '@jest/globals';
import { PreCopySource, PreCopyTarget } from '../../server/src/migration/schema/index.ts';
import { type Any, at, Point, patch } from './schema/points.ts';
import { travel } from './schema/world.ts';

describe('pre-copy', () => {
  const State = schema({ points: t.map(Point), names: t.array('string') }, 'Large');
  const setUp = (count: number) => {
    const state = new State() as Any;
    for (let i = 0; i < count; i++) state.points.set(`p${i}`, at(i));
    const encoder = new Encoder(state);
    patch(encoder);
    return { state, encoder };
  };

  test('sends a large state in slices and little at the freeze', () => {
    const buffer = jest.spyOn(console, 'warn').mockImplementation(() => {});
    const { state, encoder } = setUp(2000);
    const source = new PreCopySource(encoder);
    const target = new PreCopyTarget(State, new State());
    let slices = 0;
    for (let slice = source.slice(0); slice; slice = source.slice(0)) {
      target.add(travel(slice));
      slices++;
    }
    expect(slices).toBeGreaterThan(10);
    while (!target.work(0));
    let there!: Encoder;
    target.attach((root) => (there = new Encoder(root as Schema)));
    state.points.get('p7').x = -1;
    state.points.delete('p8');
    state.points.set('new', at(8));
    state.points.get('p9').untracked(() => (state.points.get('p9').y = 99));
    patch(encoder);
    const snapshot = source.freeze().finish();
    expect(snapshot.groups.reduce((sum, group) => sum + group.ids.length, 0)).toBeLessThan(8);
    const restore = target.finish(travel(snapshot));
    restore.settle(there);
    expect((restore.root as Any).toJSON()).toEqual(state.toJSON());
    expect(Buffer.from(there.encodeAll())).toEqual(Buffer.from(encoder.encodeAll()));
    buffer.mockRestore();
  });

  test('works when the freeze comes before the copy is complete', () => {
    const { state, encoder } = setUp(100);
    const source = new PreCopySource(encoder);
    const target = new PreCopyTarget(State);
    target.add(travel(source.slice(0)!));
    state.names.push('x');
    const restore = target.finish(travel(source.freeze().finish()));
    const there = new Encoder(restore.root as Schema);
    restore.settle(there);
    expect(patch(there)).toEqual(patch(encoder));
    expect((restore.root as Any).toJSON()).toEqual(state.toJSON());
  });

  test('what a slice could not carry is reported at the freeze', () => {
    class MyMap extends MapSchema<string> {}
    class State extends Schema {
      @type({ map: 'string' }) declare map: MapSchema<string>;
    }
    const state = new State();
    state.map = new MyMap();
    const encoder = new Encoder(state);
    patch(encoder);
    const source = new PreCopySource(encoder);
    while (source.slice());
    const capture = source.freeze();
    capture.finish();
    expect(capture.problems.map(({ path }) => path)).toEqual(['MyMap']);
  });

  test('a client that joined before does not notice', () => {
    const { state, encoder } = setUp(50);
    const client = Reflection.decode(Reflection.encode(encoder));
    client.decode(encoder.encodeAll());
    const source = new PreCopySource(encoder);
    const target = new PreCopyTarget(State);
    for (let slice = source.slice(); slice; slice = source.slice()) target.add(travel(slice));
    const restore = target.finish(travel(source.freeze().finish(state)));
    const there = new Encoder(restore.root as Schema);
    restore.settle(there);
    const moved = restore.root as Any;
    moved.points.get('p3').x = 1234;
    moved.points.delete('p4');
    moved.points.set('n', at(5));
    client.decode(patch(there));
    expect(client.state.toJSON()).toEqual(moved.toJSON());
  });
});
