// The client package against a real service: opening, linking, talking through moves, closing, and every error typed.
import { createServer } from 'node:net';
import { Baton, type BatonSocket, SocketError, type SocketEvents } from '@baton/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { z } from 'zod';
import { World } from '../sockets/support.ts';
import { until } from '../support/service.ts';
import { FakeSocket, openFake } from './fake-socket.ts';

let world: World;
let baton: Baton;
beforeAll(async () => {
  world = await World.start();
  baton = new Baton(world.service.url);
});
afterAll(() => world?.stop());

const next = <T>(socket: BatonSocket<any>, event: keyof SocketEvents) =>
  new Promise<T>((resolve) => {
    const off = socket.on(event, (first?: any) => {
      queueMicrotask(() => off());
      resolve(first);
    });
  });
const failure = (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => error,
  );

describe('open', () => {
  test('two players are linked, talk in bytes and values, and notice no move', async () => {
    const format = 'json';
    const one = await baton.open('duel', { token: 'ann', format });
    const two = await baton.open('duel', { token: async () => 'bob', attributes: { rank: 3 }, format });
    expect(await next(one, 'linked')).toEqual([two.id]);
    expect(await next(two, 'linked')).toEqual([one.id]);
    expect([one.peers, two.peers, two.playerId]).toEqual([[two.id], [one.id], 'bob']);
    const [call] = world.functions.of('open', 'bob');
    expect(JSON.parse(call!.body)).toEqual({ attributes: { rank: 3 } });

    const heard: unknown[] = [];
    let moves = 0;
    two.on('message', (data) => heard.push(data));
    one.on('migrated', (info) => {
      moves = info.moves;
    });
    one.peer.send('text');
    one.send(Uint8Array.of(1, 2, 3));
    one.send(Uint8Array.of(4, 5).buffer);
    one.send({ type: 'move', x: 1 });
    for (let i = 0; i < 3; i++) {
      await world.service.moveAway(one.id);
      one.send(i);
    }
    const answered = next(one, 'message');
    two.on('message', (data) => data === 2 && two.send('all here'));
    expect(await answered).toBe('all here');
    expect(heard).toEqual([
      'text',
      Uint8Array.of(1, 2, 3),
      Uint8Array.of(4, 5),
      { type: 'move', x: 1 },
      0,
      1,
      2,
    ]);
    expect(moves).toBeGreaterThanOrEqual(3);

    const left = next(two, 'peer-left');
    await one.close();
    await one.close();
    expect(await left).toBe(one.id);
    expect([one.closed, two.closed, two.peers]).toEqual([true, false, []]);
    expect(() => one.send('late')).toThrow(
      new SocketError('BATON_CLOSED', 'The socket is closed. Open another one.'),
    );
    await expect(one.request('late')).rejects.toMatchObject({ code: 'BATON_CLOSED' });
    await two.close();
    const [closing] = await world.functions.have('close', one.id);
    expect(JSON.parse(closing!.body)).toEqual({ reason: 'left' });
  });

  test('text that begins as what the service says arrives as it is', async () => {
    const one = await baton.open('duel', { token: 'odd-1' });
    const two = await baton.open('duel', { token: 'odd-2' });
    await next(two, 'linked');
    two.send('\u0001{"event":"error"}');
    expect(await next(one, 'message')).toBe('\u0001{"event":"error"}');
    expect(() => one.send(5 as never)).toThrow(expect.objectContaining({ code: 'BATON_MESSAGE_INVALID' }));
    await Promise.all([one.close(), two.close()]);
  });

  test('messages are checked with a schema, in order, and those that do not fit are errors', async () => {
    const schema = z.object({ x: z.number() }).transform(async ({ x }) => x);
    const one = await baton.open('duel', { token: 'typed-1', schema });
    const two = await baton.open('duel', { token: 'typed-2', format: 'json' });
    await next(two, 'linked');
    const heard: unknown[] = [];
    one.on('message', (x: number) => heard.push(x));
    one.on('error', ({ code, message }) => heard.push(code, message));
    two.send({ x: 1 });
    two.send({ x: 'two' });
    two.send({ x: 3 });
    await until(() => heard.length === 4, 'all of them');
    expect(heard).toEqual([
      1,
      'BATON_MESSAGE_INVALID',
      expect.stringMatching(/^A message is not as it should be: x: /),
      3,
    ]);
    await Promise.all([one.close(), two.close()]);
  });

  test('a message to nobody is answered with a typed error', async () => {
    const socket = await baton.open('duel', { token: 'lonely' });
    socket.send('hello?');
    expect(await next<SocketError>(socket, 'error')).toMatchObject({ code: 'BATON_NOT_LINKED' });
    expect(socket.closed).toBe(false);
    await socket.close();
  });

  test('close comes with its code and reason', async () => {
    const socket = await baton.open('quiet', { token: 'chatty' });
    const closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve([code, reason]));
    });
    for (let i = 0; i < 100; i++) socket.send(`${i}`);
    expect(await closed).toEqual([4016, 'BATON_TOO_MANY_MESSAGES']);
    expect(socket.closed).toBe(true);
  });

  test('a WebSocket of one’s own will do', async () => {
    const socket = await new Baton(world.service.url, { WebSocket }).open('duel', {
      token: 'own ws, odd name',
    });
    expect(socket.playerId).toBe('own ws, odd name');
    await socket.close();
  });
});

