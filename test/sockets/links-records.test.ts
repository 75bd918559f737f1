// Rules of links that the model test does not reach: bounds, other tenants, stale hosts, a store that lost its data or
// did not answer.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { MAX_MEMBERS } from '../../server/src/link-size.ts';
import { meetingPlace, news } from '../../server/src/sockets/links/index.ts';
import { MAX_WAITING, socketKey, waitingKey } from '../../server/src/sockets/links/records.ts';
import { EmbeddedStoreServer, openStore, type Store } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { until } from '../store/support.ts';
import { Cluster, type FakeHost, type FakeRoom } from './links/hosts.ts';

let dir: string;
let server: EmbeddedStoreServer;
let store: Store;
let cluster: Cluster;
let one: FakeHost;
let two: FakeHost;
beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-links-'));
});
afterAll(() => fs.rmSync(dir, { recursive: true }));
beforeEach(async () => {
  const at = path.join(dir, `store-${Math.random()}.sock`);
  server = await EmbeddedStoreServer.listen({ path: at, log: silentLog });
  store = await openStore({ kind: 'embedded', path: at, log: silentLog });
  cluster = new Cluster(store);
  one = await cluster.start();
  two = await cluster.start();
});
afterEach(async () => {
  await cluster.stop();
  await store.close();
  await server.close();
});

const peersOf = (room: FakeRoom) => room.link?.peers;
const many = (count: number, from = 0) => Array.from({ length: count }, (_, at) => `p${from + at}`);

describe('opening', () => {
  test('a socket that wants nothing costs one commit and no read', async () => {
    const counts = { getMany: 0, commit: 0 };
    for (const name of ['getMany', 'commit'] as const) {
      const real = store[name].bind(store) as (...args: never[]) => Promise<never>;
      (store as any)[name] = (...args: never[]) => {
        counts[name]++;
        return real(...args);
      };
    }
    await one.settle('a', {});
    expect(counts).toEqual({ getMany: 0, commit: 1 });
    await two.settle('b', { peers: ['a'] });
    await cluster.idle();
    expect(counts).toEqual({ getMany: 1, commit: 2 });
  });

  test('a wish that cannot be granted leaves the socket open, and everything as it was', async () => {
    const [a, b] = [await one.settle('a', {}), await two.settle('b', { peers: ['a'] })];
    const c = await two.settle('c', { alias: 'blue', peers: ['a'] });
    await cluster.idle();
    expect(c.errors).toEqual(['BATON_LINK_TAKEN']);
    await one.linking.settle(a, { unlink: true, peers: ['a'] }, 1_000);
    expect([peersOf(a), peersOf(b), a.errors]).toEqual([['b'], ['a'], ['BATON_LINK_SELF']]);
    const d = await one.settle('d', { alias: 'blue', peers: ['c'] });
    await cluster.idle();
    expect([peersOf(d), peersOf(c), d.alias]).toEqual([['c'], ['d'], 'blue']);
  });

  test('those who wait for an alias that was not given after all wait on', async () => {
    const waiting = [await one.settle('a', { peers: ['blue'] }), await two.settle('b', { peers: ['blue'] })];
    const c = await one.settle('c', { alias: 'blue', peers: ['c'] });
    expect([c.errors, c.alias]).toEqual([['BATON_LINK_SELF'], undefined]);
    const d = await two.settle('d', { alias: 'blue' });
    await cluster.idle();
    expect([peersOf(d), ...waiting.map(({ errors }) => errors)]).toEqual([['a'], [], ['BATON_LINK_TAKEN']]);
  });

  test('a peer of another tenant is gone for whoever names it', async () => {
    const theirs = await one.settle('theirs', {}, 1_000, 'other');
    const mine = await two.settle('mine', { peers: ['theirs'] });
    expect([mine.errors, theirs.errors, peersOf(theirs)]).toEqual([['BATON_LINK_GONE'], [], undefined]);
    await expect(two.linking.unlink('t', 'theirs')).rejects.toMatchObject({ code: 'BATON_SOCKET_NOT_FOUND' });
    await expect(two.linking.link('t', 'theirs', { peers: ['mine'] })).rejects.toMatchObject({
      code: 'BATON_SOCKET_NOT_FOUND',
    });
    // neither do names of theirs mean anything here, nor groups
    await one.settle('named', { alias: 'red', group: { name: 'g', size: 2 } }, 1_000, 'other');
    const waits = await two.settle('waits', { alias: 'red', group: { name: 'g', size: 2 } });
    expect([waits.errors, waits.wait?.group?.name]).toEqual([[], 'g']);
  });

  test('one of another tenant, or a room that is no socket, that is yet to open is gone as well', async () => {
    two.rooms.set('theirs', Object.assign(await two.settle('x', {}), { tenant: 'other' }));
    await store.claim('theirs', two.id);
    const waits = await one.settle('waits', { peers: ['theirs'] });
    await cluster.idle();
    expect([waits.errors, waits.wait]).toEqual([['BATON_LINK_GONE'], undefined]);
    expect(await store.get(waitingKey('t', 'theirs'))).toBeUndefined();
  });

  test('a host that is not the owner any more changes nothing', async () => {
    const room = await one.settle('a', {});
    const record = JSON.parse((await store.get(socketKey('a')))!.value) as object;
    await store.set(socketKey('a'), JSON.stringify({ ...record, epoch: 2 }));
    await one.linking.settle(room, { alias: 'red' }, 1_000);
    expect(room.errors).toEqual(['BATON_LINK_STALE']);
    expect(await store.get('alias:t:red')).toBeUndefined();
  });
});

