// Opening a socket: what the function is told, and what the client gets when that goes wrong.
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { DeadLetters } from '../../server/src/calls/index.ts';
import { openStore } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { until } from '../support/service.ts';
import { secret } from './fixtures/secret.ts';
import { attributesOf, World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world?.stop());

const refusal = (mapping: string, options: object): Promise<{ code: number; message: string }> =>
  new Client(world.service.url).joinOrCreate(mapping, options).then(
    () => Promise.reject(new Error('it opened')),
    (error) => error,
  );

describe('the open call', () => {
  test('carries who, which socket and which mapping as CloudEvents headers, and never the token', async () => {
    const client = new Client(world.service.url);
    const room = await client.joinOrCreate('script', { token: 'Zoë %/\u{1F600}', mode: 'ranked' });
    const id = encodeURIComponent('Zoë %/\u{1F600}');
    const [call, ...more] = await world.functions.have('open', id);
    expect(more).toEqual([]);
    expect(call).toMatchObject({
      method: 'POST',
      path: '/script',
      headers: {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-type': 'baton.socket.open',
        'ce-subject': room.roomId,
        'ce-playerid': id,
        'ce-mapping': 'script',
        'ce-mappingversion': '1',
        'ce-remoteaddress': '127.0.0.1',
        'ce-epoch': '1',
        'ce-sequence': '1',
      },
    });
    expect(call!.headers['ce-id']).toMatch(/^[\w-]{36}$/);
    expect(call!.headers['ce-source']).toMatch(/^\/baton\/h\d+$/);
    expect(Date.now() - Date.parse(call!.headers['ce-time']!)).toBeLessThan(60_000);
    expect(JSON.parse(call!.body)).toEqual({ mode: 'ranked' });
    await room.leave();
  });

  test('names the player of the token, whatever the client calls itself', async () => {
    const claims = { playerId: 'somebody', sub: 'else', tenant: undefined };
    const room = await new Client(world.service.url).joinOrCreate('script', { token: 'herself', ...claims });
    const [call] = await world.functions.have('open', room.roomId);
    expect(call!.headers['ce-playerid']).toBe('herself');
    expect(JSON.parse(call!.body)).toEqual({ playerId: 'somebody', sub: 'else' });
    await room.leave();
  });

  test('is made once for each of many that open at once, and each gets a socket of its own', async () => {
    const players = await Promise.all(
      Array.from({ length: 30 }, (_, i) => world.open('script', `crowd-${i}`)),
    );
    expect(new Set(players.map((p) => p.id)).size).toBe(30);
    for (const player of players) {
      await world.functions.socketOf(player.token);
      expect(world.functions.of('open', player.token).map((c) => c.headers['ce-subject'])).toEqual([
        player.id,
      ]);
    }
    await Promise.all(players.map((p) => p.leave()));
  });

  test('and the close call carry epoch and sequence, which go on when the socket has moved', async () => {
    const player = await world.open('script', 'mover');
    const from = await world.hostOf(player);
    const [to] = (await world.service.hosts()).filter(({ id }) => id !== from);
    await world.service.migrate(player.id, to!.id);
    await player.leave();
    await until(() => world.functions.of('close', player.id).length > 0, 'the close call');
    const [open, close] = [
      ...world.functions.of('open', player.id),
      ...world.functions.of('close', player.id),
    ];
    expect(open!.headers).toMatchObject({ 'ce-epoch': '1', 'ce-sequence': '1' });
    expect(close!.headers).toMatchObject({ 'ce-epoch': '2', 'ce-sequence': '2' });
  });

  test('is signed, over the very bytes that were sent', async () => {
    const player = await world.open('script', 'signed', { attributes: { name: 'Zoë' } });
    await player.leave();
    await until(() => world.functions.of('close', player.id).length > 0, 'the close call');
    for (const type of ['open', 'close'] as const) {
      const [call] = world.functions.of(type, player.id);
      expect(new Webhook(secret).verify(call!.body, call!.headers)).toEqual(JSON.parse(call!.body));
      expect(call!.headers['webhook-id']).toBe(call!.headers['ce-id']);
    }
  });

  test('a token in the Authorization header counts, too', async () => {
    const client = new Client(world.service.url);
    client.auth.token = 'by-header';
    const room = await client.joinOrCreate('script', {});
    expect(await world.functions.socketOf('by-header')).toBe(room.roomId);
    await room.leave();
  });

  test('what it answers to send reaches the client, attributes come back with the close call', async () => {
    const player = await world.open('script', 'sender', { send: { hello: 1 }, attributes: { rank: 7 } });
    expect(await player.have('data')).toEqual([{ hello: 1 }]);
    await player.leave();
    await until(() => world.functions.of('close', player.id).length > 0, 'the close call');
    const [call] = world.functions.of('close', player.id);
    expect(JSON.parse(call!.body)).toEqual({ reason: 'left' });
    expect(attributesOf(call!)).toEqual({ rank: 7 });
    expect(call!.headers).toMatchObject({ 'ce-mapping': 'script', 'ce-playerid': 'sender' });
  });
});

