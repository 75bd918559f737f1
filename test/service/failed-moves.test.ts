// A move that fails leaves nothing behind: the room goes on, and the next move works.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { House } from '../support/house.ts';
import { kill, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'room-state.config.ts');

let house: House;
beforeAll(async () => {
  house = await House.start(app);
});
afterAll(() => house?.stop());

const arrivals = (roomId: string) => house.notes(roomId, 'arriving').length;

describe('a room that fails after its freeze', () => {
  test.each(['onCacheRoom', 'onRestoreRoom'])(
    '%s(): the next try works, and nothing switched',
    async (hook) => {
      const roomId = await house.create('failing');
      await house.call(roomId, 'failAt', hook);
      for (let i = 0; i < 2; i++) {
        await expect(house.move(roomId)).rejects.toThrow(
          `BATON_MOVE_FAILED: Room ${roomId} stays where it is`,
        );
      }
      expect((await house.service.room(roomId))!.epoch).toBe(1);
      await house.call(roomId, 'failAt', null);
      const [move] = await house.move(roomId);
      expect(move!.epoch).toBe(2);
      await house.call(roomId, 'disconnect');
    },
  );
});

describe('what a room does between its shell and its freeze', () => {
  test.each([
    ['onMessage', 'BATON_HANDLERS_MISMATCH'],
    ['subscribe', 'BATON_ROOM_IMMOVABLE'],
  ])('%s(): it stays, rather than lose that', async (then, code) => {
    const roomId = await house.create('failing');
    await house.call(roomId, 'busy', 1_500, then);
    await expect(house.move(roomId)).rejects.toThrow(code);
    expect(arrivals(roomId)).toBe(1); // so it was not found before
    await house.call(roomId, 'disconnect');
  });
});

describe('creation options', () => {
  test('those of define() may be functions: the new host has its own', async () => {
    const roomId = await house.create('hooked', { mine: 1 });
    await house.move(roomId, 3);
    expect(arrivals(roomId)).toBe(3);
    expect(await house.at(roomId, 'hooked')).toBe('called');
    expect(await house.at(roomId, 'given')).toEqual(['mine', 'hook']);
    await house.call(roomId, 'disconnect');
  });

  test('one that cannot be copied is named, and keeps its room in place', async () => {
    const roomId = await house.create('failing');
    const stuck = await house.call(roomId, 'sibling');
    await expect(house.move(stuck)).rejects.toThrow(/BATON_ROOM_IMMOVABLE.*options\.hook/);
    await house.move(roomId);
    for (const id of [roomId, stuck]) await house.call(id, 'disconnect');
  });
});

// last: it ends a host
test('a host that ends while a room was about to come leaves the room and its players alone', async () => {
  const room = await new Client(house.url).create('failing');
  const left: number[] = [];
  room.onLeave((code) => left.push(code));
  (room as any).onDrop(() => left.push(0));
  const { roomId } = room;
  const { host } = (await house.service.room(roomId))!;
  const target = (await house.service.hosts()).find(({ id }) => id !== host)!;
  await house.call(roomId, 'busy', 4_000);
  const move = house.service.migrate(roomId, target.id);
  move.catch(() => {});
  await until(() => arrivals(roomId) === 1, 'the shell');
  kill(target.pid, 'SIGTERM');
  await expect(move).rejects.toThrow(); // whichever host answered
  await until(async () => (await house.service.hosts()).every(({ pid }) => pid !== target.pid), 'its end');
  expect(await house.call(roomId, 'pid')).not.toBe(target.pid);
  expect(await house.at(roomId, 'locked')).toBe(false);
  expect(left).toEqual([]);
  await room.leave();
});

test('a drain is not kept up by rooms that cannot move, nor are the other rooms', async () => {
  const own = await House.start(app);
  try {
    const failing = await own.create('failing');
    await own.call(failing, 'failAt', 'onRestoreRoom');
    const { host } = (await own.service.room(failing))!;
    const stuck = await own.call(failing, 'sibling');
    const others: string[] = [];
    while (others.length < 2) {
      const roomId = await own.create('stateless');
      const room = (await own.service.room(roomId))!;
      if (room.host !== host) await own.service.migrate(roomId, host);
      others.push(roomId);
    }
    const { refused, moved } = await own.service.drain(host);
    expect(new Map(refused.map(({ roomId, reason }) => [roomId, reason]))).toEqual(
      new Map([
        [failing, expect.stringContaining('onRestoreRoom() fails')],
        [stuck, expect.stringContaining('options.hook')],
      ]),
    );
    expect(moved).toBe(others.length);
    expect(own.notes(failing, 'arriving')).toHaveLength(3);
  } finally {
    await own.stop();
  }
});
