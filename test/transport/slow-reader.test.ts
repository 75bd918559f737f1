// A client that stops reading costs a bounded amount of memory, and then its place.

import { once } from 'node:events';
import { Client, Protocol } from '@colyseus/sdk';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { type Server, start } from './fixtures/server.ts';

const LIMIT = 1_000_000;
let server: Server;
beforeAll(async () => {
  server = await start({ options: { maxBufferedOutput: LIMIT, pingInterval: 0 } });
});
afterAll(() => server.stop());

test('dropped with 1013, its queue at the limit; the room goes on', async () => {
  const { roomId, processId, sessionId } = (await (
    await fetch(`${server.url}/matchmake/joinOrCreate/test`, { method: 'POST', body: '{}' })
  ).json()) as Record<string, string>;
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}/${processId}/${roomId}?sessionId=${sessionId}`);
  await once(ws, 'message');
  ws.send(Buffer.from([Protocol.JOIN_ROOM]));
  ws.pause();
  while ((await server.call('room')).joined === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const before = await server.call('memory');
  let state: { buffered: number; readyState: number };
  let most = 0;
  do {
    state = await server.call('flood', 50, 10_000);
    most = Math.max(most, state.buffered);
  } while (state.readyState === 1);
  expect(most).toBeLessThanOrEqual(LIMIT + 10_100);
  expect((await server.call('memory')) - before).toBeLessThan(30_000_000);
  const closed = once(ws, 'close');
  ws.resume();
  expect((await closed)[0]).toBe(1013);
  const other = await new Client(server.url).joinOrCreate('test');
  await other.leave();
});
