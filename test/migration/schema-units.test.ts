import {
  createPool,
  Encoder,
  entity,
  MapSchema,
  Schema,
  StateView,
  schema,
  t,
  type,
  view,
} from '@colyseus/schema';
import { describe, expect, test } from '@jest/globals';
import { StateCapture } from '../../server/src/migration/schema/index.ts';
import { type Any, at, moveState, Point, patch, pour } from './schema/points.ts';

describe('each kind of collection', () => {
  /** The same change on both sides of a move gives the same patch, whether the last patch is out or not. */
  function check(make: () => Schema, prepare: (state: Any) => void, change: (state: Any) => void): void {
    for (const sent of [true, false]) {
      const state = make();
      const encoder = new Encoder(state);
      patch(encoder);
      prepare(state);
      if (sent) patch(encoder);
      const moved = moveState(encoder);
      expect(moved.state.toJSON()).toEqual(state.toJSON());
      change(state);
      change(moved.state);
      expect(patch(moved.encoder)).toEqual(patch(encoder));
      expect(Buffer.from(moved.encoder.encodeAll())).toEqual(Buffer.from(encoder.encodeAll()));
    }
  }

  test('MapSchema keeps indexes and order', () => {
    const State = schema({ points: t.map(Point) }, 'Maps');
    check(
      () => new State() as Schema,
      (state) => {
        for (const key of ['a', 'b', 'c']) state.points.set(key, at(1));
        state.points.delete('a');
      },
      (state) => {
        state.points.set('a', at(2));
        state.points.get('c').x = 9;
        state.points.delete('b');
      },
    );
  });

  test('ArraySchema keeps staged deletions', () => {
    const State = schema({ points: t.array(Point), words: t.array('string') }, 'Arrays');
    check(
      () => new State() as Schema,
      (state) => {
        state.points.push(at(1), at(2), at(3), at(4));
        state.words.push('a', 'b', 'c');
        state.points.splice(1, 1);
        state.words.shift();
      },
      (state) => {
        state.points.unshift(at(5));
        state.points.pop();
        state.words.push('d');
        state.words[0] = 'z';
      },
    );
  });

  test('an ArraySchema with a hole keeps it', () => {
    const State = schema({ words: t.array('string') }, 'Holes');
    const state = new State() as Any;
    const encoder = new Encoder(state);
    state.words.push('a');
    state.words[3] = 'd';
    const moved = moveState(encoder);
    expect(moved.state.words.length).toBe(4);
    let calls = 0;
    moved.state.words.forEach(() => {
      calls++;
    });
    expect(calls).toBe(2);
  });

  test.each([
    ['SetSchema', t.set(Point), t.set('number')],
    ['CollectionSchema', t.collection(Point), t.collection('number')],
  ] as const)('%s keeps its counter', (name, points, numbers) => {
    const State = schema({ points, numbers } as Any, name);
    check(
      () => new State() as Schema,
      (state) => {
        for (let i = 0; i < 4; i++) {
          state.points.add(at(i));
          state.numbers.add(i);
        }
        state.numbers.delete(1);
        state.points.delete([...state.points.values()][0]);
      },
      (state) => {
        state.points.add(at(7));
        state.numbers.add(1);
        [...state.points.values()][1].x = 3;
      },
    );
  });

  test('StreamSchema keeps what each view waits for', () => {
    const State = schema({ points: t.stream(Point) }, 'Streams');
    const state = new State() as Any;
    const encoder = new Encoder(state);
    patch(encoder);
    state.points.maxPerTick = 2;
    for (let i = 0; i < 7; i++) state.points.add(at(i));
    patch(encoder);
    const moved = moveState(encoder);
    expect(moved.encoder.hasChanges).toBe(true);
    for (let i = 0; i < 5; i++) expect(patch(moved.encoder)).toEqual(patch(encoder));
  });
});

