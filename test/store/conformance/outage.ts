import { matchMaker, Room, requestFromIPC } from '@colyseus/core';
import { afterEach, expect, test } from '@jest/globals';
import { openStore } from '../../../server/src/store/index.ts';
import { createLog, silentLog } from '../../../server/src/telemetry/index.ts';
import type { Backend, StartBackend } from '../backend.ts';
import { SilentProxy } from '../silent-proxy.ts';
import { connection, expectCode, host, Inbox, LONG, until } from '../support.ts';

const AWAY = 'BATON_STORE_UNAVAILABLE';

const timers = (room: Room): Record<string, NodeJS.Timeout> => Reflect.get(room, '_reservedSeatTimeouts');

/** The store killed, restarted, stopped and continued under its clients. */
export function outage(start: StartBackend): void {
  let backend: Backend | undefined;
  const fresh = async () => (backend = await start());
  afterEach(async () => {
    await backend?.close();
    backend = undefined;
  });

  test('killed: every call fails at once; back again: it works on, with its subscriptions', async () => {
    const server = await fresh();
    const space = await server.space();
    const [a, b] = [await space.open(), await space.open()];
    const [before, during, ended] = [new Inbox(), new Inbox(), new Inbox()];
    await a.presence.subscribe('before', before.receive);
    await a.presence.subscribe('ended', ended.receive);
    const states: boolean[] = [];
    a.onConnectionChange((up) => states.push(up));
    await server.kill();
    await Promise.all([connection(a, false), connection(b, false)]);
    expect(a.connected).toBe(false);
    await expectCode(a.hosts(), AWAY);
    await expectCode(a.ping(), AWAY);
    await expectCode(a.transfer([{ roomId: 'r', from: 'h1', epoch: 1, to: 'h2' }]), AWAY);
    await expectCode(a.set('k', 'v'), AWAY);
    await expectCode(a.presence.get('k'), AWAY);
    await expectCode(Promise.resolve(a.presence.set('k', 'v')), AWAY);
    await expectCode(Promise.resolve(a.driver.query({})), AWAY);
    await expectCode(Promise.resolve(a.driver.findOne({ name: 'x' })), AWAY);
    await a.presence.subscribe('during', during.receive);
    await a.presence.unsubscribe('ended', ended.receive);

    await server.restart();
    await Promise.all([connection(a, true), connection(b, true)]);
    for (const topic of ['before', 'during', 'ended', 'before']) await b.presence.publish(topic, topic);
    expect(await before.have(2)).toEqual(['before', 'before']);
    expect(await during.have(1)).toEqual(['during']);
    expect(ended.messages).toEqual([]);
    expect((await b.presence.channels()).sort()).toEqual(['before', 'during']);
    expect(await a.driver.query({})).toEqual([]);
    expect(states).toEqual([false, true]);
  });

  test('restarted without its data: hosts register anew and claim what they had', async () => {
    const server = await fresh();
    const store = await (await server.space()).open();
    const id = await store.nextHostId();
    await store.nextHostId();
    await store.putHost(host('h2'), LONG);
    await store.claim('r', 'h2', 6);
    await server.kill();
    await connection(store, false);
    await server.restart();
    await connection(store, true);
    expect(await store.owner('r')).toBeUndefined();
    expect(await store.putHost(host('h2'), LONG)).toBe(true);
    expect(await store.claim('r', 'h2', 6)).toEqual({ roomId: 'r', host: 'h2', epoch: 6 });
    expect([id, await store.nextHostId()]).toEqual(['h1', 'h3']);
  });

  test('calls under way when it is killed fail, none hangs', async () => {
    const server = await fresh();
    const store = await (await server.space()).open();
    const calls: Promise<unknown>[] = [store.presence.brpop('list', 60), store.presence.brpop('list', 0)];
    await store.ping();
    server.pause();
    calls.push(store.hosts(), store.presence.hset('h', 'f', 'v'), store.driver.findByIds(['r']));
    const failures = Promise.all(calls.map((call) => expectCode(call, AWAY)));
    await server.kill();
    await failures;
  });

  test('stopped: a call fails in its time, later ones at once; continued: it works on', async () => {
    const server = await fresh();
    const space = await server.space();
    const [a, b] = [await space.open({ timeoutMs: 300 }), await space.open({ timeoutMs: 300 })];
    const [before, during, ended] = [new Inbox(), new Inbox(), new Inbox()];
    await a.presence.subscribe('before', before.receive);
    await a.presence.subscribe('ended', ended.receive);
    await a.putHost(host('h1'), LONG);
    server.pause();
    await expectCode(a.owner('r'), AWAY);
    await connection(b, false);
    expect(a.connected).toBe(false);
    await expectCode(a.claim('r', 'h1'), AWAY);
    await expectCode(a.presence.incr('n'), AWAY);
    await expectCode(Promise.resolve(a.driver.has('r')), AWAY);
    await a.presence.subscribe('during', during.receive);
    await a.presence.unsubscribe('ended', ended.receive);

    server.resume();
    await Promise.all([connection(a, true), connection(b, true)]);
    expect((await a.hosts()).map((record) => record.id)).toEqual(['h1']);
    expect(await a.claim('r', 'h1')).toMatchObject({ epoch: 1 });
    await until('the subscriptions are told', async () => {
      const channels = await b.presence.channels();
      return channels.includes('during') && !channels.includes('ended');
    });
    for (const topic of ['before', 'during', 'ended']) await b.presence.publish(topic, topic);
    expect(await during.have(1)).toEqual(['during']);
    expect(await before.have(1)).toEqual(['before']);
    expect(ended.messages).toEqual([]);
    expect(await b.presence.incr('n')).toBe(1);
  });

  test('stopped for longer than the leases: no host is declared dead', async () => {
    const server = await fresh();
    const store = await (await server.space()).open({ timeoutMs: 300 });
    await store.putHost(host('h1'), 500);
    await store.claim('r', 'h1');
    server.pause();
    await new Promise((resolve) => setTimeout(resolve, 800));
    server.resume();
    await connection(store, true);
    expect(await store.expireHosts()).toEqual([]);
    expect(await store.owner('r')).toEqual({ roomId: 'r', host: 'h1', epoch: 1 });
  });

  test('Colyseus’ requests between processes end with an error while it is away', async () => {
    const server = await fresh();
    const store = await (await server.space()).open();
    await server.kill();
    await connection(store, false);
    await expect(requestFromIPC(store.presence, 'p:other', 'method', [], 200)).rejects.toThrow('ipc_timeout');
    expect(await store.presence.hincrbyex('c', 'k', 1, 5)).toBe(1);
    store.presence.publish('topic', 1);
    store.presence.unsubscribe('topic');
    store.driver.remove('r');
  });

  test('away at start: it is tried again, with a message each time, until it is there', async () => {
    const server = await fresh();
    const space = await server.space();
    await server.kill();
    const lines: string[] = [];
    const log = createLog({ level: 'warn', format: 'json', write: (line) => lines.push(line) });
    const opening = space.open({ log });
    await until('two messages', () => lines.length >= 2);
    await server.restart();
    const store = await opening;
    await store.ping();
    expect(lines.every((line) => line.includes('store away; trying again'))).toBe(true);
  });

  test('away at start for too long: the error says where, why and for how long', async () => {
    const server = await fresh();
    const space = await server.space();
    await server.kill();
    const opening = space.open({ deadlineMs: 500 });
    await expect(opening).rejects.toMatchObject({
      code: AWAY,
      message: expect.stringMatching(/(ECONNREFUSED|ENOENT).*tried for 0\.5 s/),
    });
  });

  test('a connection that falls silent is made anew', async () => {
    const server = await fresh();
    const space = await server.space();
    const proxy = await SilentProxy.before(space.options);
    const store = await openStore({ ...proxy.options, log: silentLog, timeoutMs: 100 });
    const inbox = new Inbox();
    await store.presence.subscribe('topic', inbox.receive);
    proxy.silence();
    await connection(store, false);
    await connection(store, true);
    await store.presence.publish('topic', 'again');
    expect(await inbox.have(1)).toEqual(['again']);
    expect(await store.nextHostId()).toBe('h1');
    await store.close();
    await proxy.close();
  });

  test('Colyseus’ matchmaking: while it is away a join fails, none hangs; then rooms are found again', async () => {
    const server = await fresh();
    const store = await (await server.space()).open();
    await matchMaker.setup(store.presence, store.driver);
    matchMaker.setHealthChecksEnabled(false);
    await matchMaker.accept();
    const made: Room[] = [];
    class Arena extends Room {
      override onCreate() {
        made.push(this);
      }
    }
    matchMaker.defineRoomType('arena', Arena);
    const room = await matchMaker.joinOrCreate('arena', {});
    expect(await matchMaker.query({ name: 'arena' })).toMatchObject([{ roomId: room.roomId, clients: 1 }]);
    await matchMaker.stats.persist(true);
    expect(await matchMaker.stats.fetchAll()).toMatchObject([
      { processId: matchMaker.processId, roomCount: 1 },
    ]);

    await server.kill();
    await connection(store, false);
    await expect(matchMaker.joinOrCreate('arena', {})).rejects.toThrow();
    await expect(matchMaker.joinById(room.roomId, {})).rejects.toThrow();
    await expect(matchMaker.createRoom('arena', {})).rejects.toThrow();
    await server.restart();
    await connection(store, true);
    await matchMaker.restoreMissingRoomCaches();
    const again = await matchMaker.joinOrCreate('arena', {});
    expect(again.roomId).toBe(room.roomId);
    await matchMaker.gracefullyShutdown();
    // Colyseus leaves a room that could not be recorded, and seats nobody took, to their timers.
    for (const one of made) {
      await one.disconnect();
      for (const timer of Object.values(timers(one))) clearTimeout(timer);
    }
    expect(await store.driver.query({})).toEqual([]);
    expect(await store.presence.channels('p:*')).toEqual([]);
  });

  test('closed: its calls fail, it connects no more, others go on', async () => {
    const server = await fresh();
    const space = await server.space();
    const [a, b] = [await space.open(), await space.open()];
    const waiting = a.presence.brpop('list', 0);
    await b.ping();
    await a.close();
    await a.close();
    await expectCode(waiting, AWAY);
    await expectCode(a.hosts(), AWAY);
    await expectCode(Promise.resolve(a.driver.has('r')), AWAY);
    expect(a.connected).toBe(false);
    await b.ping();
  });
}
