// Clients in every state, seats and those who are away come along with their room.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { House, passes } from '../support/house.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'room-state.config.ts');

let house: House;
beforeAll(async () => {
  house = await House.start(app);
});
afterAll(() => house?.stop());

const count = async (roomId: string): Promise<number> => (await house.listing(roomId))[0].clients;

describe('clients that are joining', () => {
  test('get what was sent before they confirmed, in order, then the rest', async () => {
    const still = await house.create('schema');
    const moving = await house.create('schema');
    const frames: string[][] = [];
    for (const roomId of [still, moving]) {
      const client = await RawClient.connect(
        house.url,
        await RawClient.reserve(house.url, `joinById/${roomId}`),
      );
      await house.call(roomId, 'put', 'a', 1);
      await house.call(roomId, 'broadcastPatch'); // what is not patched by then comes in the state, and again behind it
      for (const n of [1, 2]) await house.call(roomId, 'tell', 'note', n);
      if (roomId === moving) await house.move(roomId, 2);
      await house.call(roomId, 'tell', 'note', 3);
      if (roomId === moving) await house.move(roomId);
      expect(client.frames).toHaveLength(1); // the seat's confirmation only
      client.confirm();
      await client.next(4); // state and three notes
      if (roomId === moving) await house.move(roomId);
      await house.call(roomId, 'tell', 'note', 4);
      await client.next(5);
      frames.push(client.frames.slice(1).map((frame) => frame.toString('hex')));
      client.close();
    }
    expect(frames[1]).toEqual(frames[0]);
  });

  test('with a view get what it shows, including what was not sent yet, and nothing else', async () => {
    const frames: string[][] = [];
    for (const moves of [0, 1]) {
      const roomId = await house.create('views');
      const reserve = () => RawClient.reserve(house.url, `joinById/${roomId}`);
      const first = await RawClient.connect(house.url, await reserve());
      first.confirm();
      await first.next(1);
      const second = await RawClient.connect(house.url, await reserve());
      // a session's id is a key of the state: names of equal length make equal bytes
      await house.call(roomId, 'dealTo', 0, 'queen');
      await house.call(roomId, 'showTo', 0);
      await house.call(roomId, 'dealTo', 1, 'king');
      await house.call(roomId, 'showTo', 1);
      await house.call(roomId, 'patch'); // not for the second, who has not confirmed: its view's changes wait
      await house.move(roomId, moves * 3);
      second.confirm();
      await second.next(1);
      await house.call(roomId, 'patch');
      await house.move(roomId, moves);
      await house.call(roomId, 'change', 0, 'ace');
      await house.call(roomId, 'change', 1, 'ten');
      await house.call(roomId, 'patch');
      await house.move(roomId, moves);
      await house.call(roomId, 'tell', 'end', 1);
      const ended = (client: RawClient) => client.frames.at(-1)!.includes('end');
      await until(() => ended(first) && ended(second), 'the last frames');
      const names = new Map([
        [first.sessionId, 'a'.repeat(9)],
        [second.sessionId, 'b'.repeat(9)],
      ]);
      for (const client of [first, second]) {
        frames.push(
          client.frames.slice(1).map((frame) => {
            let text = frame.toString('latin1');
            for (const [id, name] of names) text = text.replaceAll(id, name);
            return text;
          }),
        );
        client.close();
      }
      const all = frames.slice(-2).map((list) => list.join());
      expect(all[0]).toContain('ace');
      expect(all[0]).not.toContain('ten');
      expect(all[1]).toContain('ten');
      expect(all[1]).not.toContain('ace');
    }
    expect(frames[2]).toEqual(frames[0]);
    expect(frames[3]).toEqual(frames[1]);
  });
});

describe('clients that are there', () => {
  test('keep auth, userData and what the room noted on them', async () => {
    const client = new Client(house.url);
    client.auth.token = 'ada';
    const room = await client.create('away', { name: 'Ada' });
    const about = () => house.call(room.roomId, 'about', room.sessionId);
    const before = await about();
    expect(before).toMatchObject({
      user: 'ada',
      roles: ['player'],
      userData: { name: 'Ada' },
      bag: [['gold', 3]],
      same: true,
      date: true,
    });
    await house.move(room.roomId, 4);
    expect(await about()).toEqual(before);
    await room.leave();
  });

  test('see through their views what is theirs', async () => {
    const rooms = [await new Client(house.url).create<any>('views', { eager: true })];
    const { roomId } = rooms[0]!;
    rooms.push(await new Client(house.url).joinById<any>(roomId, { eager: true }));
    for (let i = 0; i < 3; i++) {
      await house.move(roomId);
      await house.call(roomId, 'change', 0, `first ${i}`);
      await house.call(roomId, 'change', 1, `second ${i}`);
      await house.call(roomId, 'patch');
      const face = (room: any, of: any) => room.state.cards.get(of.sessionId)?.face;
      await until(() => face(rooms[0], rooms[0]) === `first ${i}`, 'the first face');
      await until(() => face(rooms[1], rooms[1]) === `second ${i}`, 'the second face');
      expect(face(rooms[0], rooms[1])).toBeFalsy();
      expect(face(rooms[1], rooms[0])).toBeFalsy();
    }
    await Promise.all(rooms.map((room) => room.leave()));
  });
});