describe('bounds', () => {
  test('so many may wait for the same one', async () => {
    const rooms = [];
    for (const id of many(MAX_WAITING + 1)) rooms.push(await one.settle(id, { peers: ['star'] }));
    expect(rooms.at(-1)!.errors).toEqual(['BATON_LINK_TAKEN']);
    const star = await two.settle('star', {});
    await cluster.idle();
    expect(peersOf(star)).toEqual(['p0']);
    const codes = rooms.slice(1).map(({ errors }) => errors);
    expect(codes).toEqual(codes.map(() => ['BATON_LINK_TAKEN']));
    expect(await store.get(waitingKey('t', 'star'))).toBeUndefined();
  });

  test('the largest link, of sockets with aliases that all name all others, is one commit', async () => {
    const names = many(MAX_MEMBERS);
    const rooms = [];
    for (const [at, id] of names.entries()) {
      const others = names.filter((name) => name !== id).map((name) => (at % 2 ? name : `alias-${name}`));
      rooms.push(await (at % 2 ? one : two).settle(id, { alias: `alias-${id}`, peers: others }));
    }
    await cluster.idle();
    expect(rooms.map((room) => [...peersOf(room)!, room.roomId].sort())).toEqual(
      rooms.map(() => [...names].sort()),
    );
    const over = await one.settle('over', { peers: many(MAX_MEMBERS, 100) });
    expect(over.errors).toEqual(['BATON_INVALID_REQUEST']);
    const large = await one.settle('large', { group: { name: 'g', size: MAX_MEMBERS + 1 } });
    expect(large.errors).toEqual(['BATON_INVALID_REQUEST']);
  });
});

describe('groups', () => {
  const group = (size = 3) => ({ group: { name: 'g', size } });

  test('form when the last one has come; another one, or one of another size, is one too many', async () => {
    const rooms = [await one.settle('a', group()), await two.settle('b', group())];
    expect((await one.settle('wrong', group(4))).errors).toEqual(['BATON_LINK_TAKEN']);
    expect(rooms.map((room) => room.wait?.group)).toEqual(Array(2).fill({ name: 'g', size: 3 }));
    expect((await one.settle('outsider', { peers: ['a'] })).errors).toEqual(['BATON_LINK_TAKEN']);
    rooms.push(await two.settle('c', group()));
    await cluster.idle();
    expect(rooms.map(peersOf)).toEqual([
      ['b', 'c'],
      ['a', 'c'],
      ['a', 'b'],
    ]);
    expect((await one.settle('late', group())).errors).toEqual(['BATON_LINK_TAKEN']);
  });

  test('take the next one when somebody has left, also when only one is left', async () => {
    const rooms = [
      await one.settle('a', group()),
      await two.settle('b', group()),
      await one.settle('c', group()),
    ];
    await cluster.close('b');
    await cluster.idle();
    expect([peersOf(rooms[0]!), rooms[0]!.clientPeers]).toEqual([['c'], ['c']]);
    await cluster.close('c');
    await cluster.idle();
    expect([peersOf(rooms[0]!), rooms[0]!.wait]).toEqual([[], undefined]);
    const next = [await two.settle('d', group()), await two.settle('e', group())];
    await cluster.idle();
    expect([rooms[0]!, ...next].map(peersOf)).toEqual([
      ['d', 'e'],
      ['a', 'e'],
      ['a', 'd'],
    ]);
  });

  test('one that is left alone may be linked with others; its place goes with it', async () => {
    const a = await one.settle('a', group(2));
    await two.settle('b', group(2));
    await cluster.close('b');
    const c = await two.settle('c', { peers: ['a'] });
    await cluster.idle();
    expect([peersOf(a), peersOf(c)]).toEqual([['c'], ['a']]);
    expect((await two.settle('d', group(2))).wait?.group?.name).toBe('g');
  });

  test('time out for those who came', async () => {
    const a = await one.settle('a', group(), 20);
    await until('it waits no more', () => a.wait === undefined);
    expect(a.errors).toEqual(['BATON_LINK_TIMEOUT']);
    expect(await store.get('link:t:group/g')).toBeUndefined();
  });
});

