// The whole of it: a service, two matchmaker processes with one pool in Redis, and players on plain WebSockets.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Plain } from '../sockets/plain.ts';
import { RedisServer } from '../support/redis.ts';
import { nodeArgs, Service } from '../support/service.ts';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');

class MatchmakerProcess {
  readonly child: ChildProcess;
  url = '';

  constructor(redis: string) {
    this.child = spawn(process.execPath, [...nodeArgs, path.join(fixtures, 'matchmaker.ts')], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, REDIS_URL: redis },
    });
  }

  async listening(): Promise<this> {
    const [{ port }] = await once(this.child, 'message');
    this.url = `http://127.0.0.1:${port}`;
    return this;
  }

  async serve(service: { url: string; key: string }): Promise<void> {
    this.child.send(service);
    await once(this.child, 'message');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

let redis: RedisServer;
let service: Service;
let first: MatchmakerProcess;
let second: MatchmakerProcess;
const opened: Plain[] = [];

beforeAll(async () => {
  redis = await RedisServer.start();
  [first, second] = await Promise.all([
    new MatchmakerProcess(redis.url).listening(),
    new MatchmakerProcess(redis.url).listening(),
  ]);
  service = await Service.start(path.join(fixtures, 'app.config.ts'), {
    hosts: 2,
    args: ['--mappings', path.join(fixtures, 'baton.config.ts')],
    env: { MATCHMAKERS: `${first.url},${second.url}` },
  });
  const scopes = ['sockets:read', 'sockets:link', 'sockets:send', 'sockets:close'];
  const { secret } = await service.api<{ secret: string }>('POST', '/v1/keys', {
    name: 'matchmaker',
    scopes,
  });
  await first.serve({ url: service.url, key: secret });
  await second.serve({ url: service.url, key: secret });
}, 90_000);

afterEach(async () => {
  for (const socket of opened.splice(0)) {
    socket.close();
    await socket.closed;
  }
});

afterAll(async () => {
  await Promise.all([first?.kill(), second?.kill()]);
  await service?.stop();
  await redis?.stop();
});

/** A player whose rating the studio's backend gives to the socket before it opens. */
async function open(mapping: string, playerId: string, mu: number): Promise<Plain & { id: string }> {
  const attributes = { rating: { mu, sigma: 1 } };
  const { socketId, token } = await service.api<any>('POST', '/v1/sockets', {
    mapping,
    playerId,
    attributes,
  });
  const socket = new Plain(service.url, mapping, { token, protocols: ['baton.v1'] });
  opened.push(socket);
  // its function has answered
  await socket.event('open');
  return Object.assign(socket, { id: socketId });
}

async function talk(a: Plain & { id: string }, b: Plain & { id: string }): Promise<void> {
  expect((await a.event('linked')).peers).toEqual([b.id]);
  expect((await b.event('linked')).peers).toEqual([a.id]);
  a.send('hello');
  expect(await b.text()).toBe('hello');
  b.send('hello yourself');
  expect(await a.text()).toBe('hello yourself');
}

test('players of one strength are linked, and talk', async () => {
  const [ann, bob] = [await open('duel', 'ann', 10), await open('duel', 'bob', 40)];
  const [cyd, dan] = [await open('duel', 'cyd', 11), await open('duel', 'dan', 41)];
  await talk(ann, cyd);
  await talk(bob, dan);
}, 30_000);

test('a match is asked for in one process and accepted in the other', async () => {
  const [ann, bob] = [await open('ready', 'ann', 10), await open('ready', 'bob', 10)];
  const found = JSON.parse((await ann.text()) as string);
  expect(found).toMatchObject({ event: 'match-found', players: 2, within: 30_000 });
  expect(JSON.parse((await bob.text()) as string)).toEqual(found);
  const eve = await open('ready', 'eve', 10);
  ann.send(JSON.stringify({ decline: found.match }));
  expect(await ann.closed).toEqual({ code: 4081, reason: 'match not accepted' });
  // in whichever order: another process may have made the next match already
  const heard = (await bob.data(2)).map((text) => JSON.parse(text as string));
  expect(heard).toContainEqual({ event: 'match-cancelled', match: found.match, reason: 'declined' });
  const again = JSON.parse((await eve.text()) as string);
  expect(heard).toContainEqual(again);
  for (const socket of [bob, eve]) socket.send(JSON.stringify({ accept: again.match }));
  expect((await bob.event('linked')).peers).toEqual([eve.id]);
}, 30_000);

test('whoever comes later takes the place of one who has left', async () => {
  const [ann, bob] = [await open('team', 'ann', 10), await open('team', 'bob', 10)];
  await talk(ann, bob);
  bob.close();
  expect((await ann.event('peer-left')).peer).toBe(bob.id);
  const cyd = await open('team', 'cyd', 10);
  expect((await cyd.event('linked')).peers).toEqual([ann.id]);
  cyd.send('may I?');
  expect(await ann.text()).toBe('may I?');
}, 30_000);

test('when a process dies the other one makes the matches of those who wait', async () => {
  // they are too far apart until they have waited for some seconds
  const [ann, bob] = [await open('duel', 'ann', 10), await open('duel', 'bob', 21)];
  await first.kill();
  await talk(ann, bob);
}, 30_000);
