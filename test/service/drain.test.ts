// `baton drain` of a host on which one room can never move and another one does not come to rest.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CommandLine } from '../cli/command-line.ts';
import { cleanUp } from '../supervisor/service.ts';
import { noticed } from '../support/noticed.ts';
import { Player } from '../support/player.ts';
import { nodeArgs, Service, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'app.config.ts');
const cli = fileURLToPath(new URL('../../server/src/cli/main.ts', import.meta.url));
/** Far beyond the deadline of the drain. */
const BUSY_MS = 600_000;

let service: Service;
beforeAll(async () => {
  service = await Service.start(app);
});
afterAll(async () => {
  await cleanUp();
  await service?.stop();
});

test('what can move moves, the rest is named and stays with its players; a new host takes the place', async () => {
  const stuck = await new Client(service.url).create('stuck');
  stuck.onMessage('*', () => {});
  const { host } = (await service.room(stuck.roomId))!;
  const [busy, free] = [
    await Player.join(service.url, 'numbers', {}, 'create'),
    await Player.join(service.url, 'numbers', {}, 'create'),
  ];
  for (const { room } of [busy, free])
    if ((await service.room(room.roomId))!.host !== host) await service.migrate(room.roomId, host);
  const seen = [stuck, busy.room, free.room].map(noticed);
  busy.room.send('slow', BUSY_MS);
  busy.ping();
  await until(() => busy.pongs.length === 1, 'the long work to have begun');

  const args = ['drain', host, '--deadline', '2', '--json', '--runtime-dir', service.runtimeDir];
  const { code, json, stderr } = await new CommandLine(args, { command: [...nodeArgs, cli] }).outcome;
  expect(code).toBe(1);
  expect(json).toMatchObject({ host, rooms: 3, moved: 1 });
  const codes = json.refused.map((each: { roomId: string; code: string }) => [each.roomId, each.code]);
  expect(codes.sort()).toEqual(
    [
      [stuck.roomId, 'BATON_ROOM_IMMOVABLE'],
      [busy.room.roomId, 'BATON_ROOM_BUSY'],
    ].sort(),
  );
  for (const [roomId] of codes) expect(stderr).toContain(`baton: ${roomId} stays: `);
  expect((await service.room(free.room.roomId))!.host).not.toBe(host);

  await until(
    async () => (await service.hosts()).filter(({ state }) => state === 'up').length === 2,
    'a new host',
    30_000,
  );
  expect((await service.hosts()).find(({ id }) => id === host)).toMatchObject({
    state: 'draining',
    rooms: 2,
  });
  busy.ping();
  await until(() => busy.pongs.length === 2, 'an answer of the room that stayed');
  expect(seen.flat()).toEqual([]);
});
