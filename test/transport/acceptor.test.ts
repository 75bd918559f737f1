// Connections that are accepted past Node: upgrades are taken, and everything else finds Node's HTTP server as it was.
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { libc } from '../../server/src/handoff/index.ts';
import { type AcceptedUpgrade, Acceptor } from '../../server/src/transport/acceptor.ts';

const UPGRADE =
  'GET /room?a=1 HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const GET = 'GET /plain HTTP/1.1\r\nHost: here\r\n\r\n';

let server: http.Server;
let taken: AcceptedUpgrade[];
/** Upgrades that came through Node. */
let upgraded: http.IncomingMessage[];
const clients: net.Socket[] = [];
const changed = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(async () => {
  taken = [];
  upgraded = [];
  server = http.createServer(
    { headersTimeout: 200, connectionsCheckingInterval: 50 },
    (request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        const { method, url, socket } = request;
        response.end(JSON.stringify({ method, url, body, from: socket.remoteAddress }));
      });
    },
  );
  server.on('upgrade', (request, socket) => {
    upgraded.push(request);
    socket.destroy();
  });
  await listen('127.0.0.1');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const { fd } of taken) libc.close(fd);
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
});

async function listen(host: string): Promise<void> {
  server.listen(0, host);
  await once(server, 'listening');
  Acceptor.accept(server, (upgrade) => taken.push(upgrade));
}

/** A connection that keeps what it reads. */
async function client(...packets: string[]) {
  const { port, address } = server.address() as AddressInfo;
  const socket = net.connect({ port, host: address, noDelay: true });
  clients.push(socket);
  socket.on('error', () => {});
  let text = '';
  socket.setEncoding('latin1').on('data', (more) => (text += more));
  await once(socket, 'connect');
  for (const packet of packets) await new Promise((resolve) => socket.write(packet, 'latin1', resolve));
  const until = async (found: string | RegExp) => {
    while (!(typeof found === 'string' ? text.includes(found) : found.test(text))) await changed();
    return text;
  };
  return { socket, until };
}

const take = async (count: number) => {
  while (taken.length < count) await changed();
  return taken[count - 1]!;
};

test('an upgrade is taken with its descriptor, head, address and what came behind it', async () => {
  const { socket } = await client(`${UPGRADE}\x82\x80abcd`);
  const { fd, remoteAddress, head, rest } = await take(1);
  expect(head.url).toBe('/room?a=1');
  expect(head.rawHeaders.slice(0, 2)).toEqual(['Host', 'here']);
  expect(Buffer.from(rest).toString('latin1')).toBe('\x82\x80abcd');
  expect(remoteAddress).toBe('127.0.0.1');
  libc.send(fd, Buffer.from('hello'));
  expect((await once(socket, 'data'))[0]).toBe('hello');
  expect(upgraded).toEqual([]);
});

test('nothing of its descriptor is left to Node', async () => {
  const { socket } = await client(UPGRADE);
  const { fd } = await take(1);
  taken.length = 0;
  libc.close(fd);
  await once(socket, 'close');
});

test.each([
  ['::1', '::1'],
  ['::', '::ffff:127.0.0.1'],
])('addresses are spelled as Node does: on %s', async (host, expected) => {
  await new Promise((resolve) => server.close(resolve));
  await listen(host);
  const { port } = server.address() as AddressInfo;
  const to = host === '::' ? '127.0.0.1' : host;
  for (const bytes of [UPGRADE, GET]) {
    const socket = net.connect(port, to);
    clients.push(socket);
    socket.write(bytes);
    if (bytes === GET) expect(String((await once(socket, 'data'))[0])).toContain(`"from":"${expected}"`);
  }
  expect((await take(1)).remoteAddress).toBe(expected);
});

