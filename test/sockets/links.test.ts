// Linking two sockets on different hosts: by naming, by waiting, at once, and all that can go wrong with it.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openStore, type Store } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { until } from '../support/service.ts';
import { type RedisServer, redis } from './redis.ts';
import { type Player, World } from './support.ts';

describe.each(['embedded', 'redis'])('links on the %s store', (kind) => {
  let server: RedisServer | undefined;
  let world: World;
  let store: Store;
  beforeAll(async () => {
    server = kind === 'redis' ? await redis() : undefined;
    world = await World.start(server ? { redis: server.url } : {});
    const path = `${world.service.runtimeDir}/store.sock`;
    store = await openStore(
      server
        ? { kind: 'redis', url: server.url, log: silentLog }
        : { kind: 'embedded', path, log: silentLog },
    );
  });
  afterAll(async () => {
    await store?.close();
    await world?.stop();
    await server?.stop();
  });

  /** What the store has of open sockets, and of those who wait for them. */
  const records = async (...players: Player[]) => {
    const keys = players.flatMap(({ id }) => [`socket:${id}`, `want:default:${id}`]);
    const found = [...(await store.getMany(keys)).values()].map(({ value }) => JSON.parse(value));
    return found.filter(({ state }) => state !== 'closed');
  };

  test('the one that is named gets the link, too; both hear of it once and come together', async () => {
    const one = await world.open('script', 'named');
    const two = await world.open('script', 'bystander');
    const held = await world.openHeldApart('script', 'named-by', one);
    const three = await held.release({ peer: one.id });
    await Promise.all([one.linked(three), three.linked(one)]);
    await world.together(one, three);
    one.send('hello');
    three.send('hi');
    expect(await three.have('data')).toEqual(['hello']);
    expect(await one.have('data')).toEqual(['hi']);
    expect([one.of('linked').length, three.of('linked').length, two.of('linked').length]).toEqual([1, 1, 0]);
    const [mine, theirs] = await records(one, three);
    expect([mine.state, theirs.state, mine.link]).toEqual(['open', 'open', theirs.link]);
    expect(mine.link).toBeDefined();
    await one.leave();
    expect(await three.have('peer-left')).toEqual([{ peer: one.id }]);
    await Promise.all([two.leave(), three.leave()]);
    expect(await records(one, two, three)).toEqual([]);
  });

  test('two that name each other at the same time make one link', async () => {
    for (let i = 0; i < 10; i++) {
      const a = await world.openHeld('script', `mutual-${i}-a`);
      const b = await world.openHeld('script', `mutual-${i}-b`);
      const [one, two] = await Promise.all([
        a.release({ peer: b.socketId }),
        b.release({ peer: a.socketId }),
      ]);
      await Promise.all([one.linked(two), two.linked(one)]);
      await world.together(one, two);
      one.send(i);
      two.send(i);
      await Promise.all([one.have('data'), two.have('data')]);
      expect([one, two].flatMap((p) => p.events.map((e) => e.type)).sort()).toEqual([
        'data',
        'data',
        'linked',
        'linked',
      ]);
      await Promise.all([one.leave(), two.leave()]);
      expect(await records(one, two)).toEqual([]);
    }
  });

  test('several that name the same one at the same time: one gets it, the others may be matched again', async () => {
    const target = await world.open('script', 'wanted');
    const held = await Promise.all([1, 2, 3, 4].map((i) => world.openHeld('script', `suitor-${i}`)));
    const suitors = await Promise.all(held.map((h) => h.release({ peer: target.id })));
    await target.have('linked');
    const winner = suitors.find((p) => p.id === target.of('linked')[0].peers[0])!;
    const losers = suitors.filter((p) => p !== winner);
    expect(await Promise.all(losers.map((p) => p.failed()))).toEqual(losers.map(() => 'BATON_LINK_TAKEN'));
    expect(target.of('linked').length).toBe(1);
    await winner.linked(target);
    const fourth = await world.open('script', 'consolation', { peer: losers[0]!.id });
    await Promise.all([fourth.linked(losers[0]!), losers[0]!.linked(fourth)]);
    await Promise.all([target, fourth, ...suitors].map((p) => p.leave()));
    expect(await records(target, fourth, ...suitors)).toEqual([]);
  });

  test('a peer whose own open call is still going on is waited for', async () => {
    const late = await world.openHeld('script', 'late');
    const early = await world.open('script', 'early', { peer: late.socketId });
    early.count();
    early.count();
    const two = await late.release({});
    await Promise.all([early.linked(two), two.linked(early)]);
    expect(await two.have('data', 2)).toEqual([1, 2]);
    await Promise.all([early.leave(), two.leave()]);
    expect(await records(early, two)).toEqual([]);
  });

  test('a peer that does not exist yet is waited for, also across moves of the one that waits', async () => {
    const id = `chosen-${kind}`;
    const one = await world.open('script', 'patient', { peer: id });
    for (let i = 0; i < 3; i++) await world.service.moveAway(one.id);
    const two = await world.openAs('script', id, 'expected');
    await Promise.all([one.linked(two), two.linked(one)]);
    await world.together(one, two);
    one.send('at last');
    expect(await two.have('data')).toEqual(['at last']);
    expect(world.functions.of('open', one.id).length).toBe(1);
    await Promise.all([one.leave(), two.leave()]);
    expect(await records(one, two)).toEqual([]);
  });

  test('of several that wait the first gets the link, the others hear it at once', async () => {
    const id = `popular-${kind}`;
    const waiting: Player[] = [];
    for (let i = 0; i < 3; i++) waiting.push(await world.open('script', `queue-${i}`, { peer: id }));
    const two = await world.openAs('script', id, 'popular');
    await waiting[0]!.linked(two);
    expect(await Promise.all(waiting.slice(1).map((p) => p.failed()))).toEqual([
      'BATON_LINK_TAKEN',
      'BATON_LINK_TAKEN',
    ]);
    await Promise.all([two, ...waiting].map((p) => p.leave()));
  });

  test('waiting ends with an error, also when the socket has moved meanwhile; then it can be matched', async () => {
    const one = await world.open('brief', 'impatient', { peer: 'never' });
    const two = await world.open('brief', 'settled', { peer: 'neither' });
    await world.service.moveAway(one.id);
    expect(await one.failed()).toBe('BATON_LINK_TIMEOUT');
    expect(one.of('error')[0].message).toMatch(/^Socket never did not open within \d+ ms\.$/);
    expect(await two.failed()).toBe('BATON_LINK_TIMEOUT');
    expect([...one.closes, ...two.closes]).toEqual([]);
    const three = await world.open('brief', 'comforter', { peer: one.id });
    await Promise.all([one.linked(three), three.linked(one)]);
    expect(await store.get('want:default:never')).toBeUndefined();
    await Promise.all([one.leave(), two.leave(), three.leave()]);
  });

  test('itself, a closed one, a room that is no socket, one that is linked: a typed error, and it stays open', async () => {
    const own = await world.openHeld('script', 'narcissus');
    const self = await own.release({ peer: own.socketId });
    expect(await self.failed()).toBe('BATON_LINK_SELF');
    const logged = () => world.service.output.join('').split('\n');
    await until(
      () => logged().some((line) => line.includes(self.id) && line.includes('BATON_LINK_SELF')),
      'the log to say so',
    );

    const entries = async () => {
      const headers = { authorization: `Bearer ${world.service.token}` };
      return ((await (await fetch(`${world.service.url}/v1/log`, { headers })).json()) as any).entries;
    };
    await until(async () => (await entries()).some((entry: any) => entry.socketId === self.id), 'the entry');
    expect((await entries())[0]).toMatchObject({
      socketId: self.id,
      mapping: 'script',
      what: 'the sockets could not be linked',
      code: 'BATON_LINK_SELF',
    });

    const left = await world.open('script', 'gone');
    await left.leave();
    const mourner = await world.open('script', 'mourner', { peer: left.id });
    expect(await mourner.failed()).toBe('BATON_LINK_GONE');

    const [one, two] = await world.pair('script', 'couple');
    const third = await world.open('script', 'third', { peer: one.id });
    expect(await third.failed()).toBe('BATON_LINK_TAKEN');
    one.send('still here');
    expect(await two.have('data')).toEqual(['still here']);
    const fourth = await world.open('script', 'fourth', { peer: third.id });
    await Promise.all([third.linked(fourth), fourth.linked(third)]);
    const all = [self, mourner, one, two, third, fourth];
    expect(all.flatMap((p) => p.closes)).toEqual([]);
    await Promise.all(all.map((p) => p.leave()));
    expect(await records(...all)).toEqual([]);
  });

  test('one whose awaited peer is turned away hears it at once', async () => {
    const late = await world.openHeld('script', 'unlucky');
    const one = await world.open('script', 'hopeful', { peer: late.socketId });
    await expect(late.release({ reject: { code: 4003, reason: 'no' } })).rejects.toThrow('no');
    expect(await one.failed()).toBe('BATON_LINK_GONE');
    await one.leave();
  });

  test('one that leaves while it waits is not linked later', async () => {
    const id = `avoided-${kind}`;
    const one = await world.open('script', 'fickle', { peer: id });
    await one.leave();
    const two = await world.openAs('script', id, 'avoided');
    const three = await world.open('script', 'faithful', { peer: id });
    await two.linked(three);
    expect(two.of('linked').length).toBe(1);
    await Promise.all([two.leave(), three.leave()]);
  });

  test('a link ends and the next one begins, in any order and on any host', async () => {
    let [one, two] = await world.pair('waiting', 'series');
    for (let i = 2; i < 8; i++) {
      await two.leave();
      await one.have('peer-left', i - 1);
      one.send('for the next one');
      two = await world.open('waiting', `series-${i + 1}`, { peer: one.id });
      await Promise.all([one.linked(two, i), two.linked(one)]);
      expect(await two.have('data')).toEqual(['for the next one']);
    }
    await Promise.all([one.leave(), two.leave()]);
    expect(await records(one, two)).toEqual([]);
  });

  test('onPeerLeave: keep, wait and close', async () => {
    const [kept, k] = await world.pair('script', 'keep');
    await k.leave();
    expect(await kept.have('peer-left')).toEqual([{ peer: k.id }]);
    kept.send('anybody?');
    expect(await kept.failed()).toBe('BATON_NOT_LINKED');
    kept.send('really?');
    const [waiting, w] = await world.pair('waiting', 'wait');
    await w.leave();
    await waiting.have('peer-left');
    const [closed, c] = await world.pair('closing', 'close');
    await c.leave();
    await closed.have('close');
    expect(closed.closes).toEqual([{ code: 4014, reason: 'the peer has left' }]);
    expect(closed.of('peer-left')).toEqual([{ peer: c.id }]);
    expect([...kept.closes, ...waiting.closes]).toEqual([]);
    expect(kept.of('error').length).toBe(1);
    await Promise.all([kept.leave(), waiting.leave()]);
  });
});

