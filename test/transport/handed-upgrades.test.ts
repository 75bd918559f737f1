// An upgrade on its way to the host of its room. Two transports of one process stand for two hosts: the descriptor
// is duplicated and the record cloned, as between processes. There are no rooms, so whoever answers says that the
// seat expired: an error frame, then 4002.

import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import WebSocket from 'ws';
import { libc } from '../../server/src/handoff/index.ts';
import {
  BatonTransport,
  type BatonTransportOptions,
  type PendingUpgrade,
  type UpgradeRecord,
} from '../../server/src/transport/index.ts';

const transports: BatonTransport[] = [];
afterEach(() => {
  for (const transport of transports.splice(0)) transport.shutdown();
});

async function listening(
  options: BatonTransportOptions = {},
): Promise<{ transport: BatonTransport; port: number }> {
  const transport = new BatonTransport({ pingInterval: 0, ...options });
  transports.push(transport);
  await new Promise<void>((resolve, reject) => {
    transport.listen(0, '127.0.0.1', undefined, (error) => (error ? reject(error) : resolve()));
  });
  return { transport, port: (transport.server!.address() as net.AddressInfo).port };
}

function other(options: BatonTransportOptions = {}): BatonTransport {
  const transport = new BatonTransport({ noServer: true, pingInterval: 0, ...options });
  transports.push(transport);
  return transport;
}

/** As the handoff does it: a copy of the descriptor and of the record. */
function hand(
  upgrade: PendingUpgrade,
  to: BatonTransport,
  see?: (record: UpgradeRecord) => void,
): Promise<'handed'> {
  const { fd, record } = upgrade.detach();
  const copy = structuredClone(record);
  see?.(copy);
  to.acceptUpgrade(libc.dup(fd), copy);
  upgrade.done();
  return Promise.resolve('handed');
}

const SEAT_EXPIRED = [11, 4002];

/** First byte of the first frame, and the close code. */
async function outcome(port: number, path = '/process/room?sessionId=abc'): Promise<unknown[]> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, ['one', 'two']);
  const frames: number[] = [];
  ws.on('message', (data: Buffer) => frames.push(data[0]!));
  const [code] = await once(ws, 'close');
  return [...frames, code];
}

