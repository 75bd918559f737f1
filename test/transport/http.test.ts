// What arrives as HTTP: routes, upgrades behind other requests, and requests nobody should send.

import { once } from 'node:events';
import https from 'node:https';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { BatonTransport } from '../../server/src/transport/index.ts';
import { type Server, start } from './fixtures/server.ts';

let server: Server;
let guarded: Server;
let verified: Server;
beforeAll(async () => {
  [server, guarded, verified] = await Promise.all([
    start({ options: { maxHeaderSize: 8_192 } }),
    start({
      options: { allowedOrigins: ['https://game.example'] },
      use: ['beforeUpgrade', 'handleProtocols'],
    }),
    start({ use: ['verifyClient'] }),
  ]);
});
afterAll(() => Promise.all([server.stop(), guarded.stop(), verified.stop()]));

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const upgrade = (headers: Record<string, string | undefined> = {}, line = 'GET / HTTP/1.1'): string => {
  const all: Record<string, string | undefined> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return `${[line, ...lines].join('\r\n')}\r\n\r\n`;
};

/** Sends `bytes` and collects what comes until `enough`, or until the server ends. */
async function exchange(
  port: number,
  bytes: string | Buffer,
  enough = (_text: string) => false,
): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(bytes);
  let text = '';
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1');
    if (enough(text)) break;
  }
  socket.destroy();
  return text;
}

const status = (text: string): number => Number(text.split(' ')[1]);

describe('routes', () => {
  test('of the express app', async () => {
    const response = await fetch(`${server.url}/hello`);
    expect(await response.json()).toEqual({ hello: 'world' });
  });
  test('of Colyseus', async () => {
    expect((await fetch(`${server.url}/__healthcheck`)).status).toBe(200);
    const seat = await fetch(`${server.url}/matchmake/joinOrCreate/test`, { method: 'POST', body: '{}' });
    expect(await seat.json()).toMatchObject({ name: 'test' });
  });
  test('of the monitor and the playground', async () => {
    expect(await (await fetch(`${server.url}/monitor/`)).text()).toContain('<html');
    const api = await fetch(`${server.url}/monitor/api`);
    expect(await api.json()).toMatchObject({ rooms: expect.any(Array) });
    expect(await (await fetch(`${server.url}/playground/`)).text()).toContain('<html');
    expect(await (await fetch(`${server.url}/playground/rooms`)).json()).toHaveProperty('rooms');
  });
});

describe('upgrades', () => {
  test('RFC 6455 §1.3: the key is answered', async () => {
    const text = await exchange(server.port, upgrade(), (got) => got.includes('\r\n\r\n'));
    expect(text).toContain('HTTP/1.1 101 Switching Protocols');
    expect(text).toContain(`Sec-WebSocket-Accept: ${ACCEPT}`);
    expect(text.toLowerCase()).not.toContain('sec-websocket-extensions');
  });
  test('frames behind the request in the same packet are read', async () => {
    const frame = Buffer.from([0x82, 0x81, 1, 2, 3, 4, 18 ^ 1]);
    const bytes = Buffer.concat([Buffer.from(upgrade()), frame]);
    const text = await exchange(server.port, bytes, (got) => got.endsWith('\x82\x01\x12'));
    expect(text).toContain('101 Switching Protocols');
  });
  test('a connection that carried requests before is upgraded', async () => {
    const post =
      'POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n[1,2,3]';
    const socket = net.connect(server.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      socket.emit('grown');
    });
    const has = async (what: string): Promise<void> => {
      while (!text.includes(what)) await once(socket, 'grown');
    };
    for (let i = 0; i < 3; i++) {
      socket.write(post);
      await has('{"sum":6}');
      text = '';
    }
    socket.write(upgrade());
    await has('101 Switching Protocols');
    socket.write(Buffer.from([0x82, 0x80, 1, 2, 3, 4]));
    await has('\x82\x01\x12');
    socket.destroy();
  });
  test('an upgrade behind a request that is not answered ends the connection', async () => {
    const slow =
      'POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n[1,2,3]';
    const text = await exchange(server.port, slow + upgrade());
    expect(text).not.toContain('101');
  });
  test.each([
    ['another method', upgrade({}, 'POST / HTTP/1.1'), 405],
    ['HTTP/1.0', upgrade({}, 'GET / HTTP/1.0'), 400],
    ['no key', upgrade({ 'Sec-WebSocket-Key': undefined }), 400],
    ['a key that is too short', upgrade({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZQ==' }), 400],
    ['another version', upgrade({ 'Sec-WebSocket-Version': '8' }), 426],
    ['no version', upgrade({ 'Sec-WebSocket-Version': undefined }), 426],
    ['protocols that are no tokens', upgrade({ 'Sec-WebSocket-Protocol': 'a b' }), 400],
    ['a protocol twice', upgrade({ 'Sec-WebSocket-Protocol': 'a, a' }), 400],
  ])('%s is refused', async (_, request, expected) => {
    const text = await exchange(server.port, request);
    expect(status(text)).toBe(expected);
    if (expected === 426) expect(text).toContain('Sec-WebSocket-Version: 13');
    expect(text).toContain('Connection: close');
  });
  test('to something else is answered as a plain request', async () => {
    const text = await exchange(server.port, upgrade({ Upgrade: 'h2c' }, 'GET /hello HTTP/1.1'), (got) =>
      got.includes('world'),
    );
    expect(status(text)).toBe(200);
  });
  test('compression is never agreed on, and the first protocol by default', async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/`, ['chat', 'superchat'], {
      perMessageDeflate: true,
    });
    await once(ws, 'open');
    expect([ws.extensions, ws.protocol]).toEqual(['', 'chat']);
    ws.terminate();
  });
  test('an option picks the protocol', async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${guarded.port}/`, ['chat', 'superchat']);
    await once(ws, 'open');
    expect(ws.protocol).toBe('superchat');
    ws.terminate();
  });
});