describe('what else an instance is', () => {
  class Base extends Schema {
    @type('string') declare name: string;
  }
  @entity
  class Derived extends Base {
    @type('uint8') declare power: number;
    #charges = 3;
    charges = () => this.#charges;
  }
  class Needy extends Schema {
    @type('string') declare id: string;
    @type(Point) declare pos: Point;
    constructor(options: { id: string }) {
      super();
      this.id = options.id;
      this.pos = new Point();
    }
  }
  class World extends Schema {
    @type({ map: Base }) declare things: MapSchema<Base>;
    @type(Needy) declare needy: Needy;
    @type(Base) declare first: Base;
    @type({ quantized: { min: 0, max: 1, bits: 8 } }) declare part: number;
    @type('bigint64') declare big: bigint;
    declare notes: Any;
    constructor() {
      super();
      this.things = new MapSchema<Base>();
    }
  }
  const world = () => {
    const state = new World();
    state.needy = new Needy({ id: 'x' });
    state.things.set('d', new Derived().assign({ name: 'd', power: 200 }));
    state.first = state.things.get('d')!;
    state.part = 0.3;
    state.big = -5n;
    const encoder = new Encoder(state);
    patch(encoder);
    return { state, encoder };
  };

  test('derived classes, private members, constructor arguments, shared places', () => {
    const { state, encoder } = world();
    const moved = moveState(encoder);
    const derived = moved.state.things.get('d');
    expect(derived).toBeInstanceOf(Derived);
    expect(derived.charges()).toBe(3);
    expect(moved.state.first).toBe(derived);
    expect(moved.state.needy).toBeInstanceOf(Needy);
    expect([moved.state.needy.id, moved.state.part, moved.state.big]).toEqual(['x', state.part, -5n]);
    for (const side of [state, moved.state]) {
      side.first.name = 'both';
      side.things.delete('d');
    }
    expect(patch(moved.encoder)).toEqual(patch(encoder));
  });

  test('non-synced properties go through pickle and come back by instance', () => {
    const { state, encoder } = world();
    state.notes = new Map([[state.needy, 1]]);
    (state.needy as Any).lives = 4;
    const paths: string[] = [];
    const capture: StateCapture = new StateCapture(encoder, {
      pickle: (value, path) => {
        paths.push(path);
        if (!(value instanceof Map)) return 'function';
        return [...value].map(([key, count]) => [capture.idOf(key), count]);
      },
    });
    const { state: there, restore } = pour(capture.finish(), World);
    const extras = new Map<object, [string, unknown][]>(restore.extras());
    expect(paths.sort()).toEqual(['Derived.charges', 'World.notes']);
    expect(extras.get(there.needy)).toEqual([['lives', 4]]);
    const [[, pickled]] = extras.get(there) as [[string, [[number, number]]]];
    expect(restore.byId(pickled[0][0])).toBe(there.needy);
  });

  test('instances in no place of the state travel by id and re-enter as they would have', () => {
    const State = schema({ points: t.map(Point) }, 'Pools');
    const state = new State() as Any;
    const encoder = new Encoder(state);
    const pool = createPool(Point, { preallocate: 1 });
    const pooled = pool.acquire();
    pooled.x = 5;
    state.points.set('a', at(1, 2));
    patch(encoder);
    const removed = state.points.get('a');
    state.points.delete('a');
    patch(encoder);
    const capture = new StateCapture(encoder);
    const ids = [pooled, removed].map((ref) => capture.idOf(ref));
    const moved = pour(capture.finish(), State);
    const [there, thereRemoved] = ids.map((id) => moved.restore.byId(id)) as Point[];
    expect([there!.x, thereRemoved!.x, thereRemoved!.y]).toEqual([5, 1, 2]);
    state.points.set('p', pooled).set('r', removed);
    moved.state.points.set('p', there).set('r', thereRemoved);
    expect(patch(moved.encoder)).toEqual(patch(encoder));
  });

  test('instances that onCreate() made are taken over, those of later do not take their place', () => {
    const { state, encoder } = world();
    state.things.set('later', new Base().assign({ name: 'later' }));
    state.needy = new Needy({ id: 'second' });
    patch(encoder);
    const { state: existing } = world();
    const [things, derived, needy] = [existing.things, existing.things.get('d'), existing.needy];
    const moved = moveState(encoder, existing);
    expect(moved.state).toBe(existing);
    expect(moved.state.things).toBe(things);
    expect(moved.state.things.get('d')).toBe(derived);
    expect(moved.state.needy).not.toBe(needy);
    expect(moved.state.things.get('later').name).toBe('later');
  });

  test('unsent changes, paused tracking and unreliable fields go on', () => {
    const State = schema({ hp: t.uint8().unreliable(), mp: t.uint8(), pos: t.ref(Point) }, 'Channels');
    const state = new State() as Any;
    const encoder = new Encoder(state);
    patch(encoder);
    state.hp = 1;
    state.mp = 2;
    state.pos.pauseTracking();
    state.pos.x = 3;
    const moved = moveState(encoder);
    expect(moved.state.pos.isTrackingPaused).toBe(true);
    expect(Buffer.from(moved.encoder.encodeUnreliable())).toEqual(Buffer.from(encoder.encodeUnreliable()));
    expect(patch(moved.encoder)).toEqual(patch(encoder));
  });
});

