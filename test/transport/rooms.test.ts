// The unmodified Colyseus SDK in rooms of a stock Colyseus server on this transport.

import { once } from 'node:events';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { type Server, start } from './fixtures/server.ts';

let server: Server;
beforeAll(async () => {
  server = await start();
});
afterAll(() => server.stop());

const rooms: Room[] = [];
async function join(): Promise<Room> {
  const room = await new Client(server.url).joinOrCreate('test');
  room.reconnection.minUptime = 0;
  rooms.push(room);
  // Joined for the server only when it has the client's confirmation, which is in front of this message.
  const echoed = message(room, 'echo');
  room.send('echo', 'joined');
  await echoed;
  return room;
}
afterEach(async () => {
  await Promise.all(rooms.splice(0).map((room) => (room.connection.isOpen ? room.leave() : undefined)));
  await until(async () => (await server.call('room')).clients === 0);
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const message = (room: Room, type: string): Promise<any> =>
  new Promise((resolve) => {
    const off = room.onMessage(type, (payload: unknown) => {
      off();
      resolve(payload);
    });
  });

test('join, messages, state, leave', async () => {
  const room = await join();
  const echoed = message(room, 'echo');
  room.send('echo', { a: [1, 'two', null] });
  expect(await echoed).toEqual({ a: [1, 'two', null] });
  const bytes = message(room, 'bytes');
  room.sendBytes('bytes', Uint8Array.from([1, 2, 3]));
  expect([...(await bytes)]).toEqual([1, 2, 3]);
  const changed = new Promise<any>((resolve) =>
    room.onStateChange((state: any) => state.text === 'hi' && resolve(state.toJSON())),
  );
  await server.call('setText', 'hi');
  expect(await changed).toMatchObject({ text: 'hi' });
  const left = new Promise<number>((resolve) => room.onLeave(resolve));
  await room.leave();
  expect(await left).toBe(4000);
  expect(await server.call('room')).toMatchObject({ clients: 0 });
});

test('a hundred clients see every patch', async () => {
  const joined = await Promise.all(Array.from({ length: 100 }, join));
  const seen = joined.map(
    (room) =>
      new Promise<void>((resolve) => room.onStateChange((state: any) => state.count === 777 && resolve())),
  );
  await server.call('setCount', 777);
  await Promise.all(seen);
});

test('the server closes a client with a code', async () => {
  const room = await join();
  const left = new Promise<number>((resolve) => room.onLeave(resolve));
  await server.call('kick', 4321);
  expect(await left).toBe(4321);
});

test('a client whose connection breaks comes back to its seat', async () => {
  const room = await join();
  const { sessionId } = room;
  const events: string[] = [];
  room.onDrop(() => events.push('drop'));
  room.onLeave(() => events.push('leave'));
  const back = new Promise<void>((resolve) => room.onReconnect(() => resolve()));
  await server.call('drop');
  await back;
  expect(room.sessionId).toBe(sessionId);
  const echoed = message(room, 'echo');
  room.send('echo', 'again');
  expect(await echoed).toBe('again');
  expect(events).toEqual(['drop']);
});

test('a stale token is refused with an error, then a close code', async () => {
  const room = await join();
  const { roomId } = room;
  const ws = new WebSocket(
    `ws://127.0.0.1:${server.port}/stale/${roomId}?sessionId=nobody&reconnectionToken=none`,
  );
  const frames: number[] = [];
  ws.on('message', (data: Buffer) => frames.push(data[0]!));
  const [code] = (await once(ws, 'close')) as [number];
  expect(frames).toEqual([11]);
  expect(code).toBe(4003);
});

test('no room and no session is the ping utility', async () => {
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}/`);
  await once(ws, 'open');
  ws.send(Buffer.from([18]));
  const [data] = (await once(ws, 'message')) as [Buffer];
  expect([...data]).toEqual([18]);
  const [code] = (await once(ws, 'close')) as [number];
  expect(code).toBe(1000);
});

test('latency of the SDK is measured over it', async () => {
  const latency = await new Client(server.url).getLatency();
  expect(latency).toBeGreaterThanOrEqual(0);
});

test('a client that answers no ping is dropped', async () => {
  const beating = await start({ options: { pingInterval: 100, pingMaxRetries: 2 } });
  try {
    const url = `ws://127.0.0.1:${beating.port}/`;
    const deaf = new WebSocket(url, { autoPong: false });
    const polite = new WebSocket(url);
    const codes = await Promise.all(
      [deaf, polite].map((ws) => once(ws, 'close').then(([code]) => code as number)),
    );
    expect(codes).toEqual([1006, 1000]);
  } finally {
    await beating.stop();
  }
});

describe('while its connection moves', () => {
  test('a client notices nothing, and every message arrives once and in order', async () => {
    const [a, b] = await Promise.all([join(), join()]);
    const events: string[] = [];
    const got: number[] = [];
    for (const room of [a, b]) {
      for (const event of ['onDrop', 'onLeave', 'onReconnect', 'onError'] as const) {
        room[event](() => void events.push(event));
      }
    }
    b.onMessage('relay', (n: number) => got.push(n));
    for (let i = 0; i < 300; i++) {
      a.send('relay', i);
      if (i % 7 === 0) a.send('move');
      if (i % 11 === 0) await server.call(i % 2 ? 'moveAll' : 'bounceAll');
    }
    await until(() => got.length >= 300);
    expect(got).toEqual(Array.from({ length: 300 }, (_, i) => i));
    await server.call('setText', 'after');
    await until(() => (a.state as any).text === 'after' && (b.state as any).text === 'after');
    expect(events).toEqual([]);
  });
});

test('simulated latency delays what the server sends, and keeps its order', async () => {
  const room = await join();
  const got: number[] = [];
  room.onMessage('echo', (n: number) => got.push(n));
  await server.call('latency', 40);
  for (let i = 0; i < 10; i++) room.send('echo', i);
  await until(() => got.length === 10);
  await server.call('latency', 0);
  expect(got).toEqual(Array.from({ length: 10 }, (_, i) => i));
});