describe('clients that are leaving', () => {
  test('are on their way out when the room moves: the close code arrives, onLeave() comes once', async () => {
    const stays = await new Client(house.url).create('stateless');
    const { roomId } = stays;
    const leaves = await RawClient.join(house.url, `joinById/${roomId}`);
    leaves.listen(false); // its answer to the close frame does not come meanwhile
    await house.call(roomId, 'kick', leaves.sessionId, 4007);
    await house.move(roomId, 3);
    expect(house.notes(roomId, 'onLeave')).toEqual([]);
    leaves.listen(true);
    await until(() => leaves.closed !== undefined, 'the close frame');
    expect(leaves.closed).toBe(4007);
    await until(() => house.notes(roomId, 'onLeave').length > 0, 'onLeave()');
    expect(house.notes(roomId, 'onLeave').map((n) => n.more)).toEqual([`${leaves.sessionId} 4007`]);
    expect(await count(roomId)).toBe(1);
    await stays.leave();
  });

  test('while an onLeave() works the move waits for it', async () => {
    const stays = await new Client(house.url).create('seats');
    const { roomId } = stays;
    const leaves = await new Client(house.url).joinById(roomId);
    const left = leaves.leave();
    await until(() => house.notes(roomId, 'onLeave').length > 0, 'onLeave()');
    await house.move(roomId, 2);
    expect(house.notes(roomId, 'onLeave is through')).toHaveLength(1);
    await left;
    expect(house.notes(roomId, 'onLeave')).toHaveLength(1);
    expect(await count(roomId)).toBe(1);
    await stays.leave();
  });
});

describe('seats', () => {
  test('that nobody has taken can be taken on the new host, and count', async () => {
    const room = await new Client(house.url).create('seats');
    const { roomId } = room;
    const seats = [];
    for (let i = 0; i < 2; i++) seats.push(await RawClient.reserve(house.url, `joinById/${roomId}`));
    await house.move(roomId, 3);
    expect((await house.listing(roomId))[0]).toMatchObject({ clients: 3, locked: true });
    await expect(RawClient.reserve(house.url, `joinById/${roomId}`)).rejects.toThrow('is locked');
    for (const seat of seats) {
      const client = await RawClient.connect(house.url, seat); // its URL names the old host
      client.confirm();
      client.close();
      await until(() => client.closed !== undefined, 'the end');
    }
    await until(async () => (await count(roomId)) === 1, 'a count of one');
    await room.leave();
  });

  test('expire when they would have, not later, and open the room', async () => {
    const room = await new Client(house.url).create('seats', { seconds: 2 });
    const { roomId } = room;
    const [early] = [await RawClient.reserve(house.url, `joinById/${roomId}`)];
    await passes(1000);
    await house.move(roomId, 3);
    const late = await RawClient.reserve(house.url, `joinById/${roomId}`);
    expect(await count(roomId)).toBe(3);
    const seats = () => house.call<string[]>(roomId, 'seats');
    expect(await seats()).toEqual([early!.sessionId, late.sessionId]);
    await until(async () => (await seats()).length < 2, 'the first to expire', 4000);
    expect(await seats()).toEqual([late.sessionId]); // a second after the first, had it begun anew
    await house.move(roomId);
    await until(async () => (await count(roomId)) === 1, 'both to expire', 4000);
    expect((await house.listing(roomId))[0].locked).toBe(false);
    await room.leave();
  });

  test('of a room that could not move expire all the same, once', async () => {
    const room = await new Client(house.url).create('seats', { seconds: 0.5 });
    const { roomId } = room;
    await house.call(roomId, 'poison');
    for (let i = 0; i < 2; i++) await RawClient.reserve(house.url, `joinById/${roomId}`);
    for (let i = 0; i < 3; i++) await expect(house.move(roomId)).rejects.toThrow('poisoned');
    expect(await count(roomId)).toBe(3);
    for (const end = Date.now() + 700; Date.now() < end; ) await house.move(roomId).catch(() => {});
    await until(async () => (await count(roomId)) === 1, 'a count of one');
    await passes(100);
    expect((await house.listing(roomId))[0]).toMatchObject({ clients: 1, locked: false });
    await room.leave();
  });

  test('that expire all the time are counted once', async () => {
    const room = await new Client(house.url).create('seats', { seconds: 0.3 });
    const { roomId } = room;
    for (let i = 0; i < 10; i++) {
      await RawClient.reserve(house.url, `joinById/${roomId}`).catch(() => {});
      await house.move(roomId, 2);
    }
    await until(async () => (await house.call<string[]>(roomId, 'seats')).length === 0, 'all to expire');
    await until(async () => (await count(roomId)) === 1, 'a count of one');
    await passes(100);
    expect(await count(roomId)).toBe(1);
    await room.leave();
  });
});

