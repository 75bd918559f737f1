import { Room } from '@colyseus/core';
import { afterEach, describe, expect, test } from '@jest/globals';
import { registerMovable } from '../../server/src/migration/fields/index.ts';
import { build, check, closeRooms, move } from './fields-rooms.ts';

afterEach(closeRooms);

/** Moves one value in the field `v` of a room that has nothing there when built. */
function carry(value: unknown): any {
  class Plain extends Room {
    v: any;
  }
  const source = build(Plain);
  const shell = build(Plain);
  source.v = value;
  expect(check(source, shell).all).toEqual([]);
  const { problems, left } = move(source, shell);
  expect([...left, ...problems]).toEqual([]);
  return shell.v;
}

describe('values', () => {
  test.each([
    undefined,
    null,
    true,
    false,
    0,
    -0,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    12n,
    -(2n ** 80n),
    '',
    'héllo\ud800',
    Symbol.for('a.b'),
    Symbol.iterator,
  ])('%p arrives as itself', (value) => {
    expect(Object.is(carry([value])[0], value)).toBe(true);
    expect(Object.is(carry(value), value)).toBe(true);
  });

  test('plain objects, objects without a prototype, odd keys, symbol keys and hidden properties', () => {
    const v: any = {
      a: 1,
      'b c': { d: [1, 'x'] },
      [Symbol.for('k')]: 2,
      toString: 'mine',
      nil: Object.assign(Object.create(null), { x: 1 }),
    };
    Object.defineProperty(v, '__proto__', {
      value: { own: true },
      enumerable: true,
      writable: true,
      configurable: true,
    });
    Object.defineProperty(v, 'hidden', {
      value: [1],
      enumerable: false,
      writable: false,
      configurable: true,
    });
    const got = carry(v);
    expect(got).toEqual(v);
    expect(Object.getPrototypeOf(got.nil)).toBeNull();
    expect(Object.getOwnPropertyDescriptor(got, '__proto__')!.value).toEqual({ own: true });
    expect(Object.getOwnPropertyDescriptor(got, 'hidden')).toEqual({
      value: [1],
      enumerable: false,
      writable: false,
      configurable: true,
    });
    expect(Reflect.ownKeys(got)).toEqual(Reflect.ownKeys(v));
  });

  test('arrays with holes, named properties and huge lengths', () => {
    // biome-ignore lint/suspicious/noSparseArray: the hole is the point
    const v: any = [1, , undefined, [2]];
    v.name = 'list';
    const got = carry(v);
    expect(1 in got).toBe(false);
    expect(2 in got).toBe(true);
    expect(got).toEqual(v);
    expect(got.name).toBe('list');
    const long: any = Object.assign(Array(100).fill(1), { title: 'long' });
    long.push({ x: 1 });
    expect(carry(long).title).toBe('long');
    expect(carry(long).length).toBe(101);
    expect(carry(Object.assign(Array(100).fill('x'), { [Symbol.for('mark')]: 1 }))[Symbol.for('mark')]).toBe(
      1,
    );
    const big: any[] = [];
    big[1_000_000] = { far: true };
    expect(carry(big)[1_000_000]).toEqual({ far: true });
  });

  test('Map, Set, Date, RegExp, URL, boxed primitives', () => {
    const key = { k: 1 };
    const got = carry({
      m: new Map<any, any>([
        ['a', 1],
        [key, key],
        [Number.NaN, 'nan'],
      ]),
      s: new Set<any>([1, key, 'x']),
      d: new Date(1234.0),
      bad: new Date(Number.NaN),
      u: new URL('http://h/p?q#f'),
      p: new URLSearchParams('a=1&b=2'),
      x: Object(5n),
    });
    const k = [...got.m.keys()][1];
    expect(got.m.get(k)).toBe(k);
    expect(got.m.get(Number.NaN)).toBe('nan');
    expect(got.s.has(k)).toBe(true);
    expect([...got.s]).toEqual([1, { k: 1 }, 'x']);
    expect(got.d.getTime()).toBe(1234);
    expect(Number.isNaN(got.bad.getTime())).toBe(true);
    expect(got.u.href).toBe('http://h/p?q#f');
    expect(String(got.p)).toBe('a=1&b=2');
    expect(typeof got.x).toBe('object');
    expect(got.x.valueOf()).toBe(5n);
    const r = /a(b)?/giy;
    r.lastIndex = 3;
    const re = carry(r);
    expect([re.source, re.flags, re.lastIndex]).toEqual(['a(b)?', 'giy', 3]);
  });

  test('errors keep class, message, stack, cause and own properties', () => {
    const cause = new RangeError('deep');
    const e: any = new TypeError('bad', { cause });
    e.code = 'E_BAD';
    const got = carry({ e, again: e, many: new AggregateError([cause], 'many') });
    expect(got.e).toBeInstanceOf(TypeError);
    expect(got.e.message).toBe('bad');
    expect(got.e.stack).toBe(e.stack);
    expect(got.e.code).toBe('E_BAD');
    expect(Object.keys(got.e)).toEqual(['code']);
    expect(got.e.cause).toBeInstanceOf(RangeError);
    expect(got.again).toBe(got.e);
    expect(got.many.errors[0]).toBe(got.e.cause);
  });

  test('cycles, shared objects and a list too deep for the stack', () => {
    const a: any = { list: [] };
    a.self = a;
    a.list.push(a, a.list);
    const got = carry(a);
    expect(got.self).toBe(got);
    expect(got.list[0]).toBe(got);
    expect(got.list[1]).toBe(got.list);
    let head: any = null;
    for (let i = 0; i < 20_000; i++) head = { i, next: head };
    let n = 0;
    for (let x = carry(head); x; x = x.next) n++;
    expect(n).toBe(20_000);
  });

  test('identity holds across fields', () => {
    class Two extends Room {
      a: any;
      b: any;
    }
    const source = build(Two);
    const shell = build(Two);
    source.a = { shared: [1] };
    source.b = new Map([['x', source.a]]);
    move(source, shell);
    expect(shell.b.get('x')).toBe(shell.a);
  });

  test('two fields that share an object here are two objects when they were two there', () => {
    class Two extends Room {
      a: any = { n: 0 };
      b: any = this.a;
    }
    const source = build(Two);
    const shell = build(Two);
    source.b = { n: 1 };
    move(source, shell);
    expect([shell.a, shell.b]).toEqual([{ n: 0 }, { n: 1 }]);
  });

  test('frozen, sealed and fixed objects', () => {
    const got = carry({
      f: Object.freeze({ a: [1] }),
      s: Object.seal({ a: 1 }),
      p: Object.preventExtensions([1, 2]),
    });
    expect(Object.isFrozen(got.f)).toBe(true);
    expect(Object.isFrozen(got.s)).toBe(false);
    expect(Object.isSealed(got.s)).toBe(true);
    expect(Object.isExtensible(got.p)).toBe(false);
    got.s.a = 2;
    got.p[0] = 7;
    expect(got).toEqual({ f: { a: [1] }, s: { a: 2 }, p: [7, 2] });
  });

  test('WeakRef to something that is held elsewhere', () => {
    const o = { x: 1 };
    const got = carry({ o, w: new WeakRef(o) });
    expect(got.w.deref()).toBe(got.o);
  });
});

