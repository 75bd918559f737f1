// Everything a room keeps besides its clients is there after moves.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { House, passes } from '../support/house.ts';
import { until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'room-state.config.ts');

let house: House;
beforeAll(async () => {
  house = await House.start(app);
});
afterAll(() => house?.stop());

describe('own fields', () => {
  test('keep their classes, identities, cycles and links to schema instances', async () => {
    const roomId = await house.create('fields');
    await house.call(roomId, 'fill');
    const before = await house.call(roomId, 'check');
    await house.move(roomId, 4);
    expect(await house.call(roomId, 'check')).toEqual(before);
    expect(Object.values(before)).toEqual(Object.values(before).map(() => true));
    expect(await house.at(roomId, 'restored')).toEqual(Array(4).fill({ hidden: 7 }));
  });

  test("of plugins move, those that other plugins brought along as well; plugins' messages work", async () => {
    const room = await new Client(house.url).create('plugins');
    const lines: string[][] = [];
    room.onMessage('chat', (all: string[]) => lines.push(all));
    for (const text of ['a', 'b', 'c', 'd']) {
      room.send('chat', text);
      await until(() => lines.at(-1)?.at(-1) === text, text);
      await house.call(room.roomId, 'tally', 'x');
      await house.move(room.roomId);
    }
    expect(lines.at(-1)).toEqual(['b', 'c', 'd']);
    expect(await house.call(room.roomId, 'tally', 'x')).toEqual({ n: 5, joined: [room.sessionId] });
    await room.leave();
  });
});

describe('how a room is made', () => {
  test('`isMigrating` is true in the arriving onCreate() only, and onMigrated() says what happened', async () => {
    const roomId = await house.create('stateless');
    const moves = await house.move(roomId, 3);
    const { migrating, migrated, isMigrating } = await house.call(roomId, 'seen');
    expect(isMigrating).toBe(false);
    expect(migrating).toEqual([false]); // the field is the first room's
    expect(migrated).toEqual(
      moves.map(({ from, to, epoch, blackoutMs }) => ({ from, to, epoch, blackoutMs })),
    );
    expect(house.notes(roomId, 'onCreate')).toHaveLength(1);
    expect(house.notes(roomId, 'arriving')).toHaveLength(3);
  });

  test('onCreate() gets the options of the first one, those of define() included', async () => {
    const roomId = await house.create('stateless', { mine: { deep: [1, 2] } });
    await house.move(roomId, 2);
    expect(await house.at(roomId, 'options')).toEqual({ mine: { deep: [1, 2] }, preset: 'handler' });
  });

  test('options of define() are those of each host, and need not be data', async () => {
    const roomId = await house.create('configured', { asked: { deep: [1] } });
    await house.move(roomId, 2);
    expect(await house.at(roomId, 'preset')).toBe(7);
    expect(await house.at(roomId, 'asked')).toEqual({ deep: [1] });
  });

  test('rooms that an arriving room makes are rooms of their own', async () => {
    const roomId = await house.create('parent');
    await house.move(roomId);
    const children = () => house.notes(roomId, 'child', 'late child').map(({ more }) => more as string);
    await until(() => children().length === 4, 'two children on each host');
    expect(new Set([roomId, ...children()]).size).toBe(5);
    for (const child of children()) {
      expect(house.notes(child, 'onCreate', 'arriving').map(({ what }) => what)).toEqual(['onCreate']);
      expect(await house.listing(child)).toHaveLength(1);
      await house.move(child);
    }
    await house.move(roomId);
    expect(await house.at(roomId, 'roomId')).toBe(roomId);
  });

  test('a room that chose its own id keeps it', async () => {
    const roomId = await house.create('named', { name: 'the-red-room' });
    expect(roomId).toBe('the-red-room');
    await house.move(roomId, 3);
    expect(await house.at(roomId, 'roomId')).toBe('the-red-room');
    const room = await new Client(house.url).joinById('the-red-room');
    await room.leave();
  });

  test('an onCreate() that awaits clock, timers and other things is run through on the new host', async () => {
    const roomId = await house.create('async');
    await house.move(roomId, 3);
    expect(await house.at(roomId, 'steps')).toEqual(['waited for the clock', 'ready']);
    const list = () => house.at<number[]>(roomId, 'state.list');
    const { length } = await list();
    await until(async () => (await list()).length > length + 3, 'the interval');
    const now = await list();
    expect(now).toEqual(now.map((_, i) => i));
  });

  test('without a state, with a plain one and with one of schema()', async () => {
    const plain = await house.create('plain');
    const schema = await house.create('schema');
    for (const name of ['a', 'b', 'a']) {
      await house.call(plain, 'push', name);
      await house.call(schema, 'put', name, 3);
      await house.move(plain);
      await house.move(schema);
    }
    expect(await house.call(plain, 'json')).toEqual({
      names: [
        ['a', 2],
        ['b', 1],
      ],
      nested: { list: [1, 1, 2, 2] },
    });
    expect(await house.call(schema, 'json')).toEqual({
      items: { a: { name: 'a', count: 3 }, b: { name: 'b', count: 3 } },
      log: ['a 3', 'b 3', 'a 3'],
      turn: 3,
    });
  });

  test('what onUncaughtException() guards stays guarded', async () => {
    const room = await new Client(house.url).create('guarded');
    const failures = () => house.at<string[]>(room.roomId, 'failures');
    await until(async () => (await failures()).some((f) => f.includes('timer')), 'a failing timer');
    await house.call(room.roomId, 'ringLater', 300, 'later');
    await house.move(room.roomId, 2);
    const { length } = await failures();
    room.send('fail', 1);
    await until(async () => (await failures()).slice(length).length >= 3, 'failures on the new host');
    expect(new Set((await failures()).slice(length))).toEqual(
      new Set(['setInterval: in a timer', 'onMessage: in a handler']),
    );
    await until(async () => (await house.at<unknown[]>(room.roomId, 'rings')).length > 0, 'the timer');
    expect(await house.at(room.roomId, 'rings')).toEqual(['later']);
    await room.leave();
  });
});

