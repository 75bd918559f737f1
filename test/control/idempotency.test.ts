import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type AuditEntry, AuditLog, IdempotencyKeys } from '../../server/src/control/index.ts';
import { moveFailed, roomNotFound } from '../../server/src/errors.ts';
import type { Store } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { type Backend, redisBackend } from '../store/backend.ts';
import { as, closeAll, keyRing, type Setup, serve } from './support.ts';

let backend: Backend;
let store: Store;

beforeAll(async () => {
  backend = await redisBackend();
});
beforeEach(async () => {
  store = await (await backend.space()).open();
});
afterEach(closeAll);
afterAll(() => backend.close());

/** A host: what another one has answered, it knows from the store. */
const host = (setup: Setup = {}) =>
  serve({
    idempotency: new IdempotencyKeys(store, silentLog),
    audit: new AuditLog(store.presence, silentLog),
    ...setup,
  });

const keyed = (key: string, headers: Record<string, string> = {}) => ({ 'idempotency-key': key, ...headers });

/** A backend call that can be held. */
function held() {
  let calls = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const work = async () => {
    calls++;
    await promise;
    return { roomId: `a${calls}` } as never;
  };
  return { work, release: resolve, count: () => calls };
}

describe('Idempotency-Key', () => {
  test('a request that is repeated, also to another host, is carried out once and answered alike', async () => {
    const [one, two] = [await host(), await host()];
    const init = { body: { to: 'h2' }, headers: keyed('k1') };
    const first = await one.send('POST', '/v1/rooms/a/migrate', init);
    const again = await two.send('POST', '/v1/rooms/a/migrate', init);
    expect(again).toMatchObject({ status: first.status, body: first.body });
    expect(first.headers.has('idempotency-replayed')).toBe(false);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect([one.calls.length, two.calls.length]).toEqual([1, 0]);
  });

  test('an answer without a body is repeated, too', async () => {
    const api = await host();
    const init = { body: 'hello', headers: keyed('k1', { 'content-type': 'text/plain' }) };
    expect((await api.send('POST', '/v1/sockets/s1/send', init)).status).toBe(204);
    expect((await api.send('POST', '/v1/sockets/s1/send', init)).status).toBe(204);
    expect(api.calls).toHaveLength(1);
  });

  test.each<[string, string, object]>([
    ['another body', '/v1/rooms/a/migrate', { body: { to: 'h3' } }],
    ['another path', '/v1/rooms/b/migrate', { body: { to: 'h2' } }],
  ])('%s under the same key is refused', async (_what, path, init) => {
    const api = await host();
    await api.send('POST', '/v1/rooms/a/migrate', { body: { to: 'h2' }, headers: keyed('k1') });
    const { status, body } = await api.send('POST', path, { ...init, headers: keyed('k1') });
    expect([status, body.code]).toEqual([422, 'BATON_IDEMPOTENCY_CONFLICT']);
    expect(api.calls).toHaveLength(1);
  });

  test('of another API key, tenant or operation is another one', async () => {
    const api = await host({ keys: keyRing({ a: {}, b: {} }) });
    const ask = (headers: Record<string, string>, path = 'link') =>
      api.send('POST', `/v1/sockets/s1/${path}`, {
        ...(path === 'link' ? { body: { peer: 's2' } } : {}),
        headers: keyed('k1', headers),
      });
    for (const answer of [
      await ask(as('a')),
      await ask(as('b')),
      await ask({}),
      await ask({ 'baton-tenant': 'acme' }),
      await ask(as('a'), 'unlink'),
    ])
      expect([answer.status, answer.headers.has('idempotency-replayed')]).toEqual([200, false]);
    expect(api.calls).toHaveLength(5);
  });

  test('while the first request is under way, the second is told to wait', async () => {
    const { work, release, count } = held();
    const [one, two] = [
      await host({ service: { migrate: work } }),
      await host({ service: { migrate: work } }),
    ];
    const init = { body: { to: 'h2' }, headers: keyed('k1') };
    const first = one.send('POST', '/v1/rooms/a/migrate', init);
    while (count() === 0) await new Promise(setImmediate);
    const second = await two.send('POST', '/v1/rooms/a/migrate', init);
    expect([second.status, second.body.code, second.headers.get('retry-after')]).toEqual([
      409,
      'BATON_IDEMPOTENCY_IN_PROGRESS',
      '1',
    ]);
    release();
    expect((await first).body).toEqual({ roomId: 'a1' });
    expect((await two.send('POST', '/v1/rooms/a/migrate', init)).body).toEqual({ roomId: 'a1' });
    expect(count()).toBe(1);
  });

  test('of many at once, one is carried out', async () => {
    const api = await host();
    const init = { body: { to: 'h2' }, headers: keyed('k1') };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => api.send('POST', '/v1/rooms/a/migrate', init)),
    );
    expect(api.calls).toHaveLength(1);
    for (const { status } of answers) expect([200, 409]).toContain(status);
  });

  test('a refusal is repeated; a failure of the service is not, so that it can be tried again', async () => {
    const thrown = [roomNotFound({ roomId: 'a' }), moveFailed({ roomId: 'b', reason: 'no' })];
    const tried: string[] = [];
    const migrate = async (roomId: string) => {
      tried.push(roomId);
      throw thrown.find(({ details }) => details['roomId'] === roomId)!;
    };
    const api = await host({ service: { migrate } });
    const ask = (room: string) =>
      api.send('POST', `/v1/rooms/${room}/migrate`, { body: { to: 'h2' }, headers: keyed(room) });
    for (let i = 0; i < 2; i++) expect((await ask('a')).body.code).toBe('BATON_ROOM_NOT_FOUND');
    for (let i = 0; i < 2; i++) expect((await ask('b')).body.code).toBe('BATON_MOVE_FAILED');
    expect(tried).toEqual(['a', 'b', 'b']);
  });

  test('what never came to be carried out leaves the key free', async () => {
    const api = await host();
    const ask = (body: unknown) => api.send('POST', '/v1/rooms/a/migrate', { body, headers: keyed('k1') });
    expect((await ask({ to: 7 })).status).toBe(400);
    expect((await ask({ to: 'h2' })).status).toBe(200);
  });

  test('an answer that is too large is not kept, but the request is not carried out again', async () => {
    const refused = [{ roomId: 'x'.repeat(70_000), reason: '', code: '' }];
    const api = await host({ service: { drain: async () => ({ host: 'h1', refused }) as never } });
    const ask = () => api.send('POST', '/v1/hosts/h1/drain', { headers: keyed('k1') });
    expect((await ask()).body.refused).toHaveLength(1);
    expect((await ask()).body).toMatchObject({
      code: 'BATON_IDEMPOTENCY_NOT_KEPT',
      details: { status: 200 },
    });
  });

  test('a request that takes longer than the lease of its key holds it all the same', async () => {
    const runningMs = 1_500;
    let renewals = 0;
    const watched = new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (name === 'set' && args[2] !== 0 && args[3] === runningMs) renewals++;
          return value.apply(target, args);
        };
      },
    });
    const idempotency = new IdempotencyKeys(watched, silentLog, { runningMs });
    const { work, release, count } = held();
    const api = await host({ service: { migrate: work }, idempotency });
    const ask = () => api.send('POST', '/v1/rooms/a/migrate', { body: { to: 'h2' }, headers: keyed('k1') });
    const first = ask();
    // three of them are one lease
    while (renewals < 4) await new Promise((resolve) => setTimeout(resolve, 50));
    const again = await ask();
    release();
    expect(again.body.code).toBe('BATON_IDEMPOTENCY_IN_PROGRESS');
    expect((await first).body).toEqual({ roomId: 'a1' });
    expect(count()).toBe(1);
  });

  test('of too many answers of a tenant the oldest goes, with its place', async () => {
    const idempotency = new IdempotencyKeys(store, silentLog, { kept: 2 });
    const api = await host({ idempotency });
    const replayed = async (key: string, headers = {}) =>
      (await api.send('POST', '/v1/hosts/h1/drain', { headers: keyed(key, headers) })).headers.has(
        'idempotency-replayed',
      );
    for (const key of ['k1', 'k2', 'k3']) expect(await replayed(key)).toBe(false);
    expect(await replayed('other', { 'baton-tenant': 'acme' })).toBe(false);
    expect(await replayed('k3')).toBe(true);
    expect(await replayed('k2')).toBe(true);
    expect(await replayed('k1')).toBe(false);
  });

  test('an answer with a secret is not kept, and nowhere in the store', async () => {
    const written: string[] = [];
    const spied = new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          written.push(JSON.stringify(args));
          return value.apply(target, args);
        };
      },
    });
    const allocate = async () => ({ socketId: 's9', token: 'the-secret', expires: 1 });
    const api = await host({ sockets: { allocate }, idempotency: new IdempotencyKeys(spied, silentLog) });
    const ask = () =>
      api.send('POST', '/v1/sockets', { body: { mapping: 'duel', playerId: 'a' }, headers: keyed('k1') });
    expect((await ask()).body.token).toBe('the-secret');
    expect((await ask()).body).toMatchObject({
      code: 'BATON_IDEMPOTENCY_NOT_KEPT',
      details: { status: 201 },
    });
    expect(written.length).toBeGreaterThan(2);
    expect(written.join()).not.toContain('the-secret');
  });

  test.each(['', 'x'.repeat(256), 'with space'])('%j is no key', async (key) => {
    const api = await host();
    const { status } = await api.send('POST', '/v1/hosts/h1/drain', { headers: keyed(key) });
    expect([status, api.calls]).toEqual([400, []]);
  });
});