async function refused(port: number): Promise<number> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/process/room?sessionId=abc`);
  ws.on('error', () => {});
  const [, response] = await once(ws, 'unexpected-response');
  ws.terminate();
  return response.statusCode;
}

test('is answered here when the room is here, and the room id is that of the path', async () => {
  const { transport, port } = await listening();
  const seen: unknown[] = [];
  transport.route = (roomId, upgrade) => {
    seen.push([roomId, upgrade.roomId, upgrade.url, upgrade.hops]);
    return 'local';
  };
  expect(await outcome(port, '/stale-process/a-room?sessionId=abc')).toEqual(SEAT_EXPIRED);
  expect(seen).toEqual([['a-room', 'a-room', '/stale-process/a-room?sessionId=abc', 0]]);
});

test('is answered by the host it was handed to, which asks its own route', async () => {
  const { transport, port } = await listening();
  const second = other();
  const third = other();
  const hops: number[] = [];
  transport.route = (_, upgrade) => hand(upgrade, second);
  second.route = (_, upgrade) => {
    hops.push(upgrade.hops);
    return hand(upgrade, third);
  };
  third.route = (_, upgrade) => {
    hops.push(upgrade.hops);
    return 'local';
  };
  expect(await outcome(port)).toEqual(SEAT_EXPIRED);
  expect(hops).toEqual([1, 2]);
});

test('waits where it is until its room is found', async () => {
  const { transport, port } = await listening();
  transport.route = () => new Promise((resolve) => setTimeout(resolve, 30, 'local'));
  expect(await outcome(port)).toEqual(SEAT_EXPIRED);
});

test('can be taken back and answered here', async () => {
  const { transport, port } = await listening();
  transport.route = async (_, upgrade) => {
    upgrade.detach();
    await new Promise((resolve) => setImmediate(resolve));
    upgrade.undo();
    return 'local' as const;
  };
  expect(await outcome(port)).toEqual(SEAT_EXPIRED);
});

test('carries the bytes that came behind the request', async () => {
  const { transport, port } = await listening();
  const second = other();
  let record: UpgradeRecord | undefined;
  transport.route = (_, upgrade) => hand(upgrade, second, (copy) => (record = copy));
  const socket = net.connect(port, '127.0.0.1');
  const request = [
    'GET /p/r?sessionId=s HTTP/1.1',
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    '',
    '',
  ].join('\r\n');
  const ping = Buffer.from([0x89, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
  socket.write(Buffer.concat([Buffer.from(request), ping]));
  let got = Buffer.alloc(0);
  for await (const chunk of socket) {
    got = Buffer.concat([got, chunk as Buffer]);
    if (got.includes(Buffer.from([0x8a, 0x02, 0x68, 0x69]))) break;
  }
  socket.destroy();
  expect([...record!.head]).toEqual([...ping]);
  expect(record).toMatchObject({ v: 1, method: 'GET', validated: true, remoteAddress: '127.0.0.1' });
});

describe('is checked once', () => {
  test('by the first host, for origin and beforeUpgrade', async () => {
    const asked = jest.fn(() => undefined);
    const { transport, port } = await listening({ beforeUpgrade: asked });
    const second = other({ beforeUpgrade: asked, allowedOrigins: [] });
    transport.route = (_, upgrade) => hand(upgrade, second);
    expect(await outcome(port)).toEqual(SEAT_EXPIRED);
    expect(asked).toHaveBeenCalledTimes(1);
  });
});

describe('is refused with', () => {
  test('what the host rejects it with', async () => {
    const { transport, port } = await listening();
    transport.route = async (_, upgrade) => {
      upgrade.reject(404, 'no such room');
      return 'handed' as const;
    };
    expect(await refused(port)).toBe(404);
  });
  test('503 when routing fails, at once or later', async () => {
    const { transport, port } = await listening();
    const logged = jest.spyOn(console, 'error').mockImplementation(() => {});
    transport.route = () => {
      throw new Error('at once');
    };
    expect(await refused(port)).toBe(503);
    transport.route = () => Promise.reject(new Error('later'));
    expect(await refused(port)).toBe(503);
    expect(logged.mock.calls.join()).toMatch(/at once.*later/s);
    logged.mockRestore();
  });
  test('503 when nobody answers in time; an answer after that changes nothing', async () => {
    const { transport, port } = await listening({ upgradeTimeout: 50 });
    let late: (answer: 'local') => void = () => {};
    transport.route = () => new Promise((resolve) => (late = resolve));
    expect(await refused(port)).toBe(503);
    late('local');
  });
});

test('answers once: what was answered cannot be handed over', async () => {
  const { transport, port } = await listening();
  let kept: PendingUpgrade | undefined;
  transport.route = (_, upgrade) => {
    kept = upgrade;
    return 'local';
  };
  await outcome(port);
  expect(() => kept!.detach()).toThrow(expect.objectContaining({ code: 'BATON_CONNECTION_GONE' }));
  kept!.done();
  kept!.reject(500, 'too late');
});

describe('listening', () => {
  test('processes can share an inherited listening socket', async () => {
    const { transport, port } = await listening();
    const fd = (transport.server as any)._handle.fd as number;
    const sharing = await listening({ listenFd: libc.dup(fd) });
    expect(sharing.port).toBe(port);
    transport.server!.close();
    expect(await outcome(port)).toEqual(SEAT_EXPIRED);
  });
  test('on a taken port fails with its own error', async () => {
    const { port } = await listening();
    const transport = other();
    transport.attachToServer((await import('node:http')).createServer());
    const error = await new Promise<any>((resolve) =>
      transport.listen(port, '127.0.0.1', undefined, resolve as any),
    );
    expect(error).toMatchObject({ code: 'BATON_PORT_IN_USE' });
  });
  test('on a server that somebody else made, for the upgrades that are ours', async () => {
    const http = (await import('node:http')).createServer();
    const transport = other();
    transport.attachToServer(http, { filter: (request) => !request.url!.startsWith('/theirs') });
    http.on('upgrade', (request, socket) => {
      if (request.url!.startsWith('/theirs')) socket.end('HTTP/1.1 418 Teapot\r\n\r\n');
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const { port } = http.address() as net.AddressInfo;
    expect(await outcome(port)).toEqual(SEAT_EXPIRED);
    const ws = new WebSocket(`ws://127.0.0.1:${port}/theirs`);
    ws.on('error', () => {});
    const [, response] = await once(ws, 'unexpected-response');
    expect(response.statusCode).toBe(418);
    ws.terminate();
    http.close();
  });
});

test('options are checked', () => {
  const invalid = expect.objectContaining({ code: 'BATON_INVALID_OPTION' });
  expect(() => new BatonTransport({ maxPayload: -1 })).toThrow(invalid);
  expect(() => new BatonTransport({ pingInterval: Number.NaN })).toThrow(invalid);
  expect(() => new BatonTransport({ slowReader: 'wait' as never })).toThrow(invalid);
});
