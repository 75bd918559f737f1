// Sockets opened by an upgrade, by clients that know nothing of Colyseus.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import { Plain } from './plain.ts';
import { World } from './support.ts';

let world: World;
const opened: Plain[] = [];
const open = async (mapping: string, token: string, answer: unknown = {}, protocols = ['baton.v1']) => {
  const socket = new Plain(world.service.url, mapping, { token, options: { answer }, protocols });
  opened.push(socket);
  await socket.opened;
  return socket;
};

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

beforeAll(async () => {
  world = await World.start({ hosts: 2 });
}, 60_000);

afterAll(async () => {
  for (const socket of opened) socket.close();
  await world?.stop();
});

describe('a plain socket', () => {
  test('is open in one round trip, and its function is told who opens it', async () => {
    const socket = await open('script', 'ann', { send: { hello: 'ann' } });
    expect(socket.protocol).toBe('baton.v1');
    expect(await socket.event('open')).toMatchObject({ playerId: 'ann', socketId: expect.any(String) });
    expect(await socket.text()).toBe('{"hello":"ann"}');
    const [call] = await world.functions.have('open', 'ann');
    expect(call!.headers['ce-subject']).toBe((await socket.event('open')).socketId);
    expect(JSON.parse(call!.body)).toEqual({ answer: { send: { hello: 'ann' } } });
  });

  test('is where its connection comes from, whatever its headers say', async () => {
    const headers = { 'X-Real-IP': '192.0.2.1' };
    const socket = new Plain(world.service.url, 'script', {
      token: 'liar',
      headers,
      protocols: ['baton.v1'],
    });
    opened.push(socket);
    await socket.event('open');
    const [call] = await world.functions.have('open', 'liar'); // tells of it by a way of its own
    expect(call!.headers['ce-remoteaddress']).toBe('127.0.0.1');
  });

  test('takes its token as sub-protocol, header or query', async () => {
    for (const how of ['protocol', 'header', 'query'] as const) {
      const socket = new Plain(world.service.url, 'script', {
        token: `by-${how}`,
        how,
        protocols: ['baton.v1'],
      });
      opened.push(socket);
      expect((await socket.event('open')).playerId).toBe(`by-${how}`);
    }
  });

  test('hears data alone when it asks for no events', async () => {
    const mute = await open('script', 'mute', { send: 'one' }, []);
    expect(mute.protocol).toBe('');
    const raw = await open('script', 'raw', { send: '\u0001two' }, ['baton.raw.v1']);
    expect(raw.protocol).toBe('baton.raw.v1');
    expect([await mute.text(), await raw.text()]).toEqual(['one', '\u0001two']);
  });

  test.each([
    ['an unknown mapping', 'nowhere', 'x', 4017, 'BATON_MAPPING_NOT_FOUND'],
    ['no token', 'script', '', 4017, 'BATON_TOKEN_INVALID'],
    ['a function that is down', 'down', 'x', 4015, 'BATON_CALL_FAILED'],
    ['options that go down too far', 'script', 'x', 4017, 'BATON_INVALID_REQUEST', nested(2_000)],
  ])('%s: closed with the code of what is wrong', async (_, mapping, token, code, reason, options = {}) => {
    const socket = await open(mapping, token, options);
    expect(await socket.event('error')).toMatchObject({ code: reason });
    expect(await socket.closed).toEqual({ code, reason });
  });

  test('is turned away with the words of its function', async () => {
    const socket = await open('script', 'bad', { reject: { code: 4003, reason: 'banned' } });
    expect(await socket.closed).toEqual({ code: 4003, reason: 'banned' });
  });

  test('that was turned away is no client of its host', async () => {
    const away = Array.from({ length: 4 }, (_, n) =>
      open('script', `away-${n}`, { reject: { code: 4003, reason: 'no' } }),
    );
    for (const socket of await Promise.all(away)) expect((await socket.closed).code).toBe(4003);
    const there = await open('script', 'there');
    await there.event('open');
    const clients = async () => (await world.service.hosts()).reduce((sum, host) => sum + host.clients, 0);
    await until(
      async () => (await clients()) === opened.filter(({ isOpen }) => isOpen).length,
      'the count is right',
    );
  });

  test('a path that names no mapping is no WebSocket', async () => {
    const socket = new Plain(world.service.url, '1bad', { token: 'x', protocols: [] });
    await expect(socket.opened).rejects.toThrow();
  });

  test('whose client goes before it is there leaves nothing behind', async () => {
    const { hostname, port } = new URL(world.service.url);
    const before = (await world.service.rooms()).length;
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(port), hostname);
      await once(socket, 'connect');
      socket.write(
        `GET /v1/socket/script?token=gone HTTP/1.1\r\nHost: ${hostname}\r\nUpgrade: websocket\r\n` +
          'Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
      socket.destroySoon();
      await once(socket, 'close');
    }
    await until(async () => (await world.service.rooms()).length <= before, 'their rooms to be gone');
  });

  test('whose client is silent for too long is closed, and no other', async () => {
    const silent = await open('silent', 'silent');
    const talker = await open('silent', 'talker');
    const talking = setInterval(() => talker.send('x'), 200);
    expect(await silent.closed).toEqual({ code: 4021, reason: 'BATON_SOCKET_IDLE' });
    const [call] = await world.functions.have('close', (await silent.event('open')).socketId);
    expect(JSON.parse(call!.body)).toEqual({ reason: 'idle' });
    expect(talker.isOpen).toBe(true);
    clearInterval(talking);
    expect((await talker.closed).code).toBe(4021);
  });

  test('is closed for its function once, with the reason', async () => {
    for (const [end, reason] of [
      [(socket: Plain) => socket.close(), 'left'],
      [(socket: Plain) => socket.close(1000), 'left'],
      [(socket: Plain) => socket.close(4999), 'left'],
      [(socket: Plain) => socket.terminate(), 'lost'],
      [(socket: Plain) => socket.send('x'.repeat(5_000)), 'error'],
    ] as const) {
      const socket = await open('script', 'brief');
      const { socketId } = await socket.event('open');
      end(socket);
      await socket.closed;
      const calls = await world.functions.have('close', socketId);
      expect(calls.map(({ body }) => JSON.parse(body))).toEqual([{ reason }]);
    }
  });
});