describe('the audit log', () => {
  const read = async (api: Awaited<ReturnType<typeof host>>, query = '', headers = {}) =>
    (await api.send('GET', `/v1/audit${query}`, { headers })).body as {
      entries: AuditEntry[];
      next?: string;
    };

  test('has every write of the tenant: who, what, when, what came of it', async () => {
    const api = await host({
      keys: keyRing({ 'key-1': { tenant: 'acme' }, reader: { tenant: 'acme', scopes: ['sockets:read'] } }),
    });
    const before = Date.now();
    const done = await api.send('POST', '/v1/sockets/s1/link', {
      body: { peer: 's2' },
      headers: as('key-1'),
    });
    await api.send('POST', '/v1/sockets/s1/link', { body: {}, headers: as('key-1') });
    await api.send('DELETE', '/v1/sockets/s1?reason=x', { headers: as('reader') });
    await api.send('GET', '/v1/sockets', { headers: as('key-1') });
    await api.send('POST', '/v1/sockets/s1/link', { body: { peer: 's2' } });
    const { entries } = await read(api, '', as('key-1'));
    expect(entries).toEqual([
      expect.objectContaining({
        number: 3,
        key: 'reader',
        operation: 'closeSocket',
        path: '/v1/sockets/s1',
        status: 403,
        code: 'BATON_KEY_FORBIDDEN',
      }),
      expect.objectContaining({ number: 2, key: 'key-1', status: 400, code: 'BATON_INVALID_REQUEST' }),
      {
        number: 1,
        time: expect.any(String),
        requestId: done.headers.get('x-request-id'),
        key: 'key-1',
        operation: 'linkSocket',
        path: '/v1/sockets/s1/link',
        status: 200,
        address: expect.stringContaining('127.0.0.1'),
      },
    ]);
    expect(Date.parse(entries[2]!.time)).toBeGreaterThanOrEqual(before);
    expect((await read(api)).entries).toEqual([expect.objectContaining({ key: 'service', number: 1 })]);
  });

  test('comes in pages, the newest first', async () => {
    const api = await host();
    for (let i = 1; i <= 5; i++) await api.send('POST', `/v1/sockets/s${i}/unlink`);
    const found: string[] = [];
    let page = await read(api, '?limit=2');
    for (;;) {
      found.push(...page.entries.map(({ path }) => path.split('/')[3]!));
      if (page.next === undefined) break;
      page = await read(api, `?limit=2&after=${page.next}`);
    }
    expect(found).toEqual(['s5', 's4', 's3', 's2', 's1']);
  });

  test('keeps a bounded number of them', async () => {
    const audit = new AuditLog(store.presence, silentLog);
    const entry = { requestId: 'r', key: 'k', operation: 'o', path: '/', status: 200 };
    for (let i = 0; i < 1_005; i += 67)
      await Promise.all(Array.from({ length: 67 }, () => audit.write('acme', entry)));
    const kept = await audit.newest('acme', 5_000);
    expect([kept.length, kept[0]!.number, kept.at(-1)!.number]).toEqual([1_000, 1_005, 6]);
    expect(await store.presence.hlen('baton:audit:acme')).toBe(1_000 + 1);
  });

  test('is a line of the log for each write as well, without the secret of the key', async () => {
    let logged = '';
    const log = { info: (fields: object) => void (logged += JSON.stringify(fields)), warn() {} } as never;
    const api = await host({ audit: new AuditLog(store.presence, log) });
    await api.send('POST', '/v1/hosts/h1/drain');
    expect(logged).toContain('"audit":true,"tenant":"default"');
    expect(logged).not.toContain('a-token-of-some-length');
  });
});
