// Requests to a mapping's function, on a real service: one call each, and one answer or the reason why there is none.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { json, nothing, raw, status } from '../sockets/studio.ts';
import { until } from '../support/service.ts';
import { openFake } from './fake-socket.ts';
import { ClientWorld } from './studio-world.ts';

let world: ClientWorld;
beforeAll(async () => {
  world = await ClientWorld.start({ hosts: 1 });
}, 60_000);
afterAll(() => world?.stop());

test('a request is a call of its own, whose answer comes back: text, bytes, values, nothing', async () => {
  const ann = await world.player('ann', 'told');
  const ask = async (answer: Parameters<typeof world.studio.answer>[2]) => {
    world.studio.answer('ann', 'receive', answer);
    return ann.socket.request('?');
  };
  expect(await ask(raw('text/plain', '\u0001 hello'))).toBe('\u0001 hello');
  expect(await ask(raw('application/octet-stream', Buffer.of(1, 2)))).toEqual(Uint8Array.of(1, 2));
  expect(await ask(json({ send: { x: 1 }, attributes: { asked: true } }))).toBe('{"x":1}');
  expect(await ask(nothing)).toBeUndefined();
  // a message waits for another one, as `when` says; a request does not, and messages are no answers
  ann.socket.send('one');
  world.studio.answer('ann', 'receive', raw('text/plain', 'said'));
  expect(await ann.socket.request(Buffer.of(7))).toBe('said');
  ann.socket.send('two');
  await ann.hears('said');
  const bodies = (await world.studio.calls('ann', 6)).map(({ body }) => body.toString('latin1'));
  expect(bodies).toEqual(['?', '?', '?', '?', '\u0007', 'onetwo']);
  expect(decodeURIComponent(world.studio.told.at(-1)!.headers['ce-attributes'] as string)).toBe(
    '{"asked":true}',
  );
  expect([ann.heard, ann.errors]).toEqual([['said'], []]);
});

test('why there is no answer has a code: no function, one that fails, is late, or is given up', async () => {
  const alone = await world.player('alone', 'duel');
  await expect(alone.socket.request('?')).rejects.toMatchObject({ code: 'BATON_RECEIVE_MISSING' });
  const bob = await world.player('bob', 'late');
  world.studio.answer('bob', 'receive', status(500));
  await expect(bob.socket.request('?')).rejects.toMatchObject({ code: 'BATON_CALL_FAILED' });
  world.studio.answer('bob', 'receive', () => {});
  await expect(bob.socket.request('?', { timeout: 50 })).rejects.toMatchObject({
    code: 'BATON_REQUEST_TIMEOUT',
  });
  await expect(bob.socket.request('?')).rejects.toMatchObject({ code: 'BATON_CALL_FAILED' });
  await expect(bob.socket.request('?', { signal: AbortSignal.timeout(20) })).rejects.toThrow('timeout');
  await expect(bob.socket.request('?', { signal: AbortSignal.abort() })).rejects.toThrow('abort');
  const waiting = expect(bob.socket.request('?')).rejects.toMatchObject({ code: 'BATON_CLOSED' });
  await bob.socket.close();
  await waiting;
  expect([alone.errors, bob.errors]).toEqual([[], []]); // who asked was told
  const letters = await world.service.api<{ deadLetters: unknown[] }>('GET', '/v1/dead-letters');
  expect(letters.deadLetters).toEqual([]);
});

test('a player whom the open function turns away hears its code and its reason', async () => {
  const opening = world.player('dan', 'duel', { reject: { code: 4003, reason: 'come back tomorrow' } });
  await expect(opening).rejects.toMatchObject({
    code: 'BATON_REFUSED',
    status: 4003,
    message: expect.stringContaining('come back tomorrow'),
  });
});

test('no entry of `receive` takes it: that, too', async () => {
  const cat = await world.player('cat', 'ask');
  world.studio.answer('cat', 'count', raw('text/plain', 'counted'));
  expect(await cat.socket.request('hello')).toBe('counted');
});

test('an answer is checked with its schema', async () => {
  const { socket, connections } = await openFake({ format: 'json' });
  const answers = [{ n: 1 }, { n: 'one' }];
  const asked = answers.map(() => socket.request({ n: '?' }, { schema: z.object({ n: z.number() }) }));
  answers.forEach((answer, i) => {
    connections[0]!.says('reply', { to: i + 1 });
    connections[0]!.hear(JSON.stringify(answer));
  });
  expect(await asked[0]).toEqual({ n: 1 });
  await expect(asked[1]).rejects.toMatchObject({ code: 'BATON_MESSAGE_INVALID' });
  await socket.close();
});

test('a request is two messages of which none goes without the other; what is not answered in time is forgotten', async () => {
  const { socket, connections } = await openFake();
  const asked = socket.request('first', { timeout: 5 });
  expect(connections[0]!.sent.slice(-2)).toEqual(['\u0001{"request":1}', 'first']);
  await expect(asked).rejects.toMatchObject({ code: 'BATON_REQUEST_TIMEOUT' });
  connections[0]!.says('reply', { to: 1 });
  connections[0]!.hear('late');
  connections[0]!.hear('data');
  const heard: unknown[] = [];
  socket.on('message', (data) => heard.push(data));
  expect(heard).toEqual(['data']);
  // without a connection it waits, and is taken back whole
  connections[0]!.end(1006);
  const waiting = socket.request('second', { timeout: 5 });
  await expect(waiting).rejects.toMatchObject({ code: 'BATON_REQUEST_TIMEOUT' });
  await until(() => connections.length === 2, 'another connection');
  expect(connections[1]).toMatchObject({
    url: 'ws://x/v1/socket/duel?resume=s&received=3',
    protocols: ['baton.resume.v1', 'baton.secret.x'],
  });
  connections[1]!.says('resumed', { received: 1, forward: 'both' });
  await until(() => connections[1]!.sent.length > 0, 'the rest');
  expect(connections[1]!.sent).toEqual(['first']);
  await socket.close();
});

test('a mapping that forwards to its functions only has no peers to send to', async () => {
  const { socket, connections } = await openFake({}, { forward: 'endpoint' });
  expect(() => socket.peer.send('x')).toThrow(expect.objectContaining({ code: 'BATON_NOT_FORWARDED' }));
  connections[0]!.says('forward', { forward: 'both' });
  expect(socket.peer.send('x')).toBe(true);
  await socket.close();
});