describe('a socket that does not open', () => {
  const sockets = async () => (await world.service.rooms()).length;

  test.each([
    ['down', 'it cannot be reached'],
    ['slow', 'no answer within 300 ms'],
    ['failing', 'it answered 500'],
    ['garbage', 'it answered with something that is not JSON'],
    ['invalid', 'its answer is invalid: peer: '],
    ['huge', 'its answer is longer than 65536 bytes'],
    ['cut', 'it cannot be reached'],
    ['redirect', 'it answered 307'],
  ])('%s function: the client is told, nothing stays', async (mapping, reason) => {
    const before = await sockets();
    const error = await refusal(mapping, { token: `victim-of-${mapping}` });
    expect(error.code).toBe(4015);
    expect(error.message).toContain(
      `BATON_CALL_FAILED: The open function of mapping ${mapping} failed: ${reason}`,
    );
    expect(error.message).not.toMatch(/127\.0\.0\.1|ECONN/);
    await until(async () => (await sockets()) === before, 'the room to be gone');
  });

  test('a function that may have remembered the socket is told that it closed', async () => {
    await refusal('slow', { token: 'forgotten' });
    await until(() => world.functions.of('close', 'forgotten').length === 1, 'the close call');
    expect(JSON.parse(world.functions.of('close', 'forgotten')[0]!.body)).toEqual({ reason: 'error' });
  });

  test('a rejected player gets the code and reason of the function', async () => {
    const error = await refusal('script', {
      token: 'banned',
      answer: { reject: { code: 4003, reason: 'banned until Monday' } },
    });
    expect(error).toMatchObject({ code: 4003, message: 'banned until Monday' });
    await world.functions.have('open', 'banned'); // it is told of later than of the answer
  });

  test.each([
    ['no token', {}, 'there is none; pass { token }'],
    ['an empty token', { token: '' }, 'there is none; pass { token }'],
    ['a token that is no text', { token: { name: 'x' } }, 'it is not text'],
    ['a long token', { token: 'x'.repeat(129) }, 'it is longer than 128 characters'],
    ['half a character', { token: '\ud83d' }, 'it is not well-formed text'],
  ])('%s', async (_what, options, reason) => {
    const opened = () =>
      world.functions.calls.filter(({ headers }) => headers['ce-type'] === 'baton.socket.open').length;
    const calls = opened(); // close calls of sockets before may still come
    const error = await refusal('script', options);
    expect(error.code).toBe(525);
    expect(error.message).toBe(`BATON_TOKEN_INVALID: The token is not accepted: ${reason}`);
    expect(opened()).toBe(calls);
  });

  test('an unknown mapping, and ways of joining that would enter somebody else’s socket', async () => {
    expect((await refusal('nowhere', { token: 'x' })).message).toContain('not defined');
    const player = await world.open('script', 'owner');
    const client = new Client(world.service.url);
    await expect(client.join('script', { token: 'x' })).rejects.toThrow('is opened with joinOrCreate()');
    await expect(client.joinById(player.id, { token: 'x' })).rejects.toThrow('not found');
    await player.leave();
  });
});

test('a close call that its function does not take is kept as a dead letter', async () => {
  const player = await world.open('unheard', 'mourned', { attributes: { rank: 7 } });
  await player.leave();
  const path = `${world.service.runtimeDir}/store.sock`;
  const store = await openStore({ kind: 'embedded', path, log: silentLog });
  const letters = new DeadLetters(store.presence);
  await until(async () => (await letters.newest('default')).length > 0, 'the dead letter');
  const [letter] = await letters.newest('default');
  const calls = world.functions.calls.filter(({ headers }) => headers['ce-playerid'] === 'mourned').slice(1);
  expect(calls.map(({ headers }) => headers['ce-id'])).toEqual([letter!.callId, letter!.callId]);
  expect(letter).toMatchObject({
    reason: 'it answered 500',
    attempts: 2,
    event: {
      type: 'close',
      mapping: 'unheard',
      socketId: player.id,
      playerId: 'mourned',
      epoch: 1,
      sequence: 2,
      attributes: { rank: 7 },
      contentType: 'application/json',
    },
    body: Buffer.from('{"reason":"left"}').toString('base64'),
  });
  await store.close();
});

test('the service says aloud that it does not verify tokens', () => {
  expect(world.service.output.join('')).toContain('are NOT verified');
});
