// Rooms as Colyseus' documentation writes them, played by the unmodified SDK through moves.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Network } from '../support/network.ts';
import { noticed } from '../support/noticed.ts';
import { type ApiError, Service, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'stock.config.ts');

let service: Service;
let restless: { room: Room; seen: string[]; refusal: Promise<ApiError | undefined> };
beforeAll(async () => {
  service = await Service.start(app);
  const room = await client().create('restless');
  // its move is given up after some seconds, in which the other tests run
  const refusal = service.moveAway(room.roomId).then(
    () => undefined,
    (failure: ApiError) => failure,
  );
  restless = { room, seen: noticed(room), refusal };
});
afterAll(() => service?.stop());

const client = () => new Client(service.url);
/** @param at called in the turn in which the message comes: the state is that of the moment */
const next = <T>(room: Room, type: string, at?: (message: T) => void): Promise<T> =>
  new Promise((resolve) => {
    const off = room.onMessage(type, (message: T) => {
      off();
      at?.(message);
      resolve(message);
    });
  });
const ask = <T>(
  room: Room,
  type: string,
  payload: unknown,
  answer: string,
  at?: (message: T) => void,
): Promise<T> => {
  const answered = next<T>(room, answer, at);
  room.send(type, payload);
  return answered;
};
const left = (room: Room): Promise<number> => new Promise((resolve) => room.onLeave(resolve));

describe('a chat', () => {
  test('who joins after moves reads all that was said, in order', async () => {
    const one = await client().create('chat');
    const two = await client().joinById(one.roomId);
    const seen = [noticed(one), noticed(two)];
    const heard: string[][] = [[], []];
    for (const [i, room] of [one, two].entries()) {
      room.onMessage('history', () => {});
      room.onMessage('said', ({ text }: { text: string }) => heard[i]!.push(text));
    }
    for (let i = 0; i < 6; i++) {
      const moving = service.moveAway(one.roomId);
      one.send('say', `one ${i}`);
      two.send('say', `two ${i}`);
      await moving;
    }
    await until(() => heard.every((lines) => lines.length === 12), 'every line');
    expect(heard[0]).toEqual(heard[1]);
    const three = await client().joinById(one.roomId);
    const history = await next<{ from: string; text: string }[]>(three, 'history');
    expect(history.map(({ text }) => text)).toEqual(heard[0]);
    expect(history.filter(({ from }) => from === two.sessionId).map(({ text }) => text)).toEqual(
      Array.from({ length: 6 }, (_, i) => `two ${i}`),
    );
    expect(seen.flat()).toEqual([]);
    one.send('close');
    await Promise.all([one, two, three].map(left));
  });

  test('who is kicked leaves once, from the room or by a call from another host, while it moves', async () => {
    const rooms = [await client().create('chat')];
    const { roomId } = rooms[0]!;
    for (let i = 0; i < 6; i++) rooms.push(await client().joinById(roomId));
    for (const room of rooms) room.onMessage('*', () => {});
    const [host, ...guests] = rooms as [Room, ...Room[]];
    const seen = noticed(host);
    const codes: number[][] = guests.map(() => []);
    for (const [i, guest] of guests.entries()) guest.onLeave((code) => codes[i]!.push(code));
    const mover = service.keepMoving(roomId);
    for (const [i, guest] of guests.entries()) {
      if (i % 2 === 0) host.send('kick', guest.sessionId);
      else await fetch(`${service.url}/kick/${roomId}/${guest.sessionId}`, { method: 'POST' });
      await until(() => codes[i]!.length > 0, 'the end of who was kicked');
    }
    await mover.stop(1);
    expect(codes).toEqual(guests.map((_, i) => [i % 2 === 0 ? 4321 : 4322]));
    expect((await service.room(roomId))!.clients).toBe(1);
    expect(seen).toEqual([]);
    host.send('close');
    await left(host);
  });

  test('one that disconnects everybody while it moves is gone, once, and says so to the mover', async () => {
    for (const delay of [0, 0, 1, 2, 3, 4, 6, 8]) {
      const one = await client().create('chat');
      const two = await client().joinById(one.roomId);
      for (const room of [one, two]) room.onMessage('*', () => {});
      const codes: number[] = [];
      for (const room of [one, two]) room.onLeave((code) => codes.push(code));
      const moving = service.moveAway(one.roomId).catch((error: ApiError) => error.code);
      await new Promise((resolve) => setTimeout(resolve, delay));
      one.send('close');
      await until(() => codes.length === 2, 'everybody to leave');
      const outcome = await moving;
      if (typeof outcome === 'string')
        expect(['BATON_ROOM_DISPOSING', 'BATON_ROOM_NOT_FOUND']).toContain(outcome);
      await until(async () => (await service.room(one.roomId)) === undefined, 'the room to be gone');
      expect(await listed('chat')).toEqual([]);
      expect(codes).toEqual([4000, 4000]);
    }
  });
});

