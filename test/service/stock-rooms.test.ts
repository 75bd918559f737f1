// The rooms that come with Colyseus, used as its documentation says, while they and the rooms they speak of move.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { noticed } from '../support/noticed.ts';
import { Service, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'stock.config.ts');

let service: Service;
beforeAll(async () => {
  service = await Service.start(app);
});
afterAll(() => service?.stop());

const client = () => new Client(service.url);

describe('RelayRoom', () => {
  test('every message reaches the others once and in order, and reconnections are waited for', async () => {
    const one = await client().create('relay', {
      name: 'one',
      allowReconnectionTime: 10,
      metadata: { a: 1 },
    });
    const two = await client().joinById(one.roomId, { name: 'two' });
    const seen = [noticed(one), noticed(two)];
    const heard: number[][] = [[], []];
    for (const [i, room] of [one, two].entries())
      room.onMessage('n', ([from, n]: [string, number]) => {
        expect(from).toBe([two, one][i]!.sessionId);
        heard[i]!.push(n);
      });
    let sent = 0;
    for (let move = 0; move < 6; move++) {
      const moving = service.moveAway(one.roomId);
      for (let i = 0; i < 10; i++) {
        sent++;
        one.send('n', sent);
        two.send('n', sent);
      }
      await moving;
    }
    const all = Array.from({ length: sent }, (_, i) => i + 1);
    await until(() => heard.every((numbers) => numbers.length >= sent), 'every message');
    expect(heard).toEqual([all, all]);
    expect((one.state as any).players.get(two.sessionId).toJSON()).toEqual({
      connected: true,
      name: 'two',
      sessionId: two.sessionId,
    });
    expect(await listed('relay')).toMatchObject([{ roomId: one.roomId, metadata: { a: 1 }, clients: 2 }]);
    expect(seen.flat()).toEqual([]);
    await Promise.all([one.leave(), two.leave()]);
  });
});

async function listed(name: string): Promise<{ roomId: string; clients: number }[]> {
  return (await fetch(`${service.url}/list/${name}`)).json() as Promise<never>;
}

interface Lobby {
  room: Room;
  /** `+ id clients` and `- id` in the order in which they came. */
  events: string[];
  now: () => string[];
}

async function lobby(options: object = {}): Promise<Lobby> {
  const room = await client().joinOrCreate('lobby', options);
  const known = new Map<string, unknown>();
  const events: string[] = [];
  let ready = false;
  room.onMessage('rooms', (rooms: { roomId: string }[]) => {
    ready = true;
    for (const one of rooms) known.set(one.roomId, one);
  });
  room.onMessage('+', ([roomId, row]: [string, { clients: number; locked?: boolean }]) => {
    known.set(roomId, row);
    events.push(`+ ${roomId} ${row.clients}${row.locked ? ' locked' : ''}`);
  });
  room.onMessage('-', (roomId: string) => {
    known.delete(roomId);
    events.push(`- ${roomId}`);
  });
  await until(() => ready, 'the list');
  return { room, events, now: () => [...known.keys()] };
}

/** Resolves when all that was to be told of other rooms has come: what is told of a new one came after it. */
async function settled(watcher: Lobby): Promise<void> {
  const marker = await client().create('listed', { mode: 'marker' });
  await until(() => watcher.events.includes(`+ ${marker.roomId} 1`), 'the marker');
  await marker.leave();
  await until(() => watcher.events.includes(`- ${marker.roomId}`), 'the end of the marker');
}

