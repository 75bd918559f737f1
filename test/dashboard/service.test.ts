// The stream of events and the timelines of a running service, over HTTP.
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Network } from '../support/network.ts';
import { until } from '../support/service.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
}, 120_000);
afterAll(() => world?.stop(), 60_000);

const ask = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(world.service.url + path, {
    ...init,
    headers: { authorization: `Bearer ${world.service.token}`, ...headers },
  });
const as = (key: string) => ({ authorization: `Bearer ${key}` });

/** What a stream has said so far. */
async function follow(headers: Record<string, string> = {}) {
  const ended = new AbortController();
  const response = await ask(
    '/v1/events',
    { accept: 'text/event-stream', ...headers },
    { signal: ended.signal },
  );
  const told = { text: '', over: false, response, end: () => ended.abort() };
  void (async () => {
    try {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) told.text += chunk;
    } catch {
      // it was ended
    }
    told.over = true;
  })();
  return told;
}

const timeline = async (id: string) => (await ask(`/v1/sockets/${id}/timeline`)).json() as Promise<any>;
const eventsOf = async (id: string) => (await timeline(id)).events.map(({ event }: any) => event as string);

test('events come as a stream to whoever accepts one, and as one answer to others', async () => {
  const stream = await follow();
  expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(stream.response.headers.get('cache-control')).toBe('no-store');
  expect(stream.response.headers.get('x-accel-buffering')).toBe('no');
  await until(() => /event: snapshot\ndata: .*\n\nevent: change\ndata: /.test(stream.text), 'a change');
  stream.end();

  const once = await ask('/v1/events');
  expect(once.headers.get('content-type')).toContain('application/json');
  expect(Object.keys((await once.json()) as object)).toEqual(
    expect.arrayContaining(['at', 'you', 'hosts', 'rooms', 'sockets', 'mappings', 'calls', 'deadLetters']),
  );
  const head = await ask('/v1/events', { accept: 'text/event-stream' }, { method: 'HEAD' });
  expect(head.status).toBe(200);
  const refused = await ask('/v1/events', { accept: 'text/event-stream', ...as('no-such-key') });
  expect([refused.status, refused.headers.get('content-type')]).toEqual([401, 'application/problem+json']);
});

test('a revoked key’s stream ends, and says why', async () => {
  const { id, key } = await world.key('default', ['sockets:read']);
  const stream = await follow(as(key));
  await until(() => stream.text.includes('event: snapshot'), 'a snapshot');
  await world.service.api('DELETE', `/v1/keys/${id}`).catch(() => {}); // it answers without a body
  await until(() => stream.over, 'the stream to end', 20_000);
  expect(stream.text).toMatch(/event: denied\ndata: {"code":"BATON_UNAUTHORIZED"}\n\n$/);
}, 60_000);

test('a socket’s timeline goes along with it, to its close and beyond', async () => {
  const network = await Network.start(world.service.port);
  const room = await new Client(network.url).joinOrCreate('duel', { token: 'anna' });
  room.onMessage('*', () => {});
  room.reconnection.minUptime = 0;
  const peer = await world.open('duel', 'berta', { peer: room.roomId });
  await until(async () => (await eventsOf(room.roomId)).includes('linked'), 'the link');
  const hostOf = async (id: string) => (await world.service.room(id))?.host;
  await until(async () => (await hostOf(peer)) === (await hostOf(room.roomId)), 'them to be together');
  const moved = await world.service.moveAway(room.roomId);
  network.cut();
  await until(async () => (await eventsOf(room.roomId)).includes('back'), 'its return', 30_000);
  await room.leave();
  network.stop();
  await until(async () => (await timeline(room.roomId)).closed, 'the close');
  const { events, playerId, mapping } = await timeline(room.roomId);
  const names = events.map(({ event }: any) => event);
  expect({ playerId, mapping }).toEqual({ playerId: 'anna', mapping: 'duel' });
  expect(names.slice(0, 3)).toEqual(['opened', 'call', 'reply']);
  const order = ['opened', 'linked', 'moved', 'dropped', 'back', 'closed'];
  // it may have been moved to its peer before
  expect(names.filter((name: string, i: number) => order.includes(name) && name !== names[i + 1])).toEqual(
    order,
  );
  expect(events.find(({ event }: any) => event === 'linked')).toMatchObject({ detail: peer });
  expect(events.findLast(({ event }: any) => event === 'moved')).toMatchObject({
    host: moved.to,
    detail: `${moved.from} → ${moved.to}`,
  });
  expect(events.find(({ event }: any) => event === 'closed')).toMatchObject({ code: 4000, detail: 'left' });
  const times = events.map(({ at }: any) => at);
  expect(times).toEqual([...times].sort((a: number, b: number) => a - b));
}, 90_000);

test('a player who is turned away leaves a timeline, too', async () => {
  world.studio.answer('carl', 'open', (response) => response.writeHead(500).end());
  await expect(new Client(world.service.url).joinOrCreate('duel', { token: 'carl' })).rejects.toThrow();
  const { socketId } = (await world.studio.calls('carl', 1, 'open'))[0]!;
  await until(async () => (await timeline(socketId)).events.length === 6, 'its last event');
  const { events, closed } = await timeline(socketId);
  expect(closed).toBe(true);
  expect(events.map(({ event, detail }: any) => [event, detail])).toEqual([
    ['opened', undefined],
    ['call', 'open'],
    ['failed', 'open: BATON_CALL_FAILED'],
    ['closed', 'error'],
    ['call', 'close'],
    ['reply', 'close'],
  ]);
});

test('the timeline of another tenant’s socket is not there, open or closed', async () => {
  const { key } = await world.key('acme', ['sockets:read']);
  const { id, socket } = await world.socket('duel', 'dora');
  const theirs = async () => (await ask(`/v1/sockets/${id}/timeline`, as(key))).status;
  expect(await theirs()).toBe(404);
  socket.close();
  await until(async () => (await timeline(id)).closed, 'the close');
  expect(await theirs()).toBe(404);
});

test('matchmaking is counted: who has no peers yet, who waits for some that were named, and how long it took', async () => {
  const look = async () => {
    const { queues } = (await (await ask('/v1/events')).json()) as any;
    return queues.find(({ mapping }: any) => mapping === 'duel') ?? {};
  };
  const { recent: before = 0 } = await look();
  // as the first of two, or all that a matchmaker lets wait for its next round
  const { socket: first } = await world.socket('race', 'gina', {}, 'acme');
  const { key } = await world.key('acme', ['sockets:read']);
  const theirs = async () => ((await (await ask('/v1/events', as(key))).json()) as any).queues?.[0];
  await until(async () => (await theirs())?.unlinked === 1, 'one that nobody was named for');
  expect(await theirs()).toMatchObject({ mapping: 'race', waiting: 0, oldest: expect.any(Number) });
  first.close();
  const waits = await world.open('duel', 'emil', { peer: 'frida-comes' });
  await until(async () => (await look()).waiting === 1, 'one to wait');
  expect((await look()).oldest).toBeGreaterThan(Date.now() - 60_000);
  await world.open('duel', 'frida', { alias: 'frida-comes', peer: waits });
  // each host reports at a time of its own, and a slow one may not have reported what was before
  await until(async () => {
    const { recent, waiting, linked } = await look();
    return recent >= before + 2 && waiting === 0 && linked === 2;
  }, 'both to be linked, and nobody to wait');
  expect(await look()).toMatchObject({ p50: expect.any(Number), p99: expect.any(Number) });
});