test('the room that peers are to get is that of whoever said so first, and goes with their link', async () => {
  const arena = { name: 'arena', options: { map: 3 } };
  const a = await one.settle('a', { peers: ['b'], room: arena });
  const b = await two.settle('b', {});
  const group = { name: 'g', size: 2 };
  const c = await one.settle('c', { group, room: arena });
  const d = await two.settle('d', { group, room: { name: 'other' } });
  await cluster.idle();
  expect([a, b, c, d].map(({ link }) => link?.room)).toEqual([arena, arena, arena, arena]);
});

test('a link has one room, whoever makes one, and another one when that is past', async () => {
  const arena = { name: 'arena', options: { map: 3 } };
  const other = { name: 'other', options: {} };
  const a = await one.settle('a', { peers: ['b'], room: arena });
  const b = await two.settle('b', {});
  await cluster.idle();
  const { id } = a.link!;
  const rooms = () => [a.link?.room, b.link?.room];
  const given = await Promise.all([
    one.linking.giveRoom(a, id, 'r1'),
    two.linking.giveRoom(b, id, 'r2'),
    two.linking.giveRoom(b, id, 'r3'),
  ]);
  expect(new Set(given).size).toBe(1);
  const [made] = given;
  await one.linking.settle(a, { room: other }, 0); // it has one
  await one.linking.withdrawRoom(a, id); // it is made
  await cluster.idle();
  expect(rooms()).toEqual(Array(2).fill({ ...arena, id: made }));
  await two.linking.settle(b, { room: other, past: 'r0' }, 0);
  await cluster.idle();
  expect(rooms()).toEqual(Array(2).fill({ ...arena, id: made }));
  await two.linking.settle(b, { room: other, past: made! }, 0);
  await cluster.idle();
  expect(rooms()).toEqual([other, other]);
  await two.linking.withdrawRoom(b, id);
  await cluster.idle();
  expect([...rooms(), await one.linking.giveRoom(a, id, 'r4')]).toEqual([undefined, undefined, undefined]);
  const c = await one.settle('c', { room: arena });
  expect(c.errors).toEqual(['BATON_LINK_STALE']);
});