describe('LobbyRoom', () => {
  test('tells of rooms made, locked and disposed exactly once, wherever it and they are', async () => {
    const watcher = await lobby({ filter: { name: 'listed' } });
    const everything = await lobby();
    const seen = [noticed(watcher.room), noticed(everything.room)];
    const { roomId: lobbyId } = watcher.room;
    expect(everything.room.roomId).toBe(lobbyId);
    for (let round = 0; round < 4; round++) {
      watcher.events.length = 0;
      const game = await client().create('listed', { mode: 'x' });
      const { roomId } = game;
      await until(() => watcher.events.includes(`+ ${roomId} 1`), 'the new room');
      await settled(watcher);
      const made = watcher.events.length;
      await Promise.all([service.moveAway(lobbyId), service.moveAway(roomId)]);
      await service.moveAway(roomId);
      await settled(watcher);
      expect(watcher.events.slice(made).filter((event) => event.includes(roomId))).toEqual([]);
      const late = await client().joinById(roomId);
      await until(() => watcher.events.at(-1) === `+ ${roomId} 2 locked`, 'the full room');
      await service.moveAway(lobbyId);
      await late.leave();
      await until(() => watcher.events.at(-1) === `+ ${roomId} 1`, 'the room with a free seat');
      await service.moveAway(roomId);
      await game.leave();
      await until(() => watcher.events.at(-1) === `- ${roomId}`, 'the end');
      expect(watcher.events.filter((event) => event === `- ${roomId}`)).toHaveLength(1);
      expect(watcher.now()).toEqual([]);
      expect(everything.now()).not.toContain(roomId);
    }
    expect(seen.flat()).toEqual([]);
    await Promise.all([watcher.room.leave(), everything.room.leave()]);
  });

  test('tells of a room made hidden and shown again, once each', async () => {
    const watcher = await lobby({ filter: { name: 'listed' } });
    const game = await client().create('listed', { mode: 'y' });
    await until(() => watcher.events.includes(`+ ${game.roomId} 1`), 'the new room');
    await settled(watcher);
    for (let round = 0; round < 3; round++) {
      watcher.events.length = 0;
      game.send('private', true);
      await until(() => watcher.events.length > 0, 'the hidden room');
      await Promise.all([service.moveAway(watcher.room.roomId), service.moveAway(game.roomId)]);
      expect(watcher.events).toEqual([`- ${game.roomId}`]);
      game.send('private', false);
      await until(() => watcher.events.length > 1, 'the room that is shown again');
      expect(watcher.events).toEqual([`- ${game.roomId}`, `+ ${game.roomId} 1`]);
    }
    await Promise.all([watcher.room.leave(), game.leave()]);
  });

  test('who joins after its moves is told of the rooms there are', async () => {
    const first = await lobby();
    const game = await client().create('listed', { mode: 'z' });
    for (let i = 0; i < 3; i++) await service.moveAway(first.room.roomId);
    const second = await lobby();
    expect(second.room.roomId).toBe(first.room.roomId);
    expect(second.now()).toEqual([game.roomId]);
    await Promise.all([first.room.leave(), second.room.leave(), game.leave()]);
  });
});

describe('QueueRoom', () => {
  test('a queue that moves while players wait brings all of them to one match', async () => {
    const waiting: Room[] = [];
    const seats: Promise<any>[] = [];
    const join = async (rank: number) => {
      const room = await client().joinOrCreate('queue', { rank });
      room.onMessage('clients', () => {});
      seats.push(new Promise((resolve) => room.onMessage('seat', resolve)));
      waiting.push(room);
    };
    await join(10);
    const { roomId } = waiting[0]!;
    await service.moveAway(roomId);
    await join(12);
    for (let i = 0; i < 3; i++) await service.moveAway(roomId);
    await join(14);
    const moving = service.moveAway(roomId);
    const found = await Promise.all(seats);
    await moving;
    await service.moveAway(roomId);
    const players = await Promise.all(found.map((seat) => client().consumeSeatReservation(seat)));
    for (const room of waiting) room.send('confirm');
    await until(async () => (await service.room(roomId)) === undefined, 'the empty queue to be gone');
    expect(new Set(players.map((room) => room.roomId)).size).toBe(1);
    await service.moveAway(players[0]!.roomId);
    for (const [n, room] of players.entries()) {
      const answer = new Promise((resolve) => room.onMessage('hello', resolve));
      room.send('hello', n);
      expect(await answer).toBe(n);
    }
    await Promise.all(players.map((room) => room.leave()));
  });

  test('a queue stays where it is while it makes a match', async () => {
    const rooms = await Promise.all([10, 11, 12].map((rank) => client().joinOrCreate('slowqueue', { rank })));
    const seats = rooms.map((room) => {
      room.onMessage('*', () => {});
      return new Promise<any>((resolve) => room.onMessage('seat', resolve));
    });
    const { roomId } = rooms[0]!;
    let found = false;
    const all = Promise.all(seats).finally(() => (found = true));
    while (!found) await service.moveAway(roomId);
    const players = await Promise.all((await all).map((seat) => client().consumeSeatReservation(seat)));
    expect(new Set(players.map((room) => room.roomId)).size).toBe(1);
    for (const room of rooms) room.send('confirm');
    await Promise.all(players.map((room) => room.leave()));
  });

  test('reserved seats of a match that moves can still be taken', async () => {
    const rooms = await Promise.all([10, 11, 12].map((rank) => client().joinOrCreate('queue', { rank })));
    const found = await Promise.all(
      rooms.map((room) => {
        room.onMessage('*', () => {});
        return new Promise<any>((resolve) => room.onMessage('seat', resolve));
      }),
    );
    const matchId: string = found[0].roomId;
    for (let i = 0; i < 3; i++) await service.moveAway(matchId);
    const players = await Promise.all(found.map((seat) => client().consumeSeatReservation(seat)));
    for (const room of rooms) room.send('confirm');
    expect((await service.room(matchId))!.clients).toBe(3);
    await Promise.all(players.map((room) => room.leave()));
  });
});
