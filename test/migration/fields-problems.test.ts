import { createWriteStream } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { Clock, Room } from '@colyseus/core';
import { schema, t } from '@colyseus/schema';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  checkRoomClass,
  claimObjects,
  formatReport,
  inspectRoom,
  registerMovable,
} from '../../server/src/migration/fields/index.ts';
import { build, check, closeRooms, move } from './fields-rooms.ts';

afterEach(closeRooms);

class Plain extends Room {
  v: any;
}

/** Problems when one value sits deep in a field that the target does not have. */
function refused(value: unknown): unknown {
  const source = build(Plain);
  const shell = build(Plain);
  source.v = { deep: [new Map([['k', value]])] };
  const found = check(source, shell).all;
  // What the inspection finds is what the move itself finds.
  const { problems, left } = move(source, shell);
  expect([...left, ...problems].map((p) => p.path)).toEqual(found.map((p) => p.path));
  return found;
}
const at = (what: unknown, hint: string) => [
  { path: 'room.v.deep[0].get("k")', what, hint: expect.stringContaining(hint) },
];

describe('named with path and hint', () => {
  test('closures', () => {
    expect(refused(() => 1)).toEqual(at('closure', 'registerMovable'));
    expect(refused(function tick() {})).toEqual(at('closure tick', 'method of the room'));
  });

  test('pending promises', () => {
    expect(refused(new Promise(() => {}))).toEqual(at('pending Promise', 'result'));
    expect(refused(Promise.resolve(1))).toEqual(at('Promise', 'result'));
  });

  test('weak collections, generators, iterators, proxies, shared memory', () => {
    expect(refused(new WeakMap())).toEqual(at('WeakMap', 'Map or Set'));
    expect(refused(new WeakSet())).toEqual(at('WeakSet', 'Map or Set'));
    expect(refused((function* () {})())).toEqual(at('generator', 'plain data'));
    expect(refused((async function* () {})())).toEqual(at('generator', 'plain data'));
    expect(refused([1].values())).toEqual(at('iterator', 'plain data'));
    expect(refused(new Map().keys())).toEqual(at('iterator', 'plain data'));
    expect(refused('ab'[Symbol.iterator]())).toEqual(at('iterator', 'plain data'));
    expect(refused(new Proxy({}, {}))).toEqual(at('Proxy', 'plain object'));
    expect(refused(new Proxy([], {}))).toEqual(at('Proxy', 'plain object'));
    expect(refused(new SharedArrayBuffer(4))).toEqual(at('SharedArrayBuffer', 'plain data'));
    expect(refused(new Uint8Array(new SharedArrayBuffer(4)))).toEqual(at('SharedArrayBuffer', 'plain data'));
  });

  test('timers of Node while they run', () => {
    const interval = setInterval(() => {}, 1000);
    const immediate = setImmediate(() => {});
    expect(refused(interval)).toEqual(at('Timeout', 'this.clock'));
    expect(refused(immediate)).toEqual(at('Immediate', 'this.clock'));
    clearInterval(interval);
    clearImmediate(immediate);
    expect(refused(interval)).toEqual([]);
  });

  test('sockets, servers, streams and other objects of the process', () => {
    const server = createServer();
    const socket = new Socket();
    const file = createWriteStream('/dev/null');
    expect(refused(socket)).toEqual(at('Socket', 'localFields'));
    expect(refused(server)).toEqual(at('Server', 'onCreate()'));
    expect(refused(file)).toEqual(at('WriteStream', 'onRestoreRoom()'));
    expect(refused(new AbortController())).toEqual(at('AbortController', 'onCreate()'));
    expect(refused(new Intl.NumberFormat('de'))).toEqual(at('NumberFormat', 'onCreate()'));
    expect(refused(new TextEncoder())).toEqual(at('TextEncoder', 'onCreate()'));
    socket.destroy();
    file.destroy();
  });

  test('a clock of the room’s own and its timers', () => {
    expect(refused(new Clock())).toEqual(at('clock', 'this.clock'));
  });

  test('private symbols as values, accessors, objects of a class without a name', () => {
    expect(refused(Symbol('mine'))).toEqual(at('Symbol(mine)', 'Symbol.for'));
    expect(refused(new (class {})())).toEqual(at('class (anonymous)', 'name'));
    expect(refused(Object.create({ inherited: 1 }))).toEqual(
      at('object whose prototype is another object', 'name'),
    );
    const source = build(Plain);
    source.v = {
      get now() {
        return 1;
      },
    };
    expect(check(source, build(Plain)).all).toEqual([
      { path: 'room.v.now', what: 'accessor', hint: expect.stringContaining('onCreate()') },
    ]);
  });

  test('objects that point into WebAssembly memory', () => {
    class World {
      ptr = 4711;
      free() {}
    }
    registerMovable(World);
    expect(refused(new World())).toEqual(at('WebAssembly object World', 'snapshot'));
  });

  test('schema instances of a room without a state', () => {
    const Point = schema({ x: t.number() });
    expect(refused(new Point())).toEqual(at('schema instance', 'this.state'));
  });

  test('paths read as the code does', () => {
    const source = build(Plain);
    const f = () => {};
    source.v = {
      'a-b': { [Symbol.for('s')]: [f] },
      map: new Map<any, any>([[7, { f: [() => 0] }]]),
      set: new Set([{ g: () => 1 }]),
    };
    expect(inspectRoom(source).problems).toEqual([]);
    expect(check(source, build(Plain)).against.map((p) => p.path)).toEqual([
      'room.v["a-b"][Symbol(s)][0]',
      'room.v.set.values()[0].g',
      'room.v.map.get(7).f[0]',
    ]);
  });
});