describe('who may connect', () => {
  test('pages of an allowed origin, and what is no page', async () => {
    for (const Origin of ['https://game.example', undefined]) {
      const text = await exchange(guarded.port, upgrade({ Origin }), (got) => got.includes('\r\n\r\n'));
      expect(status(text)).toBe(101);
    }
    for (const Origin of ['https://evil.example', 'https://game.example.evil.example', 'null']) {
      expect(status(await exchange(guarded.port, upgrade({ Origin })))).toBe(403);
    }
  });
  test('beforeUpgrade answers instead, with its headers and body', async () => {
    const text = await exchange(guarded.port, upgrade({}, 'GET /?banned HTTP/1.1'));
    expect(status(text)).toBe(403);
    expect(text).toContain('x-reason: banned');
    expect(text).toContain('no entry for 127.0.0.1');
    expect(text.match(/set-cookie: .*/gi)).toEqual(['set-cookie: a=1', 'set-cookie: b=2']);
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(status(await exchange(guarded.port, upgrade(), (got) => got.includes('\r\n\r\n')))).toBe(101);
  });
});

describe('verifyClient, as in ws', () => {
  const from = (Origin: string) =>
    exchange(verified.port, upgrade({ Origin }), (got) => got.includes('\r\n\r\n'));
  test('lets pass', async () => expect(status(await from('https://game.example'))).toBe(101));
  test('refuses with 401', async () => expect(status(await from('https://evil.example'))).toBe(401));
  test('refuses with a status, a text and headers of its own', async () => {
    const text = await from('https://later.example');
    expect(status(text)).toBe(503);
    expect(text).toContain('Retry-After: 5');
    expect(text).toContain('come back');
  });
  test('that throws lets nobody pass', async () => expect(status(await from('throw'))).toBe(500));
});

test('a server with TLS is refused: its bytes are not those of the connection', async () => {
  const secure = https.createServer();
  const refused = expect.objectContaining({ code: 'BATON_INVALID_OPTION' });
  expect(() => new BatonTransport({ server: secure as never })).toThrow(refused);
  expect(() => new BatonTransport({ noServer: true }).attachToServer(secure as never)).toThrow(refused);
});

test('an idle connection stays for longer than its client is told, who may be slow', () => {
  const { keepAliveTimeout, keepAliveTimeoutBuffer } = new BatonTransport().server!;
  expect(keepAliveTimeoutBuffer).toBeGreaterThan(keepAliveTimeout);
});

test('where libc cannot be called, clients are heard all the same', async () => {
  const plain = await start({}, { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(MAC)}` });
  try {
    const ws = new WebSocket(`ws://127.0.0.1:${plain.port}/`);
    await once(ws, 'open');
    ws.send('ping');
    expect([...((await once(ws, 'message'))[0] as Buffer)]).toEqual([18]);
    ws.terminate();
  } finally {
    await plain.stop();
  }
});
const MAC = "Object.defineProperty(process, 'platform', { value: 'darwin' })";

describe('requests nobody should send', () => {
  test('oversized headers: 431', async () => {
    expect(status(await exchange(server.port, upgrade({ 'X-Long': 'x'.repeat(9_000) })))).toBe(431);
  });
  test.each([
    '\r\n\r\nnonsense\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/1.1\r\nHost x\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01',
  ])('malformed: %j is 400', async (bytes) => {
    expect(status(await exchange(server.port, bytes))).toBe(400);
  });
  test('and the server goes on', async () => {
    expect((await fetch(`${server.url}/hello`)).status).toBe(200);
  });
});

test.each([
  ['reserved bits', [0xf1, 0x80, 0, 0, 0, 0], 1002],
  ['no mask', [0x81, 0x01, 0x41], 1002],
  ['not UTF-8', [0x81, 0x81, 0, 0, 0, 0, 0xff], 1007],
  ['above maxPayload (4096)', [0x82, 0xfe, 0x10, 0x01, 0, 0, 0, 0], 1009],
])('a bad frame closes with the right code: %s', async (_, frame, code) => {
  const bytes = Buffer.concat([Buffer.from(upgrade()), Buffer.from(frame)]);
  const text = Buffer.from(await exchange(server.port, bytes), 'latin1');
  const close = text.subarray(text.indexOf('\r\n\r\n') + 4);
  expect(close[0]).toBe(0x88);
  expect(close.readUInt16BE(2)).toBe(code);
});