describe('what does not open', () => {
  test.each([
    ['failing', 'x', 'BATON_CALL_FAILED', 4015],
    ['slow', 'x', 'BATON_CALL_FAILED', 4015],
    ['nowhere', 'x', 'BATON_MAPPING_NOT_FOUND', 4017],
  ])('%s with token "%s": %s', async (mapping, token, code, status) => {
    const error = await failure(baton.open(mapping, { token }));
    expect(error).toBeInstanceOf(SocketError);
    expect(error).toMatchObject({ code, status });
    expect(error.message).not.toContain('BATON_');
  });

  test('no service, no URL, no mapping, a token that cannot be had: each says what to do', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const gone = await failure(new Baton(`http://127.0.0.1:${port}`).open('duel', { token: 'x' }));
    expect(gone).toMatchObject({
      code: 'BATON_UNREACHABLE',
      message: expect.stringContaining('baton status'),
    });
    for (const url of ['::', 'ftp://x', '', 'https://', 'play.example'])
      expect(() => new Baton(url)).toThrow(expect.objectContaining({ code: 'BATON_INVALID_URL' }));
    expect(await failure(baton.open('no mapping', { token: 'x' }))).toMatchObject({
      code: 'BATON_MAPPING_NOT_FOUND',
    });
    for (const token of ['', undefined, () => undefined])
      expect(await failure(baton.open('duel', { token } as never))).toMatchObject({
        code: 'BATON_TOKEN_MISSING',
        message: expect.stringContaining('--dev'),
      });
    expect(await failure((baton as any).open('duel'))).toMatchObject({ code: 'BATON_TOKEN_MISSING' });
    const token = () => Promise.reject(new Error('signed out'));
    await expect(baton.open('duel', { token })).rejects.toThrow('signed out');
    const attributes = { all: 'x'.repeat(10_000) };
    expect(await failure(baton.open('duel', { token: 'x', attributes }))).toMatchObject({
      code: 'BATON_INVALID_REQUEST',
    });
  });

  test('an opening that is given up ends at once, and leaves no socket', async () => {
    await expect(baton.open('duel', { token: 'x', signal: AbortSignal.abort() })).rejects.toThrow('abort');
    const never = () => new Promise<string>(() => {});
    const asking = baton.open('duel', { token: never, signal: AbortSignal.timeout(20) });
    expect((await failure(asking)).name).toBe('TimeoutError');
    const opening = baton.open('slow', { token: 'hasty', signal: AbortSignal.timeout(50) });
    expect((await failure(opening)).name).toBe('TimeoutError');
    // while its token is asked for, too; also where signals say no reason, as in React Native
    const giving = new AbortController();
    const token = async () => {
      giving.abort();
      return 'x';
    };
    expect((await failure(baton.open('duel', { token, signal: giving.signal }))).name).toBe('AbortError');
    const mute = { aborted: true, addEventListener() {}, removeEventListener() {} } as unknown as AbortSignal;
    await expect(baton.open('duel', { token: 'x', signal: mute })).rejects.toThrow('aborted');
  });

  test('a token that does not come, and a service that does not answer, are waited for no longer than `timeout`', async () => {
    const never = () => new Promise<string>(() => {});
    expect(await failure(baton.open('duel', { token: never, timeout: 20 }))).toMatchObject({
      code: 'BATON_TOKEN_MISSING',
      message: expect.stringContaining('still awaited'),
    });
    const mute = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => mute.once('listening', resolve));
    const { port } = mute.address() as { port: number };
    const unanswered = new Baton(`http://127.0.0.1:${port}`).open('duel', { token: 'x', timeout: 50 });
    expect(await failure(unanswered)).toMatchObject({ code: 'BATON_UNREACHABLE' });
    mute.close();
  });

  test('without a WebSocket it is said what to pass', async () => {
    const { WebSocket: own } = globalThis;
    globalThis.WebSocket = undefined as never;
    try {
      expect(await failure(baton.open('duel', { token: 'x' }))).toMatchObject({ code: 'BATON_NO_WEBSOCKET' });
    } finally {
      globalThis.WebSocket = own;
    }
  });
});

