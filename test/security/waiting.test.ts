// Upgrades that have to wait for their room: how many, and what they cost while they do.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import {
  handoffFailed,
  handoffPeerGone,
  handoffTimeout,
  invalidRequest,
  storeUnavailable,
} from '../../server/src/errors.ts';
import { noPeers } from '../../server/src/handoff/peers.ts';
import { Routing } from '../../server/src/host/routing.ts';
import { BatonTransport } from '../../server/src/transport/index.ts';
import { until } from '../support/service.ts';
import { connect, exchange, upgradeRequest } from './attack.ts';

let transport: BatonTransport | undefined;
const sockets: ReturnType<typeof connect>[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  const { server } = transport!;
  await new Promise((resolve) => server!.close(resolve));
  transport!.shutdown();
});

async function listen(owner: () => Promise<{ host: string } | undefined>, call?: () => Promise<never>) {
  const lines: string[] = [];
  transport = new BatonTransport();
  new Routing({
    host: 'h1',
    migrator: {
      whereabouts: () => ({ at: 'elsewhere' }),
      hosts: async () => (call ? [{ id: 'h2', handoffPath: '/h2' }] : []),
      arrival: () => undefined,
    },
    store: { owner },
    handoff: call ? { handle: () => {}, call } : noPeers('/', 'the test has none'),
    transport,
    maxWaiting: 200,
    log: { warn: (_: object, line: string) => lines.push(line) },
  } as never);
  const { server } = transport;
  await new Promise<void>((resolve) => transport!.listen(0, '127.0.0.1', 511, () => resolve()));
  return { port: (server!.address() as AddressInfo).port, lines };
}

test('while the store is away, upgrades wait without filling the log, and not more than so many', async () => {
  let asked = 0;
  let away = true;
  const { port, lines } = await listen(async () => {
    asked++;
    if (!away) return undefined;
    throw storeUnavailable({ url: 'test', reason: 'away' });
  });
  let refused = 0;
  const began = Date.now();
  for (let i = 0; i < 250; i++) {
    const socket = connect(port);
    sockets.push(socket);
    socket.once('data', (answer) => {
      if (answer.includes('too many wait')) refused++;
    });
    socket.write(upgradeRequest(`/p/room${i}?sessionId=x`));
  }
  await until(() => refused >= 50, 'those that are too many are refused', 15_000);
  expect(refused).toBe(50);
  await until(() => asked > 1_000, 'they ask again', 15_000);
  expect(lines.length).toBeLessThanOrEqual(2 + (Date.now() - began) / 1_000);
  away = false;
  await until(() => sockets.every((socket) => socket.bytesRead > 0), 'all are answered', 15_000);
});

test.each([
  ['its process has no descriptor left', () => new Error('connect: EMFILE')],
  ['its handler failed', () => handoffFailed({ method: 'upgrade', reason: 'another version' })],
  ['it never got it', () => handoffPeerGone({ peer: '/h2', delivered: false })],
])('an upgrade that the room’s host did not take is tried again: %s', async (_, failure) => {
  let calls = 0;
  const { port } = await listen(
    async () => (calls < 3 ? { host: 'h2' } : undefined),
    async () => {
      calls++;
      throw failure();
    },
  );
  const answer = await exchange(port, upgradeRequest('/p/room?sessionId=x'), 'expired', 5_000);
  expect(answer).toContain('seat reservation expired.');
  expect(calls).toBe(3);
});

test('one that it may have taken is not answered a second time', async () => {
  const { port } = await listen(
    async () => ({ host: 'h2' }),
    async () => {
      throw handoffTimeout({ peer: '/h2', method: 'upgrade', ms: 1, delivered: true });
    },
  );
  const socket = connect(port);
  sockets.push(socket);
  socket.write(upgradeRequest('/p/room?sessionId=x'));
  await once(socket, 'close');
  expect(socket.bytesRead).toBe(0);
});

test('a room id the store refuses is one of no room, and not asked for again and again', async () => {
  let asked = 0;
  const { port } = await listen(async () => {
    asked++;
    throw invalidRequest({ reason: 'too long' });
  });
  const long = await exchange(port, upgradeRequest(`/p/${'a'.repeat(10_000)}?sessionId=x`), 'expired', 2_000);
  expect(long).toContain('seat reservation expired.');
  expect(asked).toBe(1);
});
