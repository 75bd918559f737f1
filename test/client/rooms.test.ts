// Rooms of linked sockets whose networks fail: the socket goes on, and the room is as its class says.
import type { Room } from '@colyseus/sdk';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import { ClientWorld, type Player } from './studio-world.ts';

let world: ClientWorld;
beforeAll(async () => {
  world = await ClientWorld.start();
}, 60_000);
afterAll(() => world?.stop());

/** What a player sees of its rooms. */
class Guest {
  readonly player: Player;
  readonly rooms: Room<any>[] = [];
  readonly events: string[] = [];
  readonly hits: number[] = [];

  constructor(player: Player) {
    this.player = player;
    player.socket.on('room', (room: Room<any>) => {
      this.rooms.push(room);
      room.onMessage('hit', (n: number) => this.hits.push(n));
      room.onDrop((code) => this.events.push(`drop ${code}`));
      room.onReconnect(() => this.events.push('back'));
      room.onLeave((code) => this.events.push(`leave ${code}`));
    });
  }

  get room(): Room<any> {
    return this.player.socket.room!;
  }

  async sees(players: number): Promise<void> {
    const seen = () => (this.player.socket.room as Room<any> | undefined)?.state?.players?.size;
    await until(() => seen() === players, `${this.player.name} to see ${players} players; it sees ${seen()}`);
  }
}

async function play(name: string, room: string): Promise<[Guest, Guest]> {
  const players = await world.pair(name, 'duel', { room: { name: room } });
  const [one, two] = players.map((player) => new Guest(player)) as [Guest, Guest];
  await Promise.all([one.sees(2), two.sees(2)]);
  return [one, two];
}

test('a class that holds the seat gets its player back in, on the new connection, also after a move', async () => {
  const [one, two] = await play('kept', 'keeps');
  const before = one.room;
  one.player.network.cut();
  await one.player.has('resumed');
  await until(() => one.events.includes('back'), 'one to be back');
  expect(one.room).toBe(before);
  one.room.send('hit', 1);
  await until(() => one.hits.length === 1, 'its hit');
  await until(() => two.room.state.hits === 1, 'two to see it');

  one.player.network.cut();
  await one.player.has('reconnecting', 2);
  await world.service.moveAway(one.player.socket.id);
  await until(() => one.events.filter((event) => event === 'back').length === 2, 'one to be back again');
  one.room.send('hit', 2);
  await until(() => two.room.state.hits === 2, 'two to see it');
  expect([one.rooms.length, two.rooms.length, one.events]).toEqual([
    1,
    1,
    ['drop 1006', 'back', 'drop 1006', 'back'],
  ]);

  await Promise.all([one.room.leave(), two.room.leave()]);
  one.player.socket.send('as before');
  await two.player.hears('as before');
  expect([one.player.errors, two.player.errors, one.player.closes]).toEqual([[], [], []]);
}, 40_000);

test('a class that does not lets it in anew', async () => {
  const [one, two] = await play('new', 'forgets');
  const before = one.room;
  one.player.network.cut();
  await one.player.has('resumed');
  await until(() => one.rooms.length === 2, 'one to be let in again');
  await Promise.all([one.sees(2), two.sees(2)]);
  expect(one.events).toEqual(['drop 1006', 'leave 1006']);
  expect([one.room === before, one.room.roomId === before.roomId]).toEqual([false, true]);
  expect([one.player.errors, one.player.closes]).toEqual([[], []]);
}, 40_000);

test('what is said meanwhile comes when the client is back from the room, over any number of connections', async () => {
  const [one, two] = await play('said', 'keeps');
  two.player.socket.send('while you were in'); // waits until two is back
  one.player.socket.send('one');
  two.player.network.cut();
  await two.player.has('resumed');
  one.player.network.cut();
  await one.player.has('resumed');
  await Promise.all([one.sees(2), two.sees(2)]);
  await two.room.leave();
  await one.room.leave();
  await Promise.all([one.player.hears('while you were in'), two.player.hears('one')]);
  expect([one.player.heard.length, two.player.heard.length]).toEqual([1, 1]);
}, 40_000);

test('a network that is gone without a word in the room is noticed, too', async () => {
  const players = await world.pair('mute', 'duel', { room: { name: 'keeps' } }, { heartbeat: 300 });
  const [one, two] = players.map((player) => new Guest(player)) as [Guest, Guest];
  await Promise.all([one.sees(2), two.sees(2)]);
  one.player.network.silence();
  await until(() => one.events.includes('back'), 'one to be back', 20_000);
  one.room.send('hit', 1);
  await until(() => two.room.state.hits === 1, 'two to see it');
}, 40_000);
