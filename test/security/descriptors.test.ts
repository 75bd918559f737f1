// A host without a descriptor left: strangers hold as many connections as it may have.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Player } from '../support/player.ts';
import { Service, until } from '../support/service.ts';
import { app, connect, reserve } from './attack.ts';

let service: Service;

beforeAll(async () => {
  service = await Service.start(app);
});
afterAll(() => service.stop());

const open = (pid: number) => fs.readdirSync(`/proc/${pid}/fd`).length;
const limit = (pid: number, most: number) =>
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${most}:20000`]);

test('hosts at their limit keep their rooms, players and place in the registry, and recover', async () => {
  const hosts = await service.hosts();
  const player = await Player.join(service.url, 'talking');
  const { roomId } = player.room;
  await reserve(service.url, 'create/talking');
  player.play(10);
  const most = new Map(hosts.map(({ pid }) => [pid, open(pid) + 20]));
  for (const [pid, fds] of most) limit(pid, fds);
  const strangers: ReturnType<typeof connect>[] = [];
  const full = async () => {
    for (let i = 0; i < 20; i++) strangers.push(connect(service.port));
    await new Promise((resolve) => setTimeout(resolve, 5));
    return [...most].every(([pid, fds]) => open(pid) >= fds);
  };
  await until(full, 'every host is full');

  // Longer than a lease: a host that does not renew it is taken for dead, and its rooms for gone.
  const heard = player.pongs.length;
  await until(() => player.pongs.length > heard + 350, 'the player is answered all the time', 15_000);
  for (const stranger of strangers) stranger.destroy();
  await until(() => [...most].every(([pid, fds]) => open(pid) < fds - 5), 'descriptors come back');

  expect(service.output.join('')).not.toContain('host is gone');
  expect((await service.hosts()).map(({ pid }) => pid).sort()).toEqual(hosts.map(({ pid }) => pid).sort());
  expect(await service.room(roomId)).toMatchObject({ clients: 1 });
  const { from, to } = await service.moveAway(roomId);
  expect(to).not.toBe(from);
  player.rest();
  await until(() => player.pongs.length === player.sent, 'the last pong came');
  expect(player.complaints()).toEqual([]);
  await player.leave();
});