describe('client and service of other versions', () => {
  test('a client that is newer, or older, than the service is told so', async () => {
    for (const [version, remedy] of [
      [9, 'Update the service'],
      [0, 'Update @baton/client'],
    ] as const) {
      class Other extends WebSocket {
        constructor(url: string, protocols: string[]) {
          super(url, [`baton.resume.v${version}`, ...protocols.slice(1)]);
          // it takes what the service chose for its own
          Object.defineProperty(this, 'protocol', { value: 'baton.resume.v1' });
        }
      }
      const error = await failure(
        new Baton(world.service.url, { WebSocket: Other }).open('duel', { token: 'x' }),
      );
      expect(error).toMatchObject({ code: 'BATON_PROTOCOL_UNSUPPORTED', status: 4017 });
      expect(error.message).toContain(remedy);
    }
  });

  test('a service that does not know the protocol is too old', async () => {
    class Old extends FakeSocket {
      override protocol = '';
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        queueMicrotask(() => this.onopen?.({}));
      }
    }
    const error = await failure(new Baton('ws://x', { WebSocket: Old }).open('duel', { token: 'x' }));
    expect(error).toMatchObject({
      code: 'BATON_PROTOCOL_UNSUPPORTED',
      message: expect.stringContaining('update the service'),
    });
  });
});

describe('the upgrade', () => {
  test('carries token and attributes where browsers can put them', async () => {
    const { connections, socket } = await openFake({ token: 'a.b-c', attributes: { rank: 1 } });
    expect(connections[0]).toMatchObject({
      url: 'ws://x/v1/socket/duel?options=%7B%22attributes%22%3A%7B%22rank%22%3A1%7D%7D',
      protocols: ['baton.resume.v1', 'baton.token.a.b-c'],
    });
    await socket.close();
    const odd = await openFake({ token: 'a b' });
    expect(odd.connections[0]).toMatchObject({
      url: 'ws://x/v1/socket/duel?token=a%20b',
      protocols: ['baton.resume.v1'],
    });
    await odd.socket.close();
    const asked: string[] = [];
    class Watched extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        asked.push(url);
        queueMicrotask(() => this.end(4017));
      }
    }
    const acme = new Baton('ws://x/', { WebSocket: Watched, tenant: 'acme & co' });
    await failure(acme.open('duel', { token: 't' }));
    expect(asked).toEqual(['ws://x/v1/socket/duel?tenant=acme%20%26%20co']);
  });

  test('a token that has expired is asked for once more', async () => {
    const tokens = ['old', 'new', 'newer'];
    class Strict extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        queueMicrotask(() => {
          if (protocols[1] === 'baton.token.new') {
            this.says('open', { socketId: 's', playerId: 'p', secret: 'x', resumeMs: 0 });
            return;
          }
          this.says('error', { code: 'BATON_TOKEN_EXPIRED', message: 'The token expired at …' });
          this.end(4017, 'BATON_TOKEN_EXPIRED');
        });
      }
    }
    const strict = new Baton('ws://x', { WebSocket: Strict });
    const socket = await strict.open('duel', { token: () => tokens.shift()! });
    expect([socket.id, tokens]).toEqual(['s', ['newer']]);
    await socket.close();
    const always = strict.open('duel', { token: () => 'old' });
    expect(await failure(always)).toMatchObject({ code: 'BATON_TOKEN_EXPIRED', status: 4017 });
  });
});