describe('left to the target', () => {
  test('native objects which its onCreate made', () => {
    class Net extends Room {
      socket: any;
      later: any;
      override onCreate() {
        this.socket = new Socket();
      }
    }
    const source = build(Net);
    const shell = build(Net);
    const { socket } = shell;
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.socket).toBe(socket);
    source.later = new Socket();
    expect(check(source, shell).all).toMatchObject([{ path: 'room.later', what: 'Socket' }]);
  });

  test('wrappers around native objects, whole, with a note', () => {
    class Db {
      socket = new Socket();
      queries = 0;
    }
    class Stats extends Room {
      db = new Db();
    }
    const source = build(Stats);
    const shell = build(Stats);
    source.db.queries = 5;
    const { report, all } = check(source, shell);
    expect(all).toEqual([]);
    expect(report.notes).toMatchObject([{ path: 'room.db', what: 'Db with a Socket' }]);
    const { db } = shell;
    move(source, shell);
    expect(shell.db).toBe(db);
    expect(db.queries).toBe(0);
  });

  test('but parts of the game which hold one keep their data', () => {
    class Game {
      score = 0;
      log = createWriteStream('/dev/null');
      room: unknown;
      constructor(room: unknown) {
        this.room = room;
      }
    }
    class Played extends Room {
      game = new Game(this);
    }
    const source = build(Played);
    const shell = build(Played);
    source.game.score = 9;
    const { log } = shell.game;
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell).problems).toEqual([]);
    expect([shell.game.score, shell.game.log === log, shell.game.room === shell]).toEqual([9, true, true]);
    source.game.log.destroy();
    log.destroy();
  });

  test('fields listed in static localFields', () => {
    class Local extends Room {
      static localFields = ['cache'];
      cache: any = new WeakMap();
      n = 0;
    }
    const source = build(Local);
    const shell = build(Local);
    source.n = 1;
    const { cache } = shell;
    expect(check(source, shell).all).toEqual([]);
    move(source, shell);
    expect([shell.cache === cache, shell.n]).toEqual([true, 1]);
  });

  test('what nobody can read, when the room has onCacheRoom() and onRestoreRoom()', () => {
    class Hooked extends Room {
      seen: any = new WeakMap();
      waiting: any;
      override onCacheRoom() {}
      override onRestoreRoom() {}
    }
    const source = build(Hooked);
    source.waiting = new Promise(() => {});
    const shell = build(Hooked);
    const { seen } = shell;
    const { report, all } = check(source, shell);
    expect(all).toEqual([]);
    expect(report.notes.map((n) => n.path)).toEqual(['room.seen', 'room.waiting']);
    expect(move(source, shell)).toEqual({ problems: [], left: [] });
    expect([shell.seen === seen, shell.waiting]).toEqual([true, undefined]);
  });

  describe('objects which several rooms of a process hold', () => {
    class Table {
      price = 1;
    }
    const prices = { price: 1 };
    const table = new Table();
    class Shop extends Room {
      prices: any = prices;
      table: any = table;
      own: any = { price: 1 };
    }
    function pair() {
      const rooms = [build(Shop), build(Shop)] as const;
      for (const room of rooms) claimObjects(room);
      return rooms;
    }

    test('are never written; the room has the target’s', () => {
      const [source, shell] = pair();
      const theirs = { price: 3 };
      shell.prices = theirs; // other prices in the code over there
      source.own.price = 2;
      expect(move(source, shell).problems).toEqual([]);
      expect(shell.prices).toBe(theirs);
      expect([theirs.price, shell.own.price]).toEqual([3, 2]);
      expect(shell.table).toBe(table);
    });

    test('give way to what the room put in their place', () => {
      const [source, shell] = pair();
      source.prices = { price: 9 };
      expect(move(source, shell).problems).toEqual([]);
      expect(shell.prices).toEqual({ price: 9 });
      expect(prices.price).toBe(1);
    });
  });
});

