import { Delayed, definePlugins, Room, RoomPlugin } from '@colyseus/core';
import { Schema, StateView, schema, t } from '@colyseus/schema';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  BASE_FIELDS,
  ClassRegistry,
  describeHandler,
  FieldPickler,
  findHandler,
  inspectRoom,
  ownFieldKeys,
} from '../../server/src/migration/fields/index.ts';
import { build, check, closeRooms, move, timerNames } from './fields-rooms.ts';

afterEach(closeRooms);

/** What the framework and the transport put on a client, as far as fields care. */
class FakeClient {
  ref = {};
  sessionId: string;
  auth: any;
  userData: any;
  constructor(sessionId: string) {
    this.sessionId = sessionId;
  }
  enqueueRaw() {}
  sendBytes() {}
}

const Player = schema({ name: t.string() });
const State = schema({ players: t.map(Player) });

class Arena extends Room {
  override state = new State();
  v: any;
}

describe('live references', () => {
  test('the room, its clock, presence and clients become the target’s', () => {
    const source = build(Arena) as any;
    const shell = build(Arena) as any;
    const a = new FakeClient('a');
    const b = new FakeClient('a');
    source.clients.push(a);
    shell.clients.push(b);
    source.presence = {};
    shell.presence = {};
    source.v = {
      room: source,
      clock: source.clock,
      presence: source.presence,
      clients: source.clients,
      best: a,
      byClient: new Map([[a, 1]]),
    };
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell, { clients: new Map([['a', b]]) }).problems).toEqual([]);
    expect(shell.v.room).toBe(shell);
    expect(shell.v.clock).toBe(shell.clock);
    expect(shell.v.presence).toBe(shell.presence);
    expect(shell.v.clients).toBe(shell.clients);
    expect(shell.v.best).toBe(b);
    expect(shell.v.byClient.get(b)).toBe(1);
  });

  test('a client whose seat is held is found by its id; one that left keeps its data', () => {
    const source = build(Arena) as any;
    const shell = build(Arena) as any;
    const away = new FakeClient('away');
    const left = new FakeClient('left');
    left.userData = { score: 3, room: source };
    source._reconnections = { token: ['away', {}] };
    source.v = [away, left, left];
    const held = new FakeClient('away');
    expect(move(source, shell, { clients: new Map([['away', held]]) }).problems).toEqual([]);
    expect(shell.v[0]).toBe(held);
    expect(shell.v[1].sessionId).toBe('left');
    expect(shell.v[1].userData).toEqual({ score: 3, room: shell });
    expect(shell.v[2]).toBe(shell.v[1]);
    shell.v[1].send('x');
  });

  test('schema instances and views go by id', () => {
    const source = build(Arena) as any;
    const shell = build(Arena) as any;
    const mine = new Player();
    const theirs = new Player();
    source.state.players.set('a', mine);
    const view = new StateView();
    view.id = 4;
    const fresh = new StateView(true);
    source.v = { mine, again: mine, players: source.state.players, view, fresh, fresh2: fresh };
    const ids = new Map<object, unknown>([
      [mine, 7],
      [source.state.players, 8],
    ]);
    const objects: any = { 7: theirs, 8: shell.state.players };
    const targetView = new StateView();
    const result = move(source, shell, {
      state: { idOf: (ref) => ids.get(ref) },
      objects: { byId: (id) => objects[id], views: new Map([[4, targetView]]) },
    });
    expect(result).toEqual({ problems: [], left: [] });
    expect(shell.v.mine).toBe(theirs);
    expect(shell.v.again).toBe(theirs);
    expect(shell.v.players).toBe(shell.state.players);
    expect(shell.v.view).toBe(targetView);
    expect(shell.v.fresh).toBeInstanceOf(StateView);
    expect(shell.v.fresh.iterable).toBe(true);
    expect(shell.v.fresh2).toBe(shell.v.fresh);
    expect(
      move(source, build(Arena), {
        state: { idOf: () => 99 },
        objects: { byId: () => undefined },
      }).problems.map((p) => p.what),
    ).toContain('schema instance');
  });

  test('clock timers go by name; one that is through stays harmless', () => {
    class Timed extends Room {
      first: any;
      later: any;
      over: any;
      override onCreate() {
        this.first = this.clock.setInterval(() => {}, 100);
      }
    }
    const source = build(Timed);
    const shell = build(Timed);
    source.later = source.clock.setTimeout(() => {}, 50);
    source.over = source.clock.setTimeout(() => {}, 10);
    source.over.clear();
    const later = shell.clock.setTimeout(() => {}, 50);
    const result = move(source, shell, {
      timers: timerNames(source, 1),
      targetTimers: new Map([
        ['c1', shell.first],
        ['d2', later],
      ]),
    });
    expect(result).toEqual({ problems: [], left: [] });
    expect(shell.first).toBeInstanceOf(Delayed);
    expect(shell.later).toBe(later);
    expect([shell.over.active, shell.over.time]).toEqual([false, 10]);
    shell.over.clear();
  });

  test('plugins are references, and their own fields are carried', () => {
    class Chat extends RoomPlugin {
      history: string[] = [];
      protected override messages = { say: () => {} };
    }
    class Chatty extends Room {
      override plugins = definePlugins({ chat: new Chat() });
      chat = this.plugins.chat;
      last: any;
    }
    const source = build(Chatty);
    const shell = build(Chatty);
    source.plugins.chat.history.push('hi');
    source.last = source.plugins.chat.history;
    const { chat } = shell.plugins;
    expect(check(source, shell).all).toEqual([]);
    expect(move(source, shell).problems).toEqual([]);
    expect(shell.chat).toBe(chat);
    expect(chat.history).toEqual(['hi']);
    expect(shell.last).toBe(chat.history);
  });

  test('values pickled beside the fields share their identity', () => {
    const source = build(Arena) as any;
    const shared = { a: 1 };
    source.v = shared;
    const pickler = new FieldPickler({ room: source });
    const one = pickler.pickle(shared, 'client.userData');
    expect(pickler.pickleFields(source, ['v'], 'room')).toEqual([['v', one]]);
  });
});

