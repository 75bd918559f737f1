// The client package against a real service: opening, linking, talking through moves, closing, and every error typed.
import { type BatonSocket, open, SocketError } from '@baton/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { World } from '../sockets/support.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world?.stop());

const next = <T>(socket: BatonSocket<any>, event: 'linked' | 'message' | 'peer-left' | 'error' | 'close') =>
  new Promise<T>((resolve) => {
    const off = socket.on(event, (first: any) => {
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
  test('two players are linked, talk in text, bytes and values, and notice no move', async () => {
    const one = await open(world.service.url, 'duel', { token: 'ann' });
    const two = await open(world.service.url, 'duel', { token: async () => 'bob', attributes: { rank: 3 } });
    expect(await next(one, 'linked')).toEqual([two.id]);
    expect(await next(two, 'linked')).toEqual([one.id]);
    expect([one.peers, two.peers]).toEqual([[two.id], [one.id]]);
    const [call] = world.functions.of('open', 'bob');
    expect(JSON.parse(call!.body)).toEqual({ attributes: { rank: 3 } });

    const heard: unknown[] = [];
    two.on('message', (data) => heard.push(data));
    one.send('text');
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

    const left = next(two, 'peer-left');
    await one.close();
    await one.close();
    expect(await left).toBe(one.id);
    expect([one.closed, two.closed, two.peers]).toEqual([true, false, []]);
    expect(() => one.send('late')).toThrow(new SocketError('BATON_CLOSED', 'The socket is closed.'));
    await two.close();
  });

  test('events that came before anybody listened are not lost', async () => {
    const one = await open(world.service.url, 'duel', { token: 'early' });
    const two = await open(world.service.url, 'duel', { token: 'bird' });
    await next(two, 'linked');
    two.send(1);
    two.send(2);
    await next(one, 'linked');
    const heard: unknown[] = [];
    await new Promise<void>((resolve) => {
      one.on('message', (data) => {
        heard.push(data);
        if (heard.length === 2) resolve();
      });
    });
    expect(heard).toEqual([1, 2]);
    await Promise.all([one.close(), two.close()]);
  });

  test('a message to nobody is answered with a typed error', async () => {
    const socket = await open(world.service.url, 'duel', { token: 'lonely' });
    socket.send('hello?');
    expect(await next<SocketError>(socket, 'error')).toMatchObject({ code: 'BATON_NOT_LINKED' });
    expect(socket.closed).toBe(false);
    await socket.close();
  });

  test('close comes with its code and reason', async () => {
    const socket = await open(world.service.url, 'quiet', { token: 'chatty' });
    const closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve([code, reason]));
    });
    for (let i = 0; i < 100; i++) socket.send(i);
    expect(await closed).toEqual([4016, 'BATON_TOO_MANY_MESSAGES']);
    expect(socket.closed).toBe(true);
  });
});

describe('what does not open', () => {
  test.each([
    ['failing', 'x', 'BATON_CALL_FAILED', 4015],
    ['slow', 'x', 'BATON_CALL_FAILED', 4015],
    ['duel', '', 'BATON_TOKEN_INVALID', 525],
    ['nowhere', 'x', 'BATON_REFUSED', 520],
  ])('%s with token "%s": %s', async (mapping, token, code, status) => {
    const error = await failure(open(world.service.url, mapping, { token }));
    expect(error).toBeInstanceOf(SocketError);
    expect(error).toMatchObject({ code, status });
    expect(error.message).not.toContain('BATON_');
  });

  test('no service, no URL, a token that cannot be had', async () => {
    expect(await failure(open('http://127.0.0.1:9', 'duel', { token: 'x' }))).toMatchObject({
      code: 'BATON_UNREACHABLE',
    });
    expect(await failure(open('::', 'duel', { token: 'x' }))).toMatchObject({ code: 'BATON_INVALID_URL' });
    const token = () => Promise.reject(new Error('signed out'));
    await expect(open(world.service.url, 'duel', { token })).rejects.toThrow('signed out');
  });

  test('an opening that is given up ends at once, and leaves no socket', async () => {
    await expect(
      open(world.service.url, 'duel', { token: 'x', signal: AbortSignal.abort() }),
    ).rejects.toThrow('abort');
    const started = Date.now();
    const error = await failure(
      open(world.service.url, 'slow', { token: 'hasty', signal: AbortSignal.timeout(50) }),
    );
    expect(error.name).toBe('TimeoutError');
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});