describe('bytes', () => {
  test('views on one ArrayBuffer share it again', () => {
    const buffer = new ArrayBuffer(16);
    const u8 = new Uint8Array(buffer, 4, 8);
    const f32 = new Float32Array(buffer, 8, 2);
    f32[0] = 1.5;
    const got = carry({ u8, f32, buffer, d: new DataView(buffer, 8, 4) });
    expect(got.u8.buffer).toBe(got.buffer);
    expect(got.f32.buffer).toBe(got.buffer);
    expect([got.u8.byteOffset, got.u8.length, got.f32.byteOffset, got.f32.length]).toEqual([4, 8, 8, 2]);
    expect(got.f32[0]).toBe(1.5);
    expect(got.d.getFloat32(0, true)).toBe(1.5);
    got.f32[0] = 2;
    expect(got.d.getFloat32(0, true)).toBe(2);
    const alone = carry([new Int16Array([1, -2]), new BigInt64Array([5n]), new Uint8ClampedArray([300])]);
    expect(alone).toEqual([new Int16Array([1, -2]), new BigInt64Array([5n]), new Uint8ClampedArray([255])]);
  });

  test('of the Buffer pool only the slices travel, and slices that overlap still do', () => {
    const a = Buffer.from('hello world');
    const got = carry({ a, part: a.subarray(6), other: Buffer.from('else'), copy: a });
    expect(Buffer.isBuffer(got.a)).toBe(true);
    expect(got.a.toString()).toBe('hello world');
    expect(got.a.buffer.byteLength).toBe(11);
    expect(got.copy).toBe(got.a);
    got.part.write('W');
    expect(got.a.toString()).toBe('hello World');
    expect(got.other.toString()).toBe('else');
  });

  test('resizable buffers stay resizable', () => {
    const b = new (ArrayBuffer as any)(4, { maxByteLength: 8 });
    new Uint8Array(b)[1] = 7;
    const got = carry(b);
    expect([got.byteLength, got.resizable, got.maxByteLength, new Uint8Array(got)[1]]).toEqual([
      4,
      true,
      8,
      7,
    ]);
  });

  test('are written into the arrays that onCreate made, which its closures hold', () => {
    class Grid extends Room {
      cells = new Uint8Array(4);
      name = Buffer.from('none');
      first = () => this.cells[0];
      override onCreate() {
        const { cells } = this;
        this.first = () => cells[0];
      }
    }
    const source = build(Grid);
    const shell = build(Grid);
    const { cells, name } = shell;
    source.cells[0] = 9;
    source.name.write('some');
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.cells).toBe(cells);
    expect(shell.first()).toBe(9);
    expect(shell.name).toBe(name);
    expect(name.toString()).toBe('some');
  });
});