describe('linked', () => {
  test('plain ones: text stays text, bytes stay bytes, in order, also what was sent at once', async () => {
    const one = await open('script', 'p1');
    const { socketId } = await one.event('open');
    const two = new Plain(world.service.url, 'script', {
      token: 'p2',
      options: { answer: { peer: socketId } },
      protocols: ['baton.v1'],
    });
    opened.push(two);
    await two.opened;
    // before its function has answered, and before the two are on one host
    for (let i = 0; i < 50; i++) two.send(i % 2 ? Buffer.of(i, 0x01) : `\u0001${i}`);
    expect((await one.event('linked')).peers).toEqual([(await two.event('open')).socketId]);
    const heard = await one.data(50);
    expect(heard).toEqual(Array.from({ length: 50 }, (_, i) => (i % 2 ? Buffer.of(i, 0x01) : `\u0001${i}`)));
    one.send('back');
    expect(await two.text()).toBe('back');
    two.close();
    expect(await one.event('peer-left')).toMatchObject({ peer: (await two.event('open')).socketId });
  });

  test('a plain one and a Colyseus client understand each other', async () => {
    const player = await world.open('script', 'col');
    const plain = await open('script', 'pla', { peer: player.id });
    await player.have('linked');
    await plain.event('linked');
    plain.send('text');
    plain.send(Buffer.of(1, 2, 3));
    expect(await player.have('data', 2)).toEqual(['text', Uint8Array.of(1, 2, 3)]);
    player.send('hello');
    player.room.sendBytes('data', Uint8Array.of(9, 8));
    player.send({ x: 1 });
    player.send('lost', 'shout');
    expect(await plain.data(3)).toEqual(['hello', Buffer.of(9, 8), '{"x":1}']);
    expect(await player.failed()).toBe('BATON_MESSAGE_UNTRANSLATABLE');
    // no msgpack, and a number that JSON has not
    for (const [i, bytes] of ['d9', 'd37fffffffffffffff'].entries()) {
      player.room.connection.send(Buffer.from(`0da464617461${bytes}`, 'hex'));
      expect(await player.failed(i + 2)).toBe('BATON_MESSAGE_UNTRANSLATABLE');
    }
    player.send('after');
    expect(await plain.text()).toBe('after');
  });

  test('what is said to the service, and not understood, is answered', async () => {
    const socket = await open('script', 'odd');
    socket.sendAsItIs('\u0001{"what":1}');
    expect(await socket.event('error')).toMatchObject({ code: 'BATON_MESSAGE_UNKNOWN' });
  });

  test('they move while they talk: nothing is lost, doubled or reordered', async () => {
    const one = await open('script', 'm1');
    const { socketId } = await one.event('open');
    const two = await open('script', 'm2', { peer: socketId }, ['baton.v1']);
    await Promise.all([one.event('linked'), two.event('linked')]);
    let sent = 0;
    const talk = setInterval(() => {
      one.send(String(++sent));
      two.send(Buffer.from(String(sent)));
    }, 1);
    for (let i = 0; i < 6; i++) {
      const host = (await world.service.room(socketId))!.host;
      const other = (await world.service.hosts()).find((h) => h.id !== host)!.id;
      await world.service.migrate(socketId, other).catch(() => {});
    }
    clearInterval(talk);
    const numbers = Array.from({ length: sent }, (_, i) => String(i + 1));
    expect(await two.data(sent)).toEqual(numbers);
    expect((await one.data(sent)).map(String)).toEqual(numbers);
    expect((await world.service.room(socketId))!.moves).toBeGreaterThan(2);
  });
});