describe('the listing', () => {
  test('is the same but for its host: metadata, own fields, visibility, age', async () => {
    const roomId = await house.create('listed');
    await house.call(roomId, 'change');
    const [before] = await house.listing(roomId);
    expect(before).toMatchObject({
      metadata: { level: 7, tags: ['a', 'b'] },
      region: 'north',
      private: true,
    });
    const [move] = await house.move(roomId, 1);
    const [after] = await house.listing(roomId);
    expect(after.processId).not.toBe(before.processId);
    expect(after).toEqual({ ...before, processId: after.processId });
    expect(move!.epoch).toBe(2);
    await house.move(roomId, 1);
    expect(await house.listing(roomId)).toEqual([before]);
    await house.call(roomId, 'open');
    expect((await house.listing(roomId))[0].private).toBe(false);
    expect(await house.at(roomId, 'metadata')).toEqual({ level: 7, tags: ['a', 'b'] });
  });

  test('a lock of its own holds, and can be opened on the new host', async () => {
    const roomId = await house.create('listed');
    await house.call(roomId, 'lock');
    await house.move(roomId, 3);
    expect((await house.listing(roomId))[0].locked).toBe(true);
    await expect(new Client(house.url).joinById(roomId)).rejects.toThrow('is locked');
    await house.call(roomId, 'unlock');
    const room = await new Client(house.url).joinById(roomId);
    expect((await house.listing(roomId))[0]).toMatchObject({ locked: false, clients: 1, maxClients: 4 });
    await room.leave();
  });

  test('a room that is full stays locked, and opens when somebody leaves', async () => {
    const players = [await new Client(house.url).create('listed')];
    const { roomId } = players[0]!;
    while (players.length < 4) players.push(await new Client(house.url).joinById(roomId));
    await house.move(roomId, 3);
    expect((await house.listing(roomId))[0]).toMatchObject({ locked: true, clients: 4 });
    await players.pop()!.leave();
    await until(async () => (await house.listing(roomId))[0].locked === false, 'the opening');
    await house.move(roomId);
    players.push(await new Client(house.url).joinById(roomId));
    expect((await house.listing(roomId))[0]).toMatchObject({ locked: true, clients: 4 });
    await Promise.all(players.map((room) => room.leave()));
  });
});

describe('disposal', () => {
  test('autoDispose = false holds without clients', async () => {
    const roomId = await house.create('listed', { autoDispose: false });
    await house.move(roomId, 2);
    const room = await new Client(house.url).joinById(roomId);
    await room.leave();
    await house.move(roomId, 2);
    await passes(1500); // longer than an empty room lives
    expect(await house.listing(roomId)).toHaveLength(1);
    await house.call(roomId, 'disconnect');
    await until(async () => (await house.listing(roomId)).length === 0, 'the end');
  });

  test('a room that nobody has joined yet has the time it had, not less', async () => {
    const roomId = await house.create('stateless');
    await house.move(roomId, 2);
    await passes(1500); // an empty room that was played in ends after a second
    expect(await house.listing(roomId)).toHaveLength(1);
    await house.call(roomId, 'disconnect');
  });

  test('an empty room ends on its new host, once', async () => {
    const room = await new Client(house.url).create('stateless');
    const { roomId } = room;
    await house.move(roomId);
    await room.leave();
    await house.move(roomId).catch(() => {}); // unless it is quicker
    await until(async () => (await house.listing(roomId)).length === 0, 'the end');
    await until(() => house.notes(roomId, 'onDispose').length > 0, 'onDispose()');
    await passes(100);
    expect(house.notes(roomId, 'onDispose', '.on(dispose)').map((n) => n.what)).toEqual([
      '.on(dispose)',
      'onDispose',
    ]);
  });

  test('fifty moves call no hook, emit nothing, and leave the counts right', async () => {
    const client = new Client(house.url);
    const room = await client.create('stateless');
    const others = [await client.joinById(room.roomId), await client.joinById(room.roomId)];
    const before = house.notes(room.roomId).filter((n) => n.what !== 'arriving');
    await house.move(room.roomId, 50);
    expect(house.notes(room.roomId).filter((n) => n.what !== 'arriving')).toEqual(before);
    await Promise.all([room, ...others].map((r) => r.leave()));
    await until(async () => (await house.listing(room.roomId)).length === 0, 'the end');
    const total = async () =>
      (await house.stats()).reduce(
        (sum, { ccu, roomCount }) => ({ ccu: sum.ccu + ccu, rooms: sum.rooms + roomCount }),
        { ccu: 0, rooms: 0 },
      );
    const rooms = (await house.service.rooms()).length;
    await until(async () => {
      const { ccu, rooms: counted } = await total();
      return ccu === 0 && counted === rooms;
    }, 'ccu of 0');
    expect(house.notes('', 'negative')).toEqual([]);
  });
});