describe('while calls get lost', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ env: { LOSE_CALLS: '1' } });
  });
  afterAll(() => world?.stop());

  test('a link of which only one has heard is finished', async () => {
    const one = await world.open('script', 'heard');
    const held = await world.openHeldApart('script', 'unheard', one);
    const two = await held.release({ peer: one.id });
    await Promise.all([one.linked(two), two.linked(one)]);
    await world.together(one, two);
    one.send('do you hear me?');
    expect(await two.have('data')).toEqual(['do you hear me?']);
    await Promise.all([one.leave(), two.leave()]);
  });
});

describe('pairs of whoever comes', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
  });
  afterAll(() => world?.stop());

  test('two tabs with the same token are never matched with themselves: the newest one plays', async () => {
    const first = await world.open('duel', 'tabs');
    const second = await world.open('duel', 'tabs');
    const rival = await world.open('duel', 'rival');
    await Promise.all([second.linked(rival), rival.linked(second)]);
    expect(first.of('linked')).toEqual([]);
    await Promise.all([first, second, rival].map((p) => p.leave()));
  });

  test('forty that come at once make twenty pairs of different players', async () => {
    const players = await Promise.all(Array.from({ length: 40 }, (_, i) => world.open('duel', `many-${i}`)));
    const byId = new Map(players.map((p) => [p.id, p]));
    await Promise.all(players.map((p) => p.have('linked')));
    for (const player of players) {
      const peer = byId.get(player.of('linked')[0].peers[0])!;
      expect(peer.of('linked')[0].peers).toEqual([player.id]);
      expect(peer.token).not.toBe(player.token);
    }
    await Promise.all(players.map((p) => p.leave()));
  });
});
