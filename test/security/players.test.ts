// What a player with a seat may do: have a host keep things for it, or send what no client library would. None of it
// may cost the others anything.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Player } from '../support/player.ts';
import { Service, until } from '../support/service.ts';
import { app, frame, take } from './attack.ts';

const ROOM_DATA = 13;
const PING = 9;
let service: Service;

beforeAll(async () => {
  service = await Service.start(app);
});
afterAll(() => service.stop());

const pids = async () => (await service.hosts()).map(({ pid }) => pid).sort();

test('who never says that it has joined is closed with 1013 once too much waits for it', async () => {
  const player = await Player.join(service.url, 'talking');
  const { roomId } = player.room;
  const silent = await take(service, `joinById/${roomId}`, false);
  const moved = await take(service, `joinById/${roomId}`, false);
  await service.moveAway(roomId);
  player.room.send('shout', { bytes: 100_000, times: 38 });
  await player.ask('ping', 1, 'pong');
  expect([silent.closed, moved.closed]).toEqual([false, false]);
  player.room.send('shout', { bytes: 100_000, times: 38 });
  const said1013 = ({ tail }: { tail: Buffer }) => tail.includes(Buffer.from([0x03, 0xf5]));
  await until(() => said1013(silent) && said1013(moved), 'both are closed with 1013');
  silent.socket.destroy();
  moved.socket.destroy();
  await until(async () => (await service.room(roomId))?.clients === 1, 'they have left');
  await player.leave();
});

test('of many pings only the last one is answered to who does not read', async () => {
  const one = await take(service, 'create/talking');
  one.socket.pause();
  const flood = Buffer.concat(Array(4_000).fill(frame(PING, Buffer.alloc(125, 65))));
  for (let i = 0; i < 60; i++) {
    if (!one.socket.write(flood)) await new Promise((resolve) => one.socket.once('drain', resolve));
  }
  one.socket.write(frame(PING, Buffer.from('the last one')));
  one.socket.resume();
  await until(() => one.closed || one.tail.includes('the last one'), 'the last ping is answered');
  expect(one.tail.includes('the last one')).toBe(true);
  expect(one.closed).toBe(false);
  one.socket.destroy();
});

/** A message whose type is `name`, as msgpack has it. */
function named(code: number, name: string): Buffer {
  const text = Buffer.from(name);
  return frame(2, Buffer.concat([Buffer.from([code, 0xda, text.length >> 8, text.length & 255]), text]));
}

test('a message type as long as a message may be', async () => {
  const before = await pids();
  for (const name of ['a'.repeat(4_000), 'é'.repeat(1_500), '__proto__', 'constructor']) {
    const one = await take(service, 'create/quiet');
    one.socket.write(named(ROOM_DATA, name));
    await until(() => one.tail.includes('room onMessage for'), 'the client is told');
    one.socket.destroy();
  }
  expect(await pids()).toEqual(before);
});

test('random messages to rooms of every kind', async () => {
  const before = await pids();
  const seed = Math.floor(Math.random() * 2 ** 32);
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => random(256)));
  const codes = [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 77, 141, 255];
  for (const name of ['talking', 'quiet', 'inputs']) {
    const { seat, socket } = await take(service, `create/${name}`);
    for (let round = 0; round < 12; round++) {
      const one = await take(service, `joinById/${seat.roomId}`);
      for (let i = 0; i < 40 && !one.closed; i++) {
        const code = codes[random(codes.length)]!;
        const body = random(8) === 0 ? Buffer.alloc(4_000, 0x91) : bytes(random(60));
        one.socket.write(frame(2, Buffer.concat([Buffer.from([code]), body])));
        if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      one.socket.end();
      await until(() => one.closed, 'it is closed');
    }
    socket.destroy();
  }
  expect({ seed, pids: await pids() }).toEqual({ seed, pids: before });
});

test('a handler that throws at what a client sent costs the others nothing', async () => {
  const player = await Player.join(service.url, 'talking');
  const { host } = (await service.room(player.room.roomId))!;
  const villain = await Player.joinById(service.url, player.room.roomId);
  player.play(20);
  for (let i = 0; i < 20; i++) villain.room.send('fragile', {});
  const heard = player.pongs.length;
  await until(() => player.pongs.length > heard + 10, 'the player plays on');
  player.rest();
  await until(() => player.pongs.length === player.sent, 'the last pong came');
  expect(player.complaints()).toEqual([]);
  // neither the room nor its host went anywhere
  expect((await service.room(player.room.roomId))?.host).toBe(host);
});
