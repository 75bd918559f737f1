import { afterEach, describe, expect, test } from '@jest/globals';
import type { KeyRing } from '../../server/src/control/index.ts';
import { SCOPES } from '../../server/src/tenants/index.ts';
import { as, closeAll, keyRing, serve } from './support.ts';

afterEach(closeAll);

const bearerOf = (scope: string) => scope.replace(':', '-');
const examples: Record<string, unknown> = {
  createKey: { name: 'ci', scopes: ['mappings:read'] },
  allocateSocket: { mapping: 'duel', playerId: 'anna' },
  linkSocket: { peer: 's2' },
  migrateRoom: { to: 'h2' },
};

describe('API keys', () => {
  test('may do what their scopes say, and nothing else', async () => {
    const keys = keyRing(Object.fromEntries(SCOPES.map((scope) => [bearerOf(scope), { scopes: [scope] }])));
    const api = await serve({ keys });
    const tried = api.operations.filter(({ scope }) => scope !== 'open' && !scope.startsWith('hosts:'));
    expect(tried.length).toBeGreaterThan(6);
    for (const { id, method, path, scope } of tried) {
      for (const key of SCOPES) {
        const { status, body } = await api.send(method, path.replace(/\{\w+\}/, 's1'), {
          body: examples[id],
          headers: as(bearerOf(key)),
        });
        if (key === scope || scope === 'any') expect([id, key, status < 300]).toEqual([id, key, true]);
        else expect([id, key, status, body.code]).toEqual([id, key, 403, 'BATON_KEY_FORBIDDEN']);
      }
    }
  });

  test('never act on hosts, whatever scopes they have', async () => {
    const api = await serve({ keys: keyRing({ all: { scopes: SCOPES } }) });
    for (const { method, path, scope } of api.operations) {
      if (scope === 'open' || !scope.startsWith('hosts:')) continue;
      const { status } = await api.send(method, path.replace('{id}', 'h1'), { headers: as('all') });
      expect([path, status]).toEqual([path, 403]);
    }
    expect(api.calls).toEqual([]);
  });

  test('act for their own tenant only; the token of the service for the one that is named', async () => {
    const api = await serve({ keys: keyRing({ acme: { tenant: 'acme' } }) });
    const get = (headers: Record<string, string>) => api.send('GET', '/v1/sockets/s1', { headers });
    expect((await get(as('acme'))).status).toBe(200);
    expect((await get({ ...as('acme'), 'baton-tenant': 'acme' })).status).toBe(200);
    expect((await get({ ...as('acme'), 'baton-tenant': 'other' })).body.code).toBe('BATON_KEY_FORBIDDEN');
    expect((await get({})).status).toBe(200);
    expect((await get({ 'baton-tenant': 'other' })).status).toBe(200);
    expect((await get({ 'baton-tenant': 'no:tenant' })).body.code).toBe('BATON_INVALID_REQUEST');
    expect(api.calls.map(([, tenant]) => tenant)).toEqual(['acme', 'acme', 'default', 'other']);
  });

  test('that are not known are refused, and their secrets are in no log', async () => {
    const api = await serve({ keys: keyRing({}) });
    const { status } = await api.send('GET', '/v1/sockets', { headers: as('baton_acme_k1_secretsecret') });
    expect(status).toBe(401);
    expect(api.logged).not.toContain('secretsecret');
  });
});

describe('limits', () => {
  test('a key that asks too often is told to wait; others and the service go on', async () => {
    const keys = keyRing({ busy: {}, calm: {} });
    const api = await serve({ keys, limits: { requests: 3, seconds: 60 } });
    const ask = (key: string) => api.send('GET', '/v1/sockets', { headers: as(key) });
    for (const left of [2, 1, 0]) {
      const { status, headers } = await ask('busy');
      expect([status, headers.get('ratelimit'), headers.get('ratelimit-policy')]).toEqual([
        200,
        expect.stringMatching(new RegExp(`^"key";r=${left};t=\\d+$`)),
        '"key";q=3;w=60',
      ]);
    }
    const { status, headers, body } = await ask('busy');
    expect([status, body.code]).toEqual([429, 'BATON_RATE_LIMITED']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask('calm')).status).toBe(200);
    for (let i = 0; i < 5; i++) expect((await api.send('GET', '/v1/sockets')).status).toBe(200);
    expect(api.calls).toHaveLength(3 + 1 + 5);
  });

  test('an address with too many wrong keys is not listened to, except with the token of the service', async () => {
    const asked: string[] = [];
    const ring = keyRing({ good: {} });
    const keys: KeyRing = {
      authenticate(bearer) {
        asked.push(bearer);
        return ring.authenticate(bearer);
      },
    };
    const api = await serve({ keys, limits: { wrongKeys: 2 }, trustProxy: ['127.0.0.0/8'] });
    const ask = (key: string, from: string) =>
      api.send('GET', '/v1/sockets', { headers: { ...as(key), 'x-forwarded-for': from } });
    expect((await ask('wrong', '192.0.2.1')).status).toBe(401);
    expect((await ask('wrong', '192.0.2.1')).status).toBe(401);
    const refused = await ask('wrong', '192.0.2.1');
    expect([refused.status, refused.body.code]).toEqual([429, 'BATON_RATE_LIMITED']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask('good', '192.0.2.1')).status).toBe(429);
    expect(asked).toEqual(['wrong', 'wrong']);
    expect(
      (await api.send('GET', '/v1/sockets', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status,
    ).toBe(200);
    expect((await ask('good', '192.0.2.2')).status).toBe(200);
  });

  test('nobody but a trusted proxy says where a request is from', async () => {
    const api = await serve({ keys: keyRing({}), limits: { wrongKeys: 1 } });
    const ask = (from: string) =>
      api.send('GET', '/v1/sockets', { headers: { ...as('wrong'), 'x-forwarded-for': from } });
    expect((await ask('192.0.2.1')).status).toBe(401);
    expect((await ask('192.0.2.2')).status).toBe(429);
  });

  test('an IPv6 network counts as one address', async () => {
    const api = await serve({ keys: keyRing({}), limits: { wrongKeys: 1 }, trustProxy: ['127.0.0.0/8'] });
    const ask = (from: string) =>
      api.send('GET', '/v1/sockets', { headers: { ...as('wrong'), 'x-forwarded-for': from } });
    expect((await ask('2001:db8:1:2::1')).status).toBe(401);
    expect((await ask('2001:db8:1:2:ffff::9')).status).toBe(429);
    expect((await ask('2001:db8:1:3::1')).status).toBe(401);
  });
});