test('plain requests are answered by Node: kept alive, pipelined, with a body, in pieces', async () => {
  const kept = await client(GET);
  await kept.until('"/plain"');
  kept.socket.write(GET + GET.replace('plain', 'more'));
  await kept.until('"/more"');
  const post = await client('POST /sum HTTP/1.1\r\nHost: here\r\nContent-Le', 'ngth: 5\r\n\r\nhe', 'llo');
  expect(await post.until('hello')).toContain('"method":"POST"');
  expect(taken).toEqual([]);
});

test('an upgrade that comes in two packets, or behind a request, comes through Node', async () => {
  for (const at of [1, 20, UPGRADE.length - 1]) {
    const { port } = server.address() as AddressInfo;
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    clients.push(socket);
    socket.write(UPGRADE.slice(0, at));
    while ((await count()) === 0) await changed();
    socket.write(UPGRADE.slice(at));
    await once(socket, 'close');
  }
  const behind = await client(GET);
  await behind.until('"/plain"');
  behind.socket.write(UPGRADE);
  await once(behind.socket, 'close');
  expect(upgraded).toHaveLength(4);
  expect(taken).toEqual([]);
});

/** Connections that Node has. */
const count = () =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, n) => (error ? reject(error) : resolve(n))),
  );

test('what is no HTTP is refused by Node, and so is a connection that says nothing', async () => {
  expect(await (await client('\x16\x03\x01\x02\x00\x01')).until('\r\n\r\n')).toContain('400 Bad Request');
  const silent = await client();
  const slow = await client('GET / HT');
  expect(await silent.until('\r\n\r\n')).toContain('408 Request Timeout');
  expect(await slow.until('\r\n\r\n')).toContain('408 Request Timeout');
});

test('a client that says all it has to say, and closes its side, is answered', async () => {
  const { socket, until } = await client();
  socket.end(GET);
  await until('"/plain"');
  const nothing = await client();
  nothing.socket.end();
  await once(nothing.socket, 'close');
});

test('clients that go away without a word leave nothing open', async () => {
  const open = () => fs.readdirSync('/proc/self/fd').length;
  const before = open();
  for (let round = 0; round < 20; round++) {
    const { socket } = await client();
    socket.resetAndDestroy();
  }
  while (open() > before || (await count()) > 0) await changed();
});

test.each([
  ['connections', () => server.on('connection', () => {})],
  ['upgrades', () => server.on('upgrade', () => {})],
])('an app that listens to %s sees them', async (_, listenToo) => {
  listenToo();
  const { socket } = await client(UPGRADE);
  await once(socket, 'close');
  expect(upgraded).toHaveLength(1);
  expect(taken).toEqual([]);
});

test('a limit of connections holds', async () => {
  server.maxConnections = 1;
  const first = await client(GET);
  await first.until('"/plain"');
  const second = await client(GET);
  await once(second.socket, 'close');
  first.socket.destroy();
});

test('the server is listening until it is closed; then connections are refused, and silent ones are still answered', async () => {
  const { port } = server.address() as AddressInfo;
  expect(server.listening).toBe(true);
  const silent = await client();
  while ((await client(GET).then(({ until }) => until('"/plain"'))) === '') await changed(); // accepted behind it
  const closed = new Promise((resolve) => server.close(resolve));
  expect(server.listening).toBe(false);
  expect(server.address()).toBeNull();
  await expect(once(net.connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
  silent.socket.write(GET);
  await silent.until('"/plain"');
  for (const one of clients) one.destroy();
  await closed;
});

test('two of them share a listening socket, and each connection is accepted once', async () => {
  const other = http.createServer((_, response) => response.end('other'));
  const others: AcceptedUpgrade[] = [];
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  other.on('upgrade', () => {});
  other.listen({ fd: libc.dup(fd) });
  await once(other, 'listening');
  Acceptor.accept(other, (upgrade) => others.push(upgrade));
  await Promise.all(Array.from({ length: 50 }, () => client(UPGRADE)));
  while (taken.length + others.length < 50) await changed();
  expect(taken.length + others.length).toBe(50);
  taken.push(...others);
  await new Promise((resolve) => other.close(resolve));
  await client(UPGRADE);
  await take(51);
});