async function listed(name: string): Promise<{ roomId: string; metadata: unknown; locked: boolean }[]> {
  return (await fetch(`${service.url}/list/${name}`)).json() as Promise<never>;
}

describe('turns with clock timers', () => {
  test('no turn is skipped or played twice, whether players act or time runs out', async () => {
    const one = await client().create('turns');
    const two = await client().joinById(one.roomId);
    const seen = [noticed(one), noticed(two)];
    const turns: { turn: number; current: string }[] = [];
    let passed = 0;
    for (const room of [one, two])
      room.onMessage('turn', (message: { turn: number; current: string }) => {
        if (room === one) turns.push(message);
        // acts in every other round; otherwise its time runs out
        if (message.current === room.sessionId && message.turn % 4 < 2) room.send('act');
      });
    one.onMessage('passed', () => passed++);
    two.onMessage('passed', () => {});
    const mover = service.keepMoving(one.roomId);
    await until(() => passed >= 8, 'turns', 20_000);
    await mover.stop(6);
    const numbers = turns.map(({ turn }) => turn);
    expect(numbers).toEqual(numbers.map((_, i) => numbers[0]! + i));
    for (const { turn, current } of turns)
      expect(current).toBe(turn % 2 === 1 ? one.sessionId : two.sessionId);
    expect((one.state as any).seconds).toBeGreaterThan(5);
    expect(seen.flat()).toEqual([]);
    await Promise.all([one.leave(), two.leave()]);
  });
});

interface Table {
  hand: [number, string][];
  counts: number[];
  pile: number[];
}

/** The state as this player's SDK has it. @throws when it has what it must not see */
function tableSeenBy(room: Room): Table {
  const { players, pile } = room.state as any;
  for (const [id, player] of players.entries())
    if (id !== room.sessionId && player.hand?.length > 0) throw new Error(`the hand of ${id} is seen`);
  for (const card of pile) if (card.secret) throw new Error(`the secret of ${card.value} is seen`);
  return {
    hand: players.get(room.sessionId).hand.map((card: any) => [card.value, card.secret]),
    counts: [...players.values()].map((player: any) => player.cards),
    pile: pile.map((card: any) => card.value),
  };
}

describe('a card game with a StateView for each player', () => {
  test('everybody goes on seeing their own hand, and nobody else does', async () => {
    const rooms = [await client().create('cards')];
    for (let i = 0; i < 2; i++) rooms.push(await client().joinById(rooms[0]!.roomId));
    const seen = rooms.map(noticed);
    for (let move = 0; move < 6; move++) {
      await service.moveAway(rooms[0]!.roomId);
      if (move === 3) {
        rooms.push(await client().joinById(rooms[0]!.roomId));
        seen.push(noticed(rooms.at(-1)!));
      }
      for (const [i, room] of rooms.entries()) {
        room.send('draw');
        if ((move + i) % 2 === 0) room.send('play');
      }
      for (const room of rooms) {
        let shown: Table | undefined;
        const truth = await ask<Table>(room, 'mine?', null, 'mine', () => {
          shown = tableSeenBy(room);
        });
        expect(shown).toEqual(truth);
      }
    }
    expect(seen.flat()).toEqual([]);
    await Promise.all(rooms.map((room) => room.leave()));
  });
});