describe('clients that are away', () => {
  const drop = async (options: object) => {
    const stays = await RawClient.join(house.url, 'create/away', { ...options, name: 'Stays' });
    const { roomId } = stays;
    const seat = await RawClient.reserve(
      house.url,
      `joinById/${roomId}`,
      { name: 'Bea' },
      { authorization: 'Bearer bea' },
    );
    const away = await RawClient.connect(house.url, seat);
    away.confirm();
    away.send('ready', 1);
    await until(() => house.notes(roomId, 'ready').length > 0, 'the confirmation');
    const { token } = away;
    away.terminate();
    await until(() => house.notes(roomId, 'onDrop').length > 0, 'onDrop()');
    return { roomId, seat, token };
  };

  test('come back to the new host and are who they were', async () => {
    const { roomId, seat, token } = await drop({});
    await house.move(roomId, 3);
    expect(await count(roomId)).toBe(2);
    const again = await RawClient.reserve(house.url, `reconnect/${roomId}`, { reconnectionToken: token });
    expect(again.sessionId).toBe(seat.sessionId);
    const back = await RawClient.connect(house.url, again, { reconnectionToken: token });
    back.confirm();
    await until(() => house.notes(roomId, 'onReconnect').length > 0, 'onReconnect()');
    await house.move(roomId, 2);
    expect(await house.call(roomId, 'about', seat.sessionId)).toMatchObject({
      user: 'bea',
      roles: ['player'],
      userData: { name: 'Bea' },
    });
    expect(house.notes(roomId, 'onReconnect', 'onDrop', 'onLeave').map((n) => n.what)).toEqual([
      'onDrop',
      'onReconnect',
    ]);
    await house.call(roomId, 'disconnect');
  });

  test('are gone when their time is up: onLeave() comes once, with all that was noted on them', async () => {
    const { roomId, seat } = await drop({ seconds: 1 });
    await house.move(roomId, 4);
    expect(house.notes(roomId, 'onLeave')).toEqual([]);
    await until(() => house.notes(roomId, 'onLeave').length > 0, 'onLeave()', 3000);
    await until(async () => (await count(roomId)) === 1, 'a count of one');
    await house.move(roomId);
    await passes(100);
    const left = house.notes(roomId, 'onLeave');
    expect(left).toHaveLength(1);
    expect(left[0]!.more).toMatchObject({
      sessionId: seat.sessionId,
      user: 'bea',
      roles: ['player'],
      userData: { name: 'Bea' },
      person: { name: 'Bea' },
      bag: [['gold', 3]],
    });
    await house.call(roomId, 'disconnect');
  });

  test('with no limit wait until the room gives them up', async () => {
    const { roomId, token } = await drop({ seconds: 'manual' });
    await house.move(roomId, 3);
    await passes(300);
    expect(house.notes(roomId, 'onLeave')).toEqual([]);
    await house.call(roomId, 'giveUp');
    await until(() => house.notes(roomId, 'onLeave').length > 0, 'onLeave()');
    await house.move(roomId);
    expect(house.notes(roomId, 'onLeave')).toHaveLength(1);
    await expect(
      RawClient.reserve(house.url, `reconnect/${roomId}`, { reconnectionToken: token }),
    ).rejects.toThrow('error');
    expect(await count(roomId)).toBe(1);
    await house.call(roomId, 'disconnect');
  });

  test('are counted as players until they are gone', async () => {
    const total = async () => (await house.stats()).reduce((sum, { ccu }) => sum + ccu, 0);
    await until(async () => (await total()) === 0, 'nobody');
    const { roomId } = await drop({ seconds: 2 });
    await house.move(roomId, 5);
    await until(async () => (await total()) === 2, 'two');
    await until(() => house.notes(roomId, 'onLeave').length > 0, 'onLeave()', 4000);
    await until(async () => (await total()) === 1, 'one');
    await house.move(roomId, 2);
    await house.call(roomId, 'disconnect');
    await until(async () => (await total()) === 0, 'nobody again');
    expect(house.notes('', 'negative')).toEqual([]);
  });
});