describe('BASE_FIELDS', () => {
  test('cover everything a stock room has once it runs', () => {
    class Stock extends Room {
      override state = new State();
      override maxClients = 4;
      override messages = { '*': () => {} };
      mine = 1;
      override onUncaughtException() {}
      override onCreate() {
        this.setTimestep(() => {}, 1000);
        this.allowRewindState();
      }
      override onJoin() {}
      override onLeave() {}
      override onDispose() {}
    }
    const room = build(Stock) as any;
    expect(ownFieldKeys(room)).toEqual(['mine']);
    expect(BASE_FIELDS.has('clock')).toBe(true);
    clearInterval(room._simulationInterval);
  });
});

describe('extra properties of the state', () => {
  test('are inspected, too', () => {
    class Unit extends Schema {
      target: any;
    }
    const Units = schema({ all: t.array(Unit) });
    class Battle extends Room {
      override state = new Units();
    }
    const source = build(Battle);
    const unit = new Unit();
    unit.target = new WeakMap();
    source.state.all.push(unit);
    expect(inspectRoom(source).problems).toEqual([
      { path: 'state Unit.target', what: 'WeakMap', hint: expect.any(String) },
    ]);
  });
});

describe('handlers of clock timers', () => {
  class Bomb extends Room {
    n = 0;
    own = () => this.n;
    boom() {
      this.n++;
    }
    override onCreate() {
      this.clock.setInterval(() => {}, 100);
    }
  }
  function described(arm: (room: Bomb) => Delayed) {
    const room = build(Bomb);
    const delayed = arm(room);
    return describeHandler({ room, delayed, timers: timerNames(room, 1) });
  }

  test('made in onCreate go by their name', () => {
    expect(described((r) => r.clock.delayed[0]!)).toEqual({ kind: 'created', name: 'c1' });
  });

  test('are found as method, bound method or own function', () => {
    for (const arm of [
      (r: Bomb) => r.clock.setTimeout(r.boom, 10),
      (r: Bomb) => r.clock.setInterval(r.boom.bind(r), 10),
      (r: Bomb) => r.clock.setTimeout(r.own, 10),
    ]) {
      const found = described(arm);
      if (found.kind !== 'movable') throw new Error(found.kind);
      const target = build(Bomb);
      const handler = findHandler({
        room: target,
        ref: found.ref,
        h: found.h,
        classes: ClassRegistry.of(target),
        sameCode: true,
      });
      expect(typeof handler).toBe('function');
      if (found.ref.t === 'bound') {
        handler!();
        expect(target.n).toBe(1);
      }
    }
  });

  test('that are closures are waited for when they run once, refused when they repeat', () => {
    expect(described((r) => r.clock.setTimeout(() => r.n++, 30))).toMatchObject({
      kind: 'postpone',
      dueMs: 30,
      problem: { path: 'room.clock.setTimeout(…) d2', what: 'closure' },
    });
    expect(described((r) => r.clock.setInterval(() => r.n++, 30))).toMatchObject({
      kind: 'problem',
      problem: { path: 'room.clock.setInterval(…) d2', hint: expect.stringContaining('onCreate') },
    });
    const waiting = described((r) => {
      r.clock.duration(20).catch(() => {});
      return r.clock.delayed[1]!;
    });
    expect(waiting).toMatchObject({ kind: 'postpone', problem: { what: 'code that awaits the clock' } });
  });

  test('appear in the report of the room, with their arguments', () => {
    const room = build(Bomb);
    room.clock.setTimeout(() => {}, 10);
    room.clock.setInterval(() => {}, 10);
    room.clock.setTimeout(room.boom, 10, new WeakMap());
    const report = inspectRoom(room, { timers: timerNames(room, 1) });
    expect(report.waits.map((w) => [w.path, w.dueMs])).toEqual([['room.clock.setTimeout(…) d2', 10]]);
    expect(report.problems.map((p) => p.path)).toEqual([
      'room.clock.setInterval(…) d3',
      'room.clock timer d4 argument 0',
    ]);
  });
});
