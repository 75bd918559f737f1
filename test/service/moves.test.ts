// Rooms of a real service move between real processes while players on the unmodified SDK play.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Player } from '../support/player.ts';
import { Service, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'app.config.ts');

let service: Service;
beforeAll(async () => {
  service = await Service.start(app);
});
afterAll(() => service?.stop());

const settled = (player: Player) => until(() => player.pongs.length === player.sent, 'every answer');

test('the hosts run on the Node that runs the tests', async () => {
  const programs = (await service.hosts()).map(({ pid }) => fs.readlinkSync(`/proc/${pid}/exe`));
  expect(programs).toEqual([process.execPath, process.execPath].map((file) => fs.realpathSync(file)));
});

describe('a room that moves', () => {
  test('its players notice nothing in 30 moves under load', async () => {
    const players = [await Player.join(service.url, 'numbers', {}, 'create')];
    const { roomId } = players[0]!.room;
    for (let i = 0; i < 4; i++) players.push(await Player.joinById(service.url, roomId));
    for (const player of players) player.play(5);
    const hostsSeen = new Set<string>();
    for (let i = 0; i < 30; i++) {
      const move = await service.moveAway(roomId);
      hostsSeen.add(move.to);
      expect(move.clients).toBe(5);
    }
    for (const player of players) player.rest();
    for (const player of players) await settled(player);
    expect(players.map((p) => p.complaints())).toEqual(players.map(() => []));
    expect(hostsSeen.size).toBe(2);
    for (const player of players) {
      let mine = '';
      const theirs = await player.ask<string>('state?', null, 'state!', () => {
        mine = JSON.stringify(player.room.state);
      });
      expect(JSON.parse(mine)).toEqual(JSON.parse(theirs));
    }
    await Promise.all(players.map((p) => p.leave()));
  });

  test('a large state goes ahead while the room runs, and arrives exact', async () => {
    const player = await Player.join(service.url, 'crowd', { things: 3000 }, 'create');
    player.play(10);
    for (let i = 0; i < 10; i++) {
      const move = await service.moveAway(player.room.roomId);
      // what is left for the blackout is far smaller than the state
      expect(move.bytes).toBeLessThan(60_000);
    }
    player.rest();
    await settled(player);
    expect(player.complaints()).toEqual([]);
    let mine = '';
    const theirs = await player.ask<string>('state?', null, 'state!', () => {
      mine = JSON.stringify(player.room.state);
    });
    expect(JSON.parse(mine)).toEqual(JSON.parse(theirs));
    await player.leave();
  });
});