test('a peer that does not read slows its sender down; all of it arrives', async () => {
  const reader = await open('script', 'slow-reader');
  const { socketId } = await reader.event('open');
  const writer = await open('quickly', 'writer', { peer: socketId });
  await Promise.all([reader.event('linked'), writer.event('linked')]);
  reader.pause();
  const chunk = Buffer.alloc(4_000, 7);
  const count = 20_000; // 80 MB: more than both kernels hold for one connection
  for (let i = 0; i < count; i++) writer.send(chunk);
  await until(() => writer.buffered > 0 && writer.settled(), 'the writer to be held back');
  expect(writer.buffered).toBeGreaterThan(5_000_000);
  reader.resume();
  const heard = await reader.data(count);
  expect(heard.every((data) => Buffer.isBuffer(data) && data.length === chunk.length)).toBe(true);
  expect(writer.buffered).toBe(0);
});

test('where the mapping says so what a slow peer cannot take is left out, and nobody waits for it', async () => {
  const reader = await open('volatile', 'behind');
  const { socketId } = await reader.event('open');
  const writer = await open('volatile', 'ahead', { peer: socketId });
  await Promise.all([reader.event('linked'), writer.event('linked')]);
  reader.pause();
  const count = 8_000; // 32 MB: more than the kernel holds for the reader
  for (let i = 0; i < count; i++) {
    const chunk = Buffer.alloc(4_000, 7);
    chunk.writeUInt32BE(i);
    writer.send(chunk);
  }
  await until(() => writer.buffered === 0, 'all to be read');
  reader.resume();
  const numbers: number[] = [];
  for (;;) {
    writer.send('now'); // until one is not left out
    const data = await reader.text();
    if (data === 'now') break;
    expect(data).toHaveLength(4_000);
    numbers.push((data as Buffer).readUInt32BE());
  }
  expect(numbers.length).toBeGreaterThan(0);
  expect(numbers.length).toBeLessThan(count);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  expect([reader.isOpen, writer.isOpen]).toEqual([true, true]);
});
