// What linked players say to each other, while their sockets move: nothing lost, doubled, reordered or disconnected.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openStore } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { kill, until } from '../support/service.ts';
import { attributesOf, lostBetween, type Player, World } from './support.ts';

describe('linked sockets', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
  });
  afterAll(() => world?.stop());

  test('text, bytes and values arrive as they were sent, in order, under any message type', async () => {
    const [one, two] = await world.pair('script', 'kinds');
    await world.together(one, two);
    const bytes = Uint8Array.from({ length: 4_000 }, (_, i) => i * 31);
    for (const [from, to] of [
      [one, two],
      [two, one],
    ] as const) {
      from.send('naïve \u{1F600}');
      from.room.sendBytes('raw', bytes);
      from.send({ nested: [1, -2.5, null, { deep: true }], when: 'now' });
      from.send([1, 2, 3], 'move');
      from.room.send(7, 'by number');
      from.send(undefined, 'nudge');
      await to.have('nudge');
      expect(to.events.filter((e) => e.type !== 'linked').map((e) => e.type)).toEqual([
        'data',
        'raw',
        'data',
        'move',
        '7',
        'nudge',
      ]);
      expect(to.of('data')).toEqual([
        'naïve \u{1F600}',
        { nested: [1, -2.5, null, { deep: true }], when: 'now' },
      ]);
      expect(Buffer.from(to.of('raw')[0]).equals(Buffer.from(bytes))).toBe(true);
      expect(to.of('7')).toEqual(['by number']);
    }
    await Promise.all([one.leave(), two.leave()]);
  });

  test('a peer cannot speak in the name of the service', async () => {
    const [one, two] = await world.pair('script', 'forger');
    const before = two.events.length;
    for (const type of ['linked', 'peer-left', 'error']) one.send({ peers: ['x'] }, type);
    // the same word spelt longer: a string with a one-byte length, and a two-byte spelling of each letter
    const raw = (...bytes: number[]) => one.room.connection.send(Uint8Array.from([13, ...bytes]));
    raw(0xd9, 5, ...Buffer.from('error'));
    raw(0xa0 | 10, ...[...Buffer.from('error')].flatMap((c) => [0xc0 | (c >> 6), 0x80 | (c & 0x3f)]));
    one.send('end');
    await two.have('data');
    expect(two.events.slice(before).map((e) => e.type)).toEqual(['data']);
    expect(await one.have('error', 5)).toMatchObject(Array(5).fill({ code: 'BATON_MESSAGE_RESERVED' }));
    await Promise.all([one.leave(), two.leave()]);
  });

  test('messages sent while the two come to one host are held back in order', async () => {
    for (let i = 0; i < 5; i++) {
      const one = await world.open('script', `gather-${i}`);
      const late = await world.openHeldApart('script', `gather-${i}-late`, one);
      const two = await late.release({ peer: one.id });
      await Promise.all([one.linked(two), two.linked(one)]);
      for (let n = 0; n < 50; n++) one.count();
      const sender = setInterval(() => {
        two.count();
        one.count();
      }, 1);
      await until(() => two.sent >= 200, 'enough messages');
      clearInterval(sender);
      await Promise.all([one.have('data', two.sent), two.have('data', one.sent)]);
      expect([...lostBetween(one, two), ...lostBetween(two, one)]).toEqual([]);
      await world.together(one, two);
      await Promise.all([one.leave(), two.leave()]);
    }
  });

  test('20 pairs that exchange numbers are moved, drained and reloaded', async () => {
    const pairs = await Promise.all(Array.from({ length: 20 }, (_, i) => world.pair('script', `pair-${i}`)));
    await Promise.all(pairs.map(([a, b]) => world.together(a, b)));
    const players = pairs.flat();
    const playing = setInterval(() => {
      for (const player of players) player.count();
    }, 5);
    for (const [a, b] of pairs.slice(0, 10)) {
      const { to } = await world.service.moveAway(a.id);
      expect([await world.hostOf(a), await world.hostOf(b)]).toEqual([to, to]);
    }
    for (let i = 0; i < 2; i++) {
      const host = (await world.service.hosts()).filter((h) => h.state === 'up')[i]!;
      expect(await world.service.drain(host.id)).toMatchObject({ refused: [] });
      await until(
        async () => (await world.service.hosts()).filter((h) => h.state === 'up').length === 2,
        'two hosts',
        30_000,
      );
    }
    expect(await world.service.reload()).toMatchObject({ refused: [] });
    await Promise.all(pairs.map(([a, b]) => world.together(a, b)));
    clearInterval(playing);
    await Promise.all(pairs.flatMap(([a, b]) => [a.have('data', b.sent), b.have('data', a.sent)]));
    expect(pairs.flatMap(([a, b]) => [...lostBetween(a, b), ...lostBetween(b, a)])).toEqual([]);
    expect(players[0]!.sent).toBeGreaterThan(100);
    const rooms = await world.service.rooms();
    for (const player of players) {
      expect(player.of('linked').length).toBe(1);
      expect(rooms.find((room) => room.roomId === player.id)!.moves).toBeGreaterThan(0);
    }
    await Promise.all(players.map((p) => p.leave()));
  }, 120_000);

  test('more messages than the mapping allows end the socket', async () => {
    const player = await world.open('quiet', 'chatty');
    for (let i = 0; i < 100; i++) player.send(i);
    await player.have('close');
    expect(player.closes).toEqual([{ code: 4016, reason: 'BATON_TOO_MANY_MESSAGES' }]);
    expect(player.of('error').at(-1).code).toBe('BATON_TOO_MANY_MESSAGES');
  });

  test('what is sent to nobody is answered once, what is sent while waiting is bounded', async () => {
    const alone = await world.open('script', 'alone');
    for (let i = 0; i < 5; i++) alone.send(i);
    expect(await alone.failed()).toBe('BATON_NOT_LINKED');
    const waiting = await world.open('script', 'talkative', { peer: 'nobody' });
    for (let i = 0; i < 70; i++) waiting.room.sendBytes('data', new Uint8Array(1024));
    await waiting.have('close');
    expect(waiting.closes).toEqual([{ code: 4013, reason: 'BATON_HELD_OVERFLOW' }]);
    expect(alone.of('error').length).toBe(1);
    await alone.leave();
  });

  test('what is held back is as much as the mapping says; where it says so the rest is left out', async () => {
    for (const [mapping, kept] of [
      ['roomy', 70],
      ['volatile', 59], // of 64 KiB, each with its frame and 64 bytes more
    ] as const) {
      const early = await world.open(mapping, `${mapping}-early`, { peer: `${mapping}-late` });
      for (let i = 0; i < 70; i++) early.room.sendBytes('data', new Uint8Array(1024).fill(i));
      early.send('refused', 'linked');
      await early.have('error'); // all before it was heard
      const late = await world.open('script', `${mapping}-late`, { alias: `${mapping}-late` });
      await early.linked(late);
      early.send('now');
      const heard = await late.have('data', kept + 1);
      expect(heard.map((data) => data[0])).toEqual([...Array(kept).keys(), 'n']);
      expect(early.closes).toEqual([]);
      await Promise.all([early.leave(), late.leave()]);
    }
  });

  test('no rooms are left when everybody has gone', async () => {
    await world.leaveAll();
    await until(async () => (await world.service.rooms()).length === 0, 'every room to be gone');
  });

  test('each socket was closed for its function once, however often it moved', async () => {
    const opened = world.functions.calls.filter(({ headers }) => headers['ce-type'] === 'baton.socket.open');
    const closes = () =>
      opened.map(({ headers }) => world.functions.of('close', headers['ce-subject']!).length);
    await until(() => closes().every((count) => count > 0), 'the close calls');
    expect(closes()).toEqual(opened.map(() => 1));
    expect(opened.length).toBeGreaterThan(40);
  });

  test('a host that only stood still for a while: nobody notices, and nothing is lost', async () => {
    const [one, two] = await world.pair('script', 'slow');
    await world.together(one, two);
    const id = await world.hostOf(one);
    const { pid } = (await world.service.hosts()).find((host) => host.id === id)!;
    kill(pid, 'SIGSTOP');
    for (let n = 1; n <= 3; n++) {
      one.send(n);
      two.send(n);
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // one that hangs is ended after five seconds
    }
    kill(pid, 'SIGCONT');
    for (const player of [one, two]) {
      expect(await player.have('data', 3)).toEqual([1, 2, 3]);
      expect([player.drops, player.closes, player.of('peer-left')]).toEqual([0, [], []]);
    }
    expect(world.functions.of('close', one.id)).toEqual([]);
    await Promise.all([one.leave(), two.leave()]);
  });
});

