// Players come, go, drop and come back while their room moves; requests are in flight, readers are slow, timers run.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Random } from '../migration/schema/random.ts';
import { Network } from '../support/network.ts';
import { Player } from '../support/player.ts';
import { RawClient } from '../support/raw-client.ts';
import { type ApiError, Service, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'app.config.ts');
const seed = Number(process.env['BATON_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let service: Service;
beforeAll(async () => {
  service = await Service.start(app);
});
afterAll(() => service?.stop());

describe(`churn (seed ${seed})`, () => {
  test('joins, leaves and drops with reconnection during moves', async () => {
    const random = new Random(seed);
    const anchor = await Player.join(service.url, 'numbers', {}, 'create');
    const { roomId } = anchor.room;
    anchor.play(10);
    const mover = service.keepMoving(roomId);
    const guests: (Player & { proxy?: Network })[] = [];
    const proxies: Network[] = [];
    let dropped = 0;
    for (let round = 0; round < 40; round++) {
      const choice = random.next();
      if (guests.length < 3 || (choice < 0.4 && guests.length < 8)) {
        const proxy = await Network.start(service.port);
        proxies.push(proxy);
        const guest: (typeof guests)[number] = await Player.joinById(proxy.url, roomId);
        guest.proxy = proxy;
        guest.room.reconnection.minUptime = 0;
        guest.play(20);
        guests.push(guest);
        // a client that drops before the server knows that it has joined may not come back, in Colyseus as here
        await until(() => guest.pongs.length > 0, 'the first answer');
      } else if (choice < 0.6) {
        const [guest] = guests.splice(random.int(guests.length), 1);
        await guest!.leave();
        expect(guest!.leaves).toEqual([4000]);
      } else {
        const guest = guests[random.int(guests.length)]!;
        const before = guest.reconnects;
        dropped++;
        guest.rest();
        guest.proxy!.cut();
        await until(() => guest.reconnects > before || guest.leaves.length > 0, 'the reconnection');
        expect(guest.leaves).toEqual([]);
        const answered = guest.pongs.length;
        guest.play(20);
        await until(() => guest.pongs.length > answered, 'an answer after the reconnection');
      }
    }
    await mover.stop(6);
    anchor.rest();
    await until(() => anchor.pongs.length === anchor.sent, 'every answer');
    expect(anchor.complaints()).toEqual([]);
    expect(dropped).toBeGreaterThan(0);
    const room = await service.room(roomId);
    expect(room!.clients).toBe(guests.length + 1);
    for (const host of await service.hosts()) expect(host.clients).toBeGreaterThanOrEqual(0);
    await Promise.all([anchor, ...guests].map((player) => player.leave()));
    for (const proxy of proxies) proxy.stop();
    await until(async () => (await service.room(roomId)) === undefined, 'the empty room to be disposed');
  });

  test('requests in flight keep a room in place until they are answered', async () => {
    const player = await Player.join(service.url, 'numbers', {}, 'create');
    const answer = player.ask<number>('slow', 400, 'slow');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const started = Date.now();
    await service.moveAway(player.room.roomId);
    expect(Date.now() - started).toBeGreaterThan(200);
    expect(await answer).toBe(400);
    await player.leave();
  });

  test('a closure timer postpones the move until it has fired', async () => {
    const player = await Player.join(service.url, 'numbers', {}, 'create');
    const answer = player.ask<number>('later', 400, 'later');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await service.moveAway(player.room.roomId);
    expect(await answer).toBe(400);
    await player.leave();
  });

  test('a room whose onLeave awaits a reconnection moves once that is settled', async () => {
    const proxy = await Network.start(service.port);
    const one = await new Client(proxy.url).create('awaiting');
    const two = await new Client(service.url).joinById(one.roomId);
    one.reconnection.enabled = false;
    proxy.stop();
    await until(async () => (await service.room(one.roomId))?.clients === 1, 'the drop');
    const move = await service.moveAway(one.roomId);
    expect(move.clients).toBe(1);
    await two.leave();
  });

  test('a slow reader with megabytes queued gets every byte, across moves', async () => {
    const reader = await RawClient.join(service.url, 'create/numbers');
    const { roomId } = reader;
    const socket = (reader as any).socket._socket;
    socket.pause();
    for (let i = 0; i < 24; i++) reader.send('big', 100_000);
    await until(async () => (await service.room(roomId)) !== undefined, 'the room');
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (let i = 0; i < 4; i++) await service.moveAway(roomId);
    socket.resume();
    const whole = () => reader.frames.filter((frame) => frame.length > 100_000);
    await until(() => whole().length === 24, 'all that was queued', 20_000);
    for (const frame of whole()) expect(frame.subarray(-100_000).every((byte) => byte === 7)).toBe(true);
    expect(reader.closed).toBeUndefined();
    reader.close();
  });

  test('many frames at once, cut anywhere by the move', async () => {
    const player = await Player.join(service.url, 'numbers', {}, 'create');
    const mover = service.keepMoving(player.room.roomId);
    for (let i = 0; i < 60; i++) {
      for (let n = 0; n < 50; n++) player.ping();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await mover.stop(4);
    await until(() => player.pongs.length === player.sent, 'every answer');
    expect(player.complaints()).toEqual([]);
    await player.leave();
  });
});

describe('what cannot be done is refused, and the room runs on', () => {
  const refused = async (work: Promise<unknown>): Promise<string> => {
    try {
      await work;
      return 'nothing was refused';
    } catch (error) {
      return (error as ApiError).code;
    }
  };

  test('unknown room, unknown host, the host it is on', async () => {
    const player = await Player.join(service.url, 'numbers', {}, 'create');
    const { roomId } = player.room;
    const { host } = (await service.room(roomId))!;
    expect(await refused(service.migrate('nowhere', host))).toBe('BATON_ROOM_NOT_FOUND');
    expect(await refused(service.migrate(roomId, 'h999'))).toBe('BATON_HOST_NOT_FOUND');
    expect(await refused(service.migrate(roomId, host))).toBe('BATON_MOVE_TO_SELF');
    await player.ask('slow', 1, 'slow');
    expect(player.complaints()).toEqual([]);
    await player.leave();
  });

  test('a closure in an interval is named', async () => {
    const client = await new Client(service.url).create('stuck');
    client.onMessage('*', () => {});
    const room = (await service.room(client.roomId))!;
    const other = (await service.hosts()).find((h) => h.id !== room.host)!;
    const error = await service.migrate(client.roomId, other.id).then(
      () => undefined,
      (e) => e as ApiError,
    );
    expect(error?.code).toBe('BATON_ROOM_IMMOVABLE');
    expect(error?.message).toMatch(/setInterval/);
    await client.leave();
  });

  test('two moves of one room at once: one of them', async () => {
    const player = await Player.join(service.url, 'numbers', {}, 'create');
    const { roomId } = player.room;
    const { host } = (await service.room(roomId))!;
    const other = (await service.hosts()).find((h) => h.id !== host)!.id;
    const results = await Promise.allSettled([
      service.migrate(roomId, other),
      service.migrate(roomId, other),
    ]);
    const codes = results
      .map((r) => (r.status === 'fulfilled' ? 'moved' : (r.reason as ApiError).code))
      .sort();
    expect(codes[1]).toBe('moved');
    expect(['BATON_MOVE_IN_PROGRESS', 'BATON_MOVE_TO_SELF']).toContain(codes[0]);
    await player.leave();
  });
});
