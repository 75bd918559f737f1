import {
  ArraySchema,
  CollectionSchema,
  createPool,
  Encoder,
  entity,
  MapSchema,
  Reflection,
  Schema,
  SetSchema,
  StateView,
  StreamSchema,
  schema,
  t,
  type,
  view,
} from '@colyseus/schema';
import { describe, expect, jest, test } from '@jest/globals';
import { BatonError } from '../../server/src/errors.ts';
import type { StateSnapshot } from '../../server/src/migration/schema/index.ts';
import {
  isSchemaInstance,
  PreCopySource,
  PreCopyTarget,
  reflectionHash,
  StateCapture,
  StateRestore,
} from '../../server/src/migration/schema/index.ts';
import { travel } from './schema/world.ts';

type Any = any;

class Point extends Schema {
  @type('number') declare x: number;
  @type('number') declare y: number;
}

const at = (x: number, y = 0): Point => new Point().assign({ x, y });

/** Encodes and forgets, as a patch does. */
function patch(encoder: Encoder): Buffer {
  const bytes = Buffer.from(encoder.encode());
  encoder.discardChanges();
  return bytes;
}

interface Moved {
  state: Any;
  encoder: Encoder;
  restore: StateRestore;
}

function pour(snapshot: StateSnapshot, rootClass: Function, existing?: object): Moved {
  const restore = new StateRestore(travel(snapshot), rootClass, existing);
  const encoder = new Encoder(restore.root as Schema);
  restore.settle(encoder);
  return { state: restore.root, encoder, restore };
}

const moveState = (encoder: Encoder, existing?: object): Moved =>
  pour(new StateCapture(encoder).finish(), encoder.state.constructor, existing);

const thrown = (fn: () => unknown): BatonError => {
  try {
    fn();
  } catch (error) {
    return error as BatonError;
  }
  throw new Error('nothing was thrown');
};

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
