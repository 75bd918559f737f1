// The records behind links and waiting, on an embedded store: whatever happens at the same time or half-way, a socket
// has one peer or none, both sides agree, and nothing stays taken.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Links } from '../../server/src/sockets/links.ts';
import { MAX_WISHES, Wishes } from '../../server/src/sockets/wishes.ts';
import { EmbeddedStoreServer, openStore, type Store } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { Random } from '../migration/schema/random.ts';
import { host } from '../store/support.ts';

const seed = Number(process.env['BATON_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

let dir: string;
let server: EmbeddedStoreServer;
let store: Store;
beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-records-'));
});
afterAll(() => fs.rmSync(dir, { recursive: true }));
beforeEach(async () => {
  const at = path.join(dir, `store-${Math.random()}.sock`);
  server = await EmbeddedStoreServer.listen({ path: at, log: silentLog });
  store = await openStore({ kind: 'embedded', path: at, log: silentLog });
  await store.putHost(host(await store.nextHostId()), 600_000);
  for (const name of NAMES) await store.claim(name, 'h1');
});
afterEach(async () => {
  await store.close();
  await server.close();
});

/** A process that dies (its calls no longer reach the store) after so many changes. */
function dying(changes: number): Store {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (name !== 'set' && name !== 'del') return typeof value === 'function' ? value.bind(target) : value;
      return (...args: unknown[]) =>
        changes-- > 0 ? value.apply(target, args) : Promise.reject(new Error('the process is dead'));
    },
  });
}

async function pairs(links: Links): Promise<string[]> {
  const found = await Promise.all(
    NAMES.map(async (name) => {
      const peer = await links.peerOf(name);
      if (peer !== undefined) expect(await links.peerOf(peer)).toBe(name);
      return peer === undefined ? '' : [name, peer].sort().join('');
    }),
  );
  return [...new Set(found)].filter((pair) => pair !== '').sort();
}

describe(`links (seed ${seed})`, () => {
  test('all at once, from several processes: every socket has one peer at most, and both agree', async () => {
    const random = new Random(seed);
    const hosts = [new Links(store), new Links(store), new Links(store)];
    for (let round = 0; round < 60; round++) {
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, async () => {
          const links = hosts[random.int(hosts.length)]!;
          const a = NAMES[random.int(NAMES.length)]!;
          const b = NAMES[random.int(NAMES.length)]!;
          if (random.next() < 0.3) return links.unlink(a).then(() => 'unlinked');
          return links.link(a, b).then(
            () => 'linked',
            (error) => error.code as string,
          );
        }),
      );
      for (const outcome of outcomes)
        expect(['linked', 'unlinked', 'BATON_LINK_SELF', 'BATON_LINK_TAKEN']).toContain(outcome);
      const made = await pairs(hosts[0]!);
      if (!outcomes.includes('unlinked') && outcomes.includes('linked'))
        expect(made.length).toBeGreaterThan(0);
    }
    for (const name of NAMES) await hosts[0]!.unlink(name);
    for (const name of NAMES) expect(await store.get(`link:${name}`)).toBeUndefined();
  });

  test('A→B and B→A at the same time make one link, A→B and C→B one of the two', async () => {
    const one = new Links(store);
    const two = new Links(store);
    for (let i = 0; i < 50; i++) {
      await Promise.all([one.link('a', 'b'), two.link('b', 'a')]);
      expect(await pairs(one)).toEqual(['ab']);
      await one.unlink('b');
      const results = await Promise.allSettled([one.link('a', 'b'), two.link('c', 'b')]);
      expect(results.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(await pairs(one)).toEqual(results[0]!.status === 'fulfilled' ? ['ab'] : ['bc']);
      await one.unlink('b');
      expect(await pairs(one)).toEqual([]);
    }
  });

  test.each([0, 1, 2, 3])(
    'a process that dies after %i changes blocks nobody',
    async (changes) => {
      await new Links(dying(changes)).link('a', 'b').catch(() => {});
      const links = new Links(store);
      await links.link('a', 'b'); // by the other side
      expect(await pairs(links)).toEqual(['ab']);
      await links.unlink('a');

      await new Links(dying(changes)).link('a', 'b').catch(() => {});
      const whole = changes >= 2; // both records name each other: that is a link
      if (whole) await links.unlink('b');
      await Promise.all([links.link('a', 'c'), links.link('b', 'd')]);
      expect(await pairs(links)).toEqual(['ac', 'bd']);
      for (const name of NAMES) await links.unlink(name);

      await links.link('a', 'b');
      await new Links(dying(changes)).unlink('a').catch(() => {});
      if (changes === 0) expect(await pairs(links)).toEqual(['ab']);
      else {
        await Promise.all([links.link('a', 'c'), links.link('b', 'd')]);
        expect(await pairs(links)).toEqual(['ac', 'bd']);
      }
    },
    30_000,
  );

  test('a link with a socket that is no more does not count', async () => {
    const links = new Links(store);
    await links.link('a', 'b');
    await expect(links.link('a', 'c')).rejects.toMatchObject({ code: 'BATON_LINK_TAKEN' });
    await store.release('b', 'h1', 1);
    await links.link('a', 'c');
    expect(await pairs(links)).toEqual(['ac']);
  });

  test('unlinking from another one than the peer changes nothing', async () => {
    const links = new Links(store);
    await links.link('a', 'b');
    await links.unlink('a', 'c');
    expect(await pairs(links)).toEqual(['ab']);
    expect(await links.unlink('a', 'b')).toBe('b');
    expect(await links.unlink('a')).toBeUndefined();
  });

  test('a closed socket is remembered', async () => {
    const links = new Links(store);
    expect(await links.isBuried('a')).toBe(false);
    await links.bury('a');
    expect(await links.isBuried('a')).toBe(true);
  });
});

describe('wishes', () => {
  test('are given once, in order of arrival, also when many come at once', async () => {
    const wishes = new Wishes(store);
    for (const by of ['b', 'c', 'd']) await wishes.add('a', by, 60_000);
    await wishes.add('a', 'b', 60_000);
    await wishes.remove('a', 'd');
    expect(await wishes.take('a')).toEqual(['c', 'b']);
    expect(await wishes.take('a')).toEqual([]);
    await Promise.all(NAMES.slice(1).map((by) => wishes.add('a', by, 60_000)));
    const taken = await Promise.all([wishes.take('a'), wishes.take('a')]);
    expect(taken.flat().sort()).toEqual(NAMES.slice(1));
    expect(await store.get('want:a')).toBeUndefined();
  });

  test('are bounded', async () => {
    const wishes = new Wishes(store);
    for (let i = 0; i < MAX_WISHES; i++) expect(await wishes.add('a', `w${i}`, 60_000)).toBe(true);
    expect(await wishes.add('a', 'one more', 60_000)).toBe(false);
    expect((await wishes.take('a')).length).toBe(MAX_WISHES);
  });
});