describe('classes', () => {
  class Bullet {
    x = 0;
    fly() {
      return ++this.x;
    }
  }
  class Bag extends Map<string, number> {
    owner = 'nobody';
  }
  class Deck extends Array<string> {}
  class GameError extends RangeError {
    score = 1;
  }
  class Known extends Room {
    static movableClasses = [Bullet, Bag, Deck, GameError];
    v: any;
  }

  test('of static movableClasses are made again, built-in parents included', () => {
    const source = build(Known);
    const shell = build(Known);
    const bullet = new Bullet();
    bullet.fly();
    const bag = new Bag([['a', 1]]);
    bag.owner = 'me';
    source.v = { bullet, bag, deck: Deck.from(['x', 'y']), error: new GameError('over') };
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell)).toEqual({ problems: [], left: [] });
    const { v } = shell;
    expect(v.bullet).toBeInstanceOf(Bullet);
    expect(v.bullet.fly()).toBe(2);
    expect(v.bag).toBeInstanceOf(Bag);
    expect([v.bag.get('a'), v.bag.owner]).toEqual([1, 'me']);
    expect(v.deck).toBeInstanceOf(Deck);
    expect([...v.deck]).toEqual(['x', 'y']);
    expect(v.error).toBeInstanceOf(GameError);
    expect([v.error.message, v.error.score]).toEqual(['over', 1]);
  });

  test('that the shell itself uses need no registration; its instances are laid over', () => {
    class World {
      bodies: any[] = [];
      gravity = 9;
      step = () => this.gravity;
    }
    class Sim extends Room {
      world = new World();
      extra: any;
    }
    const source = build(Sim);
    const shell = build(Sim);
    const { world } = shell;
    const { step } = world;
    source.world.gravity = 3;
    source.world.bodies.push({ id: 1, world: source.world });
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.world).toBe(world);
    expect(world.step).toBe(step);
    expect(step()).toBe(3);
    expect(world.bodies[0].world).toBe(world);
  });

  test('nobody knows are named with path and hint', () => {
    class Stranger {
      x = 1;
    }
    class Plain extends Room {
      list: any[] = [];
    }
    const source = build(Plain);
    const shell = build(Plain);
    source.list.push({}, { it: new Stranger() });
    expect(check(source, shell).all).toEqual([
      { path: 'room.list[1].it', what: 'class Stranger', hint: expect.stringContaining('movableClasses') },
    ]);
    expect(move(source, shell).problems).toMatchObject([{ path: 'room.list[1].it', what: 'class Stranger' }]);
    registerMovable(Stranger);
    expect(check(source, shell).all).toEqual([]);
  });

  test('that share a name are told apart by their source, or refused', () => {
    const one = (() => {
      class Item {
        a = 1;
        kind() {
          return 'one';
        }
      }
      return Item;
    })();
    const two = (() => {
      class Item {
        b = 2;
        kind() {
          return 'two';
        }
      }
      return Item;
    })();
    class Both extends Room {
      static movableClasses = [one, two];
      v: any;
    }
    const source = build(Both);
    const shell = build(Both);
    source.v = [new two(), new one()];
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.v.map((x: any) => x.kind())).toEqual(['two', 'one']);
    const make = () => class Twin {};
    const [Twin1, Twin2] = [make(), make()];
    class Twins extends Room {
      static movableClasses = [Twin1, Twin2];
      v: any;
    }
    const s = build(Twins);
    s.v = new Twin1();
    expect(check(s, build(Twins)).all).toMatchObject([
      { path: 'room.v', what: 'class Twin', hint: expect.stringContaining('share this name') },
    ]);
  });

  test('with toBaton() and fromBaton() carry what they say, cycles included', () => {
    class Rng {
      #seed = 1;
      peer: any;
      next() {
        return (this.#seed = (this.#seed * 48271) % 0x7fffffff);
      }
      toBaton() {
        return { seed: this.#seed, peer: this.peer };
      }
      fromBaton(data: any) {
        this.#seed = data.seed;
        this.peer = data.peer;
      }
    }
    class Dice extends Room {
      rng = new Rng();
      more: any;
    }
    const source = build(Dice);
    const shell = build(Dice);
    source.rng.next();
    source.more = new Rng();
    source.more.next();
    source.more.next();
    source.rng.peer = source.more;
    source.more.peer = source.rng;
    expect(check(source, shell).all).toEqual([]);
    const { rng } = shell;
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.rng).toBe(rng);
    expect(shell.more.peer).toBe(rng);
    expect(rng.peer).toBe(shell.more);
    expect([shell.rng.next(), shell.more.next()]).toEqual([source.rng.next(), source.more.next()]);
  });
});
