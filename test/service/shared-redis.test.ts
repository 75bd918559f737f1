// Two services on one Redis: the newer code gets the rooms, one takes over from the other, and both outlive the store's
// absence and their supervisors.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Player } from '../support/player.ts';
import { RedisServer } from '../support/redis.ts';
import { Service, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'app.config.ts');

let redis: RedisServer;
let first: Service;
let second: Service;
let firstHosts: string[];
let player: Player;

beforeAll(async () => {
  redis = await RedisServer.start();
  first = await Service.start(app, { redis: redis.url });
  await first.reload();
  await until(async () => (await first.hosts()).length === 2, 'the old hosts to end');
  firstHosts = (await first.hosts()).map(({ id }) => id);
  player = await Player.join(first.url, 'numbers');
  player.play(10);
  second = await Service.start(app, { redis: redis.url });
});
afterAll(async () => {
  player?.rest();
  await second?.stop();
  await first?.stop();
  await redis?.stop();
});

test('new rooms go to the service that was started or reloaded last, whichever is asked', async () => {
  const rooms = await Promise.all([first, second].map(({ url }) => Player.join(url, 'crowd', {}, 'create')));
  for (const { room } of rooms) expect(firstHosts).not.toContain((await second.room(room.roomId))!.host);
  await Promise.all(rooms.map((each) => each.leave()));
});

test('SIGTERM of one: its rooms move to the other, and their players play on', async () => {
  expect(firstHosts).toContain((await first.room(player.room.roomId))!.host);
  const gone = new Promise((resolve) => first.process.once('exit', resolve));
  first.process.kill('SIGTERM');
  expect(await gone).toBe(0);
  expect(firstHosts).not.toContain((await second.room(player.room.roomId))!.host);
  const { sent } = player;
  await until(() => player.pongs.length > sent + 20, 'more answers');
  expect(player.complaints().filter((complaint) => !complaint.includes('pong missing'))).toEqual([]);
});

test('Redis away: rooms go on and do not move; when it is back, they move again', async () => {
  await redis.stop();
  const { sent } = player;
  await until(() => player.pongs.length > sent + 20, 'answers without a store');
  const { roomId } = player.room;
  await expect(second.migrate(roomId, 'h1')).rejects.toMatchObject({ code: 'BATON_STORE_UNAVAILABLE' });
  await redis.start();
  await until(
    () =>
      second.moveAway(roomId).then(
        () => true,
        () => false,
      ),
    'a move',
    30_000,
  );
  player.rest();
  await until(() => player.pongs.length === player.sent, 'every answer');
  expect(player.complaints()).toEqual([]);
});

test('hosts whose supervisor was killed let go of the port once nobody plays on them', async () => {
  const pids = (await second.hosts()).map(({ pid }) => pid);
  second.process.kill('SIGKILL');
  await player.leave();
  const alive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  await until(() => !pids.some(alive), 'the hosts to end', 30_000);
  await expect(fetch(second.url)).rejects.toThrow();
});