describe('views', () => {
  class Secret extends Schema {
    @type('string') declare open: string;
    @view() @type('string') declare closed: string;
    @view(2) @type('string') declare tagged: string;
  }
  const State = schema({ secrets: t.map(Secret), list: t.array(Secret).view() }, 'Views');
  const setUp = () => {
    const state = new State() as Any;
    const encoder = new Encoder(state);
    for (const key of ['a', 'b'])
      state.secrets.set(key, new Secret().assign({ open: key, closed: 'c', tagged: 't' }));
    state.list.push(new Secret().assign({ open: 'l', closed: 'k' }));
    patch(encoder);
    return { state, encoder };
  };
  const viewPatch = (encoder: Encoder, one: StateView): Buffer => {
    const it = { offset: 0 };
    encoder.encode(it);
    return Buffer.from(encoder.encodeView(one, it.offset, it));
  };

  test('keep ids, visibility, tags, items and what is not sent yet', () => {
    const { state, encoder } = setUp();
    const [gone, first, second] = [new StateView(), new StateView(true), new StateView()];
    gone.add(state);
    first.add(state.secrets.get('a'), 2);
    second.add(state.list[0]);
    gone.dispose();
    const moved = moveState(encoder);
    expect([...moved.restore.views.keys()]).toEqual([first.id, second.id]);
    const [first2, second2] = [first, second].map((one) => moved.restore.views.get(one.id)!);
    expect(first2!.items).toEqual([moved.state.secrets.get('a')]);
    for (const [here, there] of [
      [first, first2!],
      [second, second2!],
    ] as const) {
      expect(there.has(moved.state.secrets.get('a'))).toBe(here.has(state.secrets.get('a')));
      expect(viewPatch(moved.encoder, there)).toEqual(viewPatch(encoder, here));
    }
    const [fresh, fresh2] = [new StateView(), new StateView()];
    fresh.add(state);
    fresh2.add(moved.state);
    expect(fresh2.id).toBe(fresh.id);
  });

  test('that are not bound to the state yet come along by key', () => {
    const { encoder } = setUp();
    const capture = new StateCapture(encoder);
    const unbound = new StateView(true);
    (unbound as Any).team = 'red';
    const key = capture.viewId(unbound);
    expect(key).toBeLessThan(0);
    const { restore } = pour(capture.finish(), State);
    const there = restore.views.get(key)!;
    expect([there.id, there.iterable]).toEqual([-1, true]);
    expect(new Map(restore.extras()).get(there)).toEqual([['team', 'red']]);
  });
});