describe('a host that is killed', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ env: { KEEP_APART: '1' } });
  });
  afterAll(() => world?.stop());

  const hostPid = async (player: Player) => {
    const id = await world.hostOf(player);
    return (await world.service.hosts()).find((host) => host.id === id)!.pid;
  };

  test('the surviving peer is told, can be matched again, and nothing names the dead one', async () => {
    const one = await world.open('script', 'killed', { attributes: { team: 'red' } });
    const two = await world.openHeldApart('script', 'survivor', one);
    const survivor = await two.release({ peer: one.id });
    await Promise.all([one.linked(survivor), survivor.linked(one)]);
    one.room.reconnection.enabled = false;
    kill(await hostPid(one));
    const died = Date.now();
    expect(await survivor.have('peer-left')).toEqual([{ peer: one.id }]);
    expect(Date.now() - died).toBeLessThan(7_000); // nobody waited for its lease
    const late = await world.open('script', 'latecomer', { peer: one.id });
    expect(await late.failed()).toBe('BATON_LINK_GONE');
    const next = await world.open('script', 'successor', { peer: survivor.id });
    await Promise.all([next.linked(survivor), survivor.linked(next, 2)]);
    await until(() => world.functions.of('close', one.id).length > 0, 'the close call of the dead one');
    const calls = world.functions.of('close', 'killed');
    expect(calls.map(({ headers }) => headers['ce-subject'])).toEqual([one.id]);
    expect(JSON.parse(calls[0]!.body)).toEqual({ reason: 'host-lost' });
    expect(attributesOf(calls[0]!)).toEqual({ team: 'red' });
    expect(calls[0]!.headers['ce-epoch']).toBe('1');
    expect(calls[0]!.headers).not.toHaveProperty('ce-sequence');
  });

  test('nothing is left of a pair that died together with its host', async () => {
    const path = `${world.service.runtimeDir}/store.sock`;
    const store = await openStore({ kind: 'embedded', path, log: silentLog });
    const one = await world.open('script', 'doomed');
    let two: Player | undefined;
    for (let i = 0; !two; i++) {
      const held = await world.openHeld('script', `doomed-${i}`);
      const same = (await world.service.room(held.socketId))?.host === (await world.hostOf(one));
      const opened = await held.release(same ? { peer: one.id } : {});
      if (same) two = opened;
    }
    await Promise.all([one.linked(two), two.linked(one)]);
    const record = async ({ id }: Player) => JSON.parse((await store.get(`socket:${id}`))?.value ?? '{}');
    const { link } = await record(one);
    expect(await store.get(`link:default:${link}`)).toBeDefined();
    for (const player of [one, two]) player.room.reconnection.enabled = false;
    kill(await hostPid(one));
    const closed = async (player: Player) => (await record(player)).state === 'closed';
    await until(async () => (await closed(one)) && (await closed(two!)), 'both to be closed');
    expect(await store.get(`link:default:${link}`)).toBeUndefined();
    await store.close();
  });

  test('one that was taken for dead and is not: both hear that the link has ended, and can be matched again', async () => {
    const up = async () => (await world.service.hosts()).filter(({ state }) => state === 'up').length;
    await until(async () => (await up()) === 2, 'the dead host to be replaced', 20_000);
    const one = await world.open('script', 'stalled');
    const two = await world.openHeldApart('script', 'waiting', one);
    const other = await two.release({ peer: one.id });
    await Promise.all([one.linked(other), other.linked(one)]);
    const pid = await hostPid(one);
    const store = await openStore({
      kind: 'embedded',
      path: `${world.service.runtimeDir}/store.sock`,
      log: silentLog,
    });
    const host = (await store.hosts()).find((record) => record.pid === pid)!;
    kill(pid, 'SIGSTOP');
    try {
      await store.putHost(host, 1); // as if it had not renewed its lease for long
      await other.have('peer-left');
    } finally {
      kill(pid, 'SIGCONT');
      await store.close();
    }
    expect(await one.have('peer-left')).toEqual([{ peer: other.id }]);
    const next = await world.open('script', 'next', { peer: one.id });
    await Promise.all([next.linked(one), one.linked(next, 2)]);
    expect([one, other].flatMap(({ closes, drops }) => [closes.length, drops])).toEqual([0, 0, 0, 0]);
    await Promise.all([one, other, next].map((player) => player.leave()));
  });
});
