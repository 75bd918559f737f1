// Apps in every form in which Colyseus apps are written, and the tools that are mounted in them.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { noticed } from '../support/noticed.ts';
import { RawClient } from '../support/raw-client.ts';
import { Service, until } from '../support/service.ts';

const fixture = (name: string) =>
  path.resolve(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', name);

const services: Service[] = [];
afterAll(() => Promise.all(services.map((service) => service.stop())));

async function start(app: string): Promise<Service> {
  const service = await Service.start(fixture(app));
  services.push(service);
  return service;
}

/** Two players count together through moves. */
async function countThroughMoves(service: Service): Promise<void> {
  const rooms = [await new Client(service.url).create('count')];
  rooms.push(await new Client(service.url).joinById(rooms[0]!.roomId));
  const seen = rooms.map(noticed);
  const sums: number[][] = [[], []];
  for (const [i, room] of rooms.entries()) room.onMessage('sum', (sum: number) => sums[i]!.push(sum));
  let sent = 0;
  for (let move = 0; move < 5; move++) {
    const moving = service.moveAway(rooms[0]!.roomId);
    for (const room of rooms) for (let i = 0; i < 10; i++) room.send('add', 1);
    sent += 20;
    await moving;
  }
  await until(() => rooms.every((room) => (room.state as { value: number }).value === sent), 'the sum');
  await until(() => sums[0]!.length + sums[1]!.length === sent, 'every answer');
  expect(sums.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, i) => i + 1));
  expect(seen.flat()).toEqual([]);
  await Promise.all(rooms.map((room) => room.leave()));
}

describe('an app is', () => {
  test('config({...}) of @colyseus/tools', async () => {
    const service = await start('tools/app.config.ts');
    const done = (await (await fetch(`${service.url}/done`)).json()) as string[];
    expect(done.sort()).toEqual(['beforeListen', 'initializeExpress', 'initializeGameServer']);
    await countThroughMoves(service);
  });

  test('an entry file that makes a Server with its own transport and listens', async () => {
    const service = await start('legacy/index.ts');
    expect(await (await fetch(`${service.url}/hello`)).text()).toBe('hello');
    const room = await new Client(service.url).create('echo');
    const seen = noticed(room);
    const pongs: number[] = [];
    room.onMessage('pong', (n: number) => pongs.push(n));
    for (let n = 0; n < 20; n++) {
      room.send('ping', n);
      if (n % 5 === 0) await service.moveAway(room.roomId);
    }
    await until(() => pongs.length === 20, 'every answer');
    expect(pongs).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(seen).toEqual([]);
    await room.leave();
  });

  test('CommonJS in JavaScript', async () => countThroughMoves(await start('cjs/app.config.js')));

  test('a file that makes its server and calls listen() itself', async () => {
    const service = await start('legacy/index.ts');
    expect(await (await fetch(`${service.url}/hello`)).text()).toBe('hello');
    const room = await new Client(service.url).create('echo');
    const seen = noticed(room);
    const pongs: number[] = [];
    room.onMessage('pong', (n: number) => pongs.push(n));
    room.send('ping', 1);
    await service.moveAway(room.roomId);
    room.send('ping', 2);
    await until(() => pongs.length === 2, 'both answers');
    expect([pongs, seen]).toEqual([[1, 2], []]);
    await room.leave();
  });

  test('TypeScript without "type": "module"', async () => {
    // made here: the compiler of this repository takes no such files
    const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
    fs.mkdirSync(artifacts, { recursive: true });
    const folder = fs.mkdtempSync(path.join(artifacts, 'commonjs-'));
    try {
      fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
      fs.copyFileSync(fixture('tools/app.config.ts'), path.join(folder, 'app.config.ts'));
      await countThroughMoves(await start(path.join(folder, 'app.config.ts')));
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('the options of its own WebSocketTransport hold', () => {
  let service: Service;
  beforeAll(async () => {
    service = await start('strict/app.config.ts');
  });

  /** Status of the answer to an upgrade, and the sub-protocol it names. */
  async function upgrade(headers: Record<string, string>): Promise<[number, string]> {
    const seat = await RawClient.reserve(service.url, 'create/echo');
    const url = `${service.url.replace('http', 'ws')}/${seat.processId}/${seat.roomId}?sessionId=${seat.sessionId}`;
    const socket = new WebSocket(url, ['old', 'new'], { headers });
    return new Promise((resolve, reject) => {
      socket.once('upgrade', (response) => {
        resolve([response.statusCode!, response.headers['sec-websocket-protocol'] ?? '']);
        socket.once('open', () => socket.terminate());
      });
      socket.once('unexpected-response', (_request, response) => {
        resolve([response.statusCode!, '']);
        socket.terminate();
      });
      socket.once('error', reject);
    });
  }

  test('handleProtocols', async () => {
    expect(await upgrade({ origin: 'https://game.example' })).toEqual([101, 'new']);
  });

  test('verifyClient', async () => {
    expect(await upgrade({ origin: 'https://evil.example' })).toEqual([403, '']);
    expect(await upgrade({})).toEqual([403, '']);
  });
});

describe('mounted in an app', () => {
  /** One room on each host. */
  async function spread(service: Service): Promise<Room[]> {
    const rooms: Room[] = [];
    const hosts = async () => new Set((await service.rooms()).map(({ host }) => host));
    while ((await hosts()).size < 2 && rooms.length < 10) {
      rooms.push(await new Client(service.url).create('chat'));
      rooms.at(-1)!.onMessage('*', () => {});
    }
    expect((await hosts()).size).toBe(2);
    return rooms;
  }

  test('the monitor and the playground show the rooms of all hosts, and reach them after moves', async () => {
    const service = await start('stock.config.ts');
    const rooms = await spread(service);
    const get = async <T>(route: string): Promise<T> => {
      const response = await fetch(`${service.url}${route}`);
      expect(response.status).toBe(200);
      return response.json() as Promise<T>;
    };
    const ids = rooms.map((room) => room.roomId).sort();
    for (let round = 0; round < 3; round++) {
      const { rooms: monitored, connections } = await get<{
        rooms: { roomId: string; clients: number; processId: string }[];
        connections: number;
      }>('/monitor/api');
      expect(monitored.map(({ roomId }) => roomId).sort()).toEqual(ids);
      expect(new Set(monitored.map(({ processId }) => processId)).size).toBe(2);
      expect(connections).toBe(rooms.length);
      const { roomsById } = await get<{ roomsById: Record<string, { clients: number }> }>(
        '/playground/rooms',
      );
      expect(Object.keys(roomsById).sort()).toEqual(ids);
      for (const roomId of ids) {
        // asked several times: whichever host answers, it reaches the room
        for (let i = 0; i < 3; i++) {
          const inspected = await get<{ roomId: string; clients: unknown[] }>(
            `/monitor/api/room?roomId=${roomId}`,
          );
          expect(inspected).toMatchObject({ roomId, clients: [expect.anything()] });
        }
        await service.moveAway(roomId);
      }
    }
    for (const page of ['/monitor', '/playground']) {
      const response = await fetch(`${service.url}${page}`);
      expect(response.status).toBe(200);
      expect(await response.text()).toContain('<html');
    }
    const [kicked, ...others] = rooms as [Room, ...Room[]];
    const code = new Promise((resolve) => kicked.onLeave(resolve));
    const args = encodeURIComponent(JSON.stringify([kicked.sessionId, 4321]));
    await get(`/monitor/api/room/call?roomId=${kicked.roomId}&method=kickClient&args=${args}`);
    expect(await code).toBe(4321);
    await Promise.all(others.map((room) => room.leave()));
  });
});