describe('when the store', () => {
  test('has lost its records, sockets are put back with their links', async () => {
    const rooms = [await one.settle('a', {}), await two.settle('b', { peers: ['a'] })];
    const waits = await one.settle('c', { alias: 'red', peers: ['nobody'] });
    await cluster.idle();
    const keys = ['a', 'b', 'c'].map(socketKey);
    await store.commit([...keys, `link:t:${rooms[0]!.link!.id}`, 'alias:t:red'].map((key) => ({ key })));
    await one.linking.restore([rooms[0]!, waits]);
    await two.linking.restore([rooms[1]!]);
    await cluster.idle();
    expect((await store.getMany(keys)).size).toBe(3);
    expect(rooms.map((room) => [peersOf(room), room.clientPeers])).toEqual([
      [['b'], ['b']],
      [['a'], ['a']],
    ]);
    expect((await two.settle('d', { peers: ['a'] })).errors).toEqual(['BATON_LINK_TAKEN']);
    const e = await two.settle('e', { peers: ['red'] });
    await cluster.idle();
    expect(peersOf(e)).toEqual(['c']);
    await cluster.close('a');
    await cluster.idle();
    expect(peersOf(rooms[1]!)).toBeUndefined();
  });

  test('took a socket for closed that is alive, it is open again, without its link', async () => {
    const [a, b] = [await one.settle('a', {}), await two.settle('b', { peers: ['a'] })];
    await two.linking.bury('t', 'a');
    await cluster.idle();
    expect([peersOf(b), peersOf(a)]).toEqual([undefined, ['b']]);
    await one.linking.restore([a]);
    await cluster.idle();
    expect([peersOf(a), a.clientPeers]).toEqual([undefined, []]);
    const c = await two.settle('c', { peers: ['a'] });
    await cluster.idle();
    expect([peersOf(a), peersOf(c)]).toEqual([['c'], ['a']]);
  });

  test.each([true, false])('did not answer (done: %s), the room learns what was done', async (done) => {
    await one.settle('a', {});
    const commit = store.commit.bind(store);
    let failed = false;
    store.commit = async (changes) => {
      if (failed) return commit(changes);
      failed = true;
      if (done) await commit(changes);
      throw new Error('no answer');
    };
    const b = await two.settle('b', { peers: ['a'] });
    await until('it has learnt it', () => b.settled);
    await cluster.idle();
    expect([peersOf(b), b.errors.length]).toEqual([done ? ['a'] : undefined, 1]);
    expect(peersOf(cluster.room('a')!)).toEqual(done ? ['b'] : undefined);
  });
});

describe('where linked sockets meet', () => {
  const up = new Set(['h1', 'h2', 'h3']);
  const at = (hosts: Record<string, string>) => new Map(Object.entries(hosts));

  test('where most of them are; of two such places at the one of the lowest id; never on one that is draining', () => {
    expect(meetingPlace(['c', 'a', 'b'], at({ a: 'h1', b: 'h2', c: 'h2' }), up)).toBe('h2');
    expect(meetingPlace(['b', 'a'], at({ a: 'h2', b: 'h1' }), up)).toBe('h2');
    expect(meetingPlace(['a', 'b', 'c'], at({ a: 'h1', b: 'h1', c: 'h2' }), new Set(['h2', 'h3']))).toBe(
      'h2',
    );
    expect(meetingPlace(['a', 'b'], at({ a: 'h1', b: 'h1' }), new Set(['h3']))).toBeUndefined();
    expect(meetingPlace(['a', 'b'], at({}), up)).toBeUndefined();
  });
});

describe('what a client is told', () => {
  const alone = { peers: [], bereft: false };
  const linkedWith = (...peers: string[]) => ({ peers, bereft: false });
  const link = (...peers: string[]) => ({ version: 2, link: { id: 'l', peers } });

  test('who came and who left, once; what follows is the mapping’s affair', () => {
    expect(news(alone, link('b'), 'close')).toMatchObject({ linked: ['b'], left: [], status: 'linked' });
    const left = { linked: undefined, left: ['c'], allLeft: false, status: 'linked' };
    expect(news(linkedWith('b', 'c'), link('b'), 'keep')).toMatchObject({ ...left, close: false });
    expect(news(linkedWith('b', 'c'), link('b'), 'close')).toMatchObject({ ...left, close: true });
    const last = news(linkedWith('b'), { version: 2 }, 'wait');
    expect(last).toMatchObject({ left: ['b'], allLeft: true, status: 'waiting', bereft: true });
    expect(news(last, { version: 3, alias: 'x' }, 'wait')).toMatchObject({ left: [], status: 'waiting' });
    expect(news(last, link('d'), 'wait')).toMatchObject({ linked: ['d'], status: 'linked', bereft: false });
  });

  test('a socket that was unlinked, or linked anew, is not closed over it', () => {
    expect(news(linkedWith('b'), { version: 2, unlinked: true }, 'close').close).toBe(false);
    expect(news(linkedWith('b'), link('c'), 'close')).toMatchObject({
      left: ['b'],
      allLeft: true,
      linked: ['c'],
      close: false,
    });
  });
});