describe('authentication', () => {
  test('a static onAuth that takes its time decides while the room moves; what it found stays with clients', async () => {
    const joining = async (roomId: string, user: string) => {
      const one = client();
      one.auth.token = `user:${user}`;
      const room = await one.joinById(roomId);
      expect(await next(room, 'welcome')).toBe(user);
      return room;
    };
    const first = client();
    first.auth.token = 'user:ada';
    const ada = await first.create('members');
    ada.onMessage('*', () => {});
    const mover = service.keepMoving(ada.roomId);
    const guests = await Promise.all(['bea', 'cid', 'dot'].map((user) => joining(ada.roomId, user)));
    await expect(client().joinById(ada.roomId)).rejects.toThrow('who are you?');
    await mover.stop(2);
    for (const [i, room] of [ada, ...guests].entries())
      expect(await ask(room, 'who?', null, 'who')).toEqual({
        user: ['ada', 'bea', 'cid', 'dot'][i],
      });
    await Promise.all([ada, ...guests].map((room) => room.leave()));
  });

  test('an onAuth of the instance that takes its time keeps the room in place until it is through', async () => {
    const one = await client().create('guarded', { password: 'open' });
    const mover = service.keepMoving(one.roomId);
    for (let i = 0; i < 4; i++) {
      const guest = await client().joinById(one.roomId, { password: 'open' });
      expect(await ask(guest, 'who?', null, 'who')).toEqual({ password: 'open' });
      await guest.leave();
      await expect(client().joinById(one.roomId, { password: 'x' })).rejects.toThrow('wrong password');
    }
    await mover.stop(2);
    expect((await service.room(one.roomId))!.clients).toBe(1);
    await one.leave();
  });
});

describe('matchmaking', () => {
  test('a moved room is found by its filter, full ones and others are not', async () => {
    const one = await client().joinOrCreate('duel', { mode: 'blitz' });
    await service.moveAway(one.roomId);
    const other = await client().joinOrCreate('duel', { mode: 'slow' });
    expect(other.roomId).not.toBe(one.roomId);
    await service.moveAway(one.roomId);
    const two = await client().joinOrCreate('duel', { mode: 'blitz' });
    expect(two.roomId).toBe(one.roomId);
    await service.moveAway(one.roomId);
    const third = await client().joinOrCreate('duel', { mode: 'blitz' });
    expect(third.roomId).not.toBe(one.roomId);
    expect((await listed('duel')).find(({ roomId }) => roomId === one.roomId)?.locked).toBe(true);
    await two.leave();
    await until(
      async () => !(await listed('duel')).find(({ roomId }) => roomId === one.roomId)!.locked,
      'the free seat',
    );
    await service.moveAway(one.roomId);
    // the fullest first: both have one player, so fill the other one
    const fourth = await client().joinById(third.roomId);
    const fifth = await client().joinOrCreate('duel', { mode: 'blitz' });
    expect(fifth.roomId).toBe(one.roomId);
    await Promise.all([one, other, third, fourth, fifth].map((room) => room.leave()));
  });

  test('metadata, privacy and locks go along and can be changed on any host', async () => {
    const one = await client().create('duel', { mode: 'm' });
    const row = async () => (await listed('duel')).find(({ roomId }) => roomId === one.roomId)! as any;
    const join = () => client().join('duel', { mode: 'm' });
    for (let level = 2; level < 6; level++) {
      one.send('level', level);
      await until(async () => (await row()).metadata.level === level, 'the level');
      await service.moveAway(one.roomId);
      expect(await row()).toMatchObject({ metadata: { mode: 'm', level }, private: false, locked: false });
    }
    one.send('private', true);
    await until(async () => (await row()).private, 'privacy');
    await service.moveAway(one.roomId);
    await expect(join()).rejects.toThrow('no rooms found');
    const known = await client().joinById(one.roomId);
    await known.leave();
    one.send('private', false);
    await until(async () => !(await row()).private, 'the end of privacy');

    one.send('lock');
    await until(async () => (await row()).locked, 'the lock');
    await service.moveAway(one.roomId);
    await expect(join()).rejects.toThrow('no rooms found');
    await expect(client().joinById(one.roomId)).rejects.toThrow('is locked');
    one.send('unlock');
    await until(async () => !(await row()).locked, 'the end of the lock');
    await service.moveAway(one.roomId);
    const guest = await join();
    expect(guest.roomId).toBe(one.roomId);
    await Promise.all([one.leave(), guest.leave()]);
  });
});