describe('functions', () => {
  function defensive() {
    return 'defensive';
  }
  class Fight extends Room {
    strategy: any = () => 'calm';
    onHit: any;
    callbacks: any = {};
    ready = false;
    hit() {
      return this.ready;
    }
    aim(_n: number) {}
    static rule() {
      return 'rule';
    }
  }

  test('methods, bound methods, statics, built-ins, classes and registered functions are found again', () => {
    const source = build(Fight);
    const shell = build(Fight);
    source.onHit = source.hit;
    source.callbacks = {
      hit: source.hit.bind(source),
      rule: Fight.rule,
      floor: Math.floor,
      klass: Fight,
      registered: defensive,
    };
    registerMovable(Fight);
    expect(check(source, shell).all).toMatchObject([
      { path: 'room.callbacks.registered', what: 'closure defensive' },
    ]);
    registerMovable(defensive);
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell).problems).toEqual([]);
    shell.ready = true;
    expect(shell.onHit).toBe(shell.hit);
    expect(shell.callbacks.hit()).toBe(true);
    expect(shell.callbacks.rule).toBe(Fight.rule);
    expect(shell.callbacks.floor).toBe(Math.floor);
    expect(shell.callbacks.klass).toBe(Fight);
    expect(shell.callbacks.registered()).toBe('defensive');
  });

  test('one that replaced another is refused, not swapped back silently', () => {
    const source = build(Fight);
    source.strategy = () => 'angry';
    expect(check(source, build(Fight)).all).toEqual([
      {
        path: 'room.strategy',
        what: expect.any(String),
        hint: expect.stringContaining('another function here'),
      },
    ]);
  });

  test('bound arguments, or a method of the same name elsewhere, make it a closure', () => {
    class Player {
      hit() {}
    }
    const source = build(Fight);
    source.callbacks = { aim: source.aim.bind(source, 3) };
    expect(check(source, build(Fight)).all).toMatchObject([
      { path: 'room.callbacks.aim', what: 'closure bound aim' },
    ]);
    source.callbacks = { player: new Player(), hit: source.hit.bind(source) };
    const { all } = check(source, build(Fight));
    expect(all.map((p) => p.path)).toContain('room.callbacks.hit');
  });

  test('with other code at the target, the source text may differ but the name not', () => {
    class Newer extends Room {
      strategy: any = () => 'calmer';
    }
    const source = build(Fight);
    expect(check(source, build(Newer), { sameCode: false }).all).toEqual([]);
    expect(check(source, build(Newer), { sameCode: true }).all).toHaveLength(1);
  });
});

describe('reports', () => {
  test('say it in words', async () => {
    class Bad extends Room {
      #seed = 1;
      waits = new WeakMap();
      roll() {
        return this.#seed++;
      }
    }
    const { report, against, text } = await checkRoomClass(() => build(Bad));
    expect(report.problems.map((p) => p.path)).toEqual(['room.#seed', 'room.waits']);
    expect(against).toEqual([]);
    expect(text.split('\n').slice(0, 4)).toEqual([
      'Bad cannot move: 2 problems.',
      'Cannot move',
      '  room.#seed: private field Bad.#seed',
      expect.stringContaining('onCacheRoom'),
    ]);
    expect(formatReport(inspectRoom(build(Plain)))).toBe('Plain can move.');
  });
});
