// How many sockets a tenant may have, counted over hosts that come, go and die; on both kinds of store.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { SocketQuota } from '../../server/src/tenants/index.ts';
import type { Backend, Space } from '../store/backend.ts';
import { host, LONG, until } from '../store/support.ts';
import { backends } from './house.ts';

const refused = { code: 'BATON_QUOTA_SOCKETS', status: 429 };

describe.each(backends)('on the %s store', (_kind, start) => {
  let backend: Backend;
  let space: Space;
  const ends: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    backend = await start();
  });
  afterAll(() => backend.close());
  beforeEach(async () => {
    space = await backend.space();
  });
  afterEach(async () => {
    await Promise.all(ends.splice(0).map((end) => end()));
  });

  /** A host whose sockets are names. */
  async function counter(limit: number | undefined, { lease = LONG, recountEveryMs = 50 } = {}) {
    const store = await space.open();
    const id = await store.nextHostId();
    await store.putHost(host(id), lease);
    const sockets = new Map<string, string>();
    const held = () => {
      const counts = new Map<string, number>();
      for (const tenant of sockets.values()) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
      return counts;
    };
    const quota = new SocketQuota({
      store,
      host: id,
      log: silentLog,
      limitOf: () => limit,
      held,
      recountEveryMs,
    });
    quota.start();
    ends.push(() => quota.stop());
    return {
      id,
      quota,
      sockets,
      hosts: () => store.hosts(),
      open: (socketId: string, tenant = 'a') =>
        quota.take(tenant, async () => {
          sockets.set(socketId, tenant);
        }),
      close: (socketId: string, tenant = 'a') => {
        sockets.delete(socketId);
        quota.closed(tenant);
      },
      written: async (tenant = 'a') => Number(await store.presence.hget(`baton:socket-count:${tenant}`, id)),
    };
  }

  test('the limit holds over all hosts; what closes makes room; each tenant has its own', async () => {
    const [one, two] = [await counter(3), await counter(3)];
    await one.open('s1');
    await one.open('s2');
    await two.open('s3');
    await expect(two.open('s4')).rejects.toMatchObject(refused);
    await expect(one.open('s4')).rejects.toMatchObject(refused);
    await two.open('s4', 'b');
    one.close('s1');
    await until('its number is written', async () => (await one.written()) === 1);
    await two.open('s5');
    await expect(one.open('s6')).rejects.toMatchObject(refused);
  });

  test('nothing is made beyond it', async () => {
    const one = await counter(0);
    let made = false;
    const take = one.quota.take('a', async () => {
      made = true;
    });
    await expect(take).rejects.toMatchObject({ ...refused, details: { tenant: 'a', limit: 0 } });
    expect(made).toBe(false);
  });

  test('many at once never get more than there is, and one host gives all of it', async () => {
    const one = await counter(5);
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => one.open(`s${i}`)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    const two = await counter(8);
    const three = await counter(8);
    await Promise.allSettled(Array.from({ length: 20 }, (_, i) => (i % 2 ? two : three).open(`t${i}`)));
    expect(one.sockets.size + two.sockets.size + three.sockets.size).toBeLessThanOrEqual(8);
  });

  test('a socket that was not made after all does not count', async () => {
    const one = await counter(1);
    await expect(
      one.quota.take('a', async () => {
        throw new Error('no room');
      }),
    ).rejects.toThrow('no room');
    await one.open('s1');
  });

  test('a move keeps the number, whoever counts first', async () => {
    const [one, two] = [await counter(2), await counter(2)];
    await one.open('s1');
    await one.open('s2');
    one.sockets.delete('s1'); // nobody reports that it left
    two.sockets.set('s1', 'a');
    two.quota.arrived('a');
    await until('both have counted', async () => (await one.written()) === 1 && (await two.written()) === 1);
    await expect(two.open('s3')).rejects.toMatchObject(refused);
  });

  test('a socket that arrives counts at once', async () => {
    const [one, two] = [await counter(1), await counter(1, { recountEveryMs: LONG })];
    two.sockets.set('s1', 'a');
    two.quota.arrived('a');
    await until('its number is written', async () => (await two.written()) === 1);
    await expect(one.open('s2')).rejects.toMatchObject(refused);
  });

  test('the sockets of a dead host do not count', async () => {
    const [one, dying] = [await counter(2), await counter(2, { lease: 300 })];
    await dying.open('s1');
    await dying.open('s2');
    await expect(one.open('s3')).rejects.toMatchObject(refused);
    clearInterval((dying.quota as any).timer);
    await until('its lease is over', async () => (await one.hosts()).length === 1);
    await one.open('s3');
    expect(await dying.written()).toBe(0);
  });

  test('a tenant without a limit costs the store nothing', async () => {
    const one = await counter(undefined);
    await one.open('s1');
    one.close('s1');
    one.quota.arrived('a');
    expect(await one.written()).toBe(0);
  });
});