describe('allowReconnection in onDrop', () => {
  test('who drops comes back to where the room is by then', async () => {
    const proxy = await Network.start(service.port);
    const stays = await client().create('seats');
    const drops = await new Client(proxy.url).joinById(stays.roomId);
    drops.onMessage('*', () => {});
    drops.reconnection.minUptime = 0;
    drops.reconnection.maxRetries = 100;
    const seen = noticed(stays);
    const ofDropper = noticed(drops);
    await ask(drops, 'ping', 0, 'pong');
    for (let round = 1; round <= 4; round++) {
      proxy.cut();
      const seats = () => (stays.state as any).seats.get(drops.sessionId);
      await until(() => seats()?.connected === false, 'the drop');
      await service.moveAway(stays.roomId);
      await until(
        () => ofDropper.filter((what) => what === 'reconnect').length === round,
        'the reconnection',
      );
      await until(() => seats().connected, 'the seat to be taken again');
      await service.moveAway(stays.roomId);
      expect(await ask(drops, 'ping', round, 'pong')).toBe(round);
    }
    const log = await ask<string[]>(stays, 'log?', null, 'log');
    const both = [`drop ${drops.sessionId}`, `reconnect ${drops.sessionId}`];
    expect(log).toEqual([...both, ...both, ...both, ...both]);
    expect(seen).toEqual([]);
    await Promise.all([stays.leave(), drops.leave()]);
    proxy.stop();
  });

  test('a seat nobody comes back to is given up once, on the host where the room is by then', async () => {
    const proxy = await Network.start(service.port);
    const stays = await client().create('seats');
    stays.send('seconds', 1);
    const drops = await new Client(proxy.url).joinById(stays.roomId);
    await ask(drops, 'ping', 1, 'pong');
    drops.reconnection.enabled = false;
    proxy.stop();
    await until(() => (stays.state as any).seats.get(drops.sessionId)?.connected === false, 'the drop');
    for (let i = 0; i < 3; i++) await service.moveAway(stays.roomId);
    await until(() => !(stays.state as any).seats.has(drops.sessionId), 'the seat to be given up');
    await service.moveAway(stays.roomId);
    expect(await ask(stays, 'log?', null, 'log')).toEqual([
      `drop ${drops.sessionId}`,
      `leave ${drops.sessionId}`,
    ]);
    await stays.leave();
  });
});

describe('presence between rooms', () => {
  test('every announcement is heard exactly once, whichever of the rooms moves', async () => {
    const rooms = [await client().create('news'), await client().create('news')];
    const heard: string[][] = rooms.map(() => []);
    for (const [i, room] of rooms.entries()) room.onMessage('news', (text: string) => heard[i]!.push(text));
    const movers = rooms.map((room) => service.keepMoving(room.roomId));
    const said: string[][] = rooms.map(() => []);
    for (let n = 0; n < 60; n++) {
      for (const [i, room] of rooms.entries()) {
        said[i]!.push(`${i}:${n}`);
        room.send('announce', `${i}:${n}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const mover of movers) await mover.stop(3);
    await until(() => heard.every((texts) => texts.length >= 120), 'all announcements');
    for (const [i, room] of rooms.entries()) {
      for (const [from, texts] of said.entries())
        expect(heard[i]!.filter((text) => text.startsWith(`${from}:`))).toEqual(texts);
      expect(await ask(room, 'heard?', null, 'heard')).toEqual(heard[i]);
    }
    await Promise.all(rooms.map((room) => room.leave()));
  });
});

test('a closure that is always waiting is named, and the room goes on', async () => {
  const { room, seen, refusal } = restless;
  const error = await refusal;
  expect(error?.code).toBe('BATON_ROOM_BUSY');
  expect(error?.message).toMatch(/clock\.setTimeout/);
  expect(seen).toEqual([]);
  await room.leave();
});
