// API keys on both kinds of store: made, used, listed, expired, revoked.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { SCOPES, type Scope } from '../../server/src/tenants/index.ts';
import type { Backend } from '../store/backend.ts';
import { connection, until } from '../store/support.ts';
import { backends, House } from './house.ts';

const service = (tenant = 'default') => ({ tenant, operator: true, scopes: new Set(SCOPES), key: 'service' });
const some: Scope[] = ['sockets:read', 'mappings:write'];

describe.each(backends)('on the %s store', (_kind, start) => {
  let backend: Backend;
  let house: House;
  beforeAll(async () => {
    backend = await start();
  });
  afterAll(() => backend.close());
  beforeEach(async () => {
    house = new House(await backend.space());
  });
  afterEach(() => house.close());

  test('a key is good on every host, for its tenant and scopes', async () => {
    const [one, two] = [await house.host(), await house.host()];
    const { key, view } = await one.keys.create(service(), { name: 'matchmaker', scopes: some });
    expect(key).toMatch(/^baton_default_[0-9a-f]{16}_[\w-]{43}$/);
    expect(view).toMatchObject({
      name: 'matchmaker',
      scopes: ['mappings:write', 'sockets:read'],
      createdBy: 'service',
    });
    expect(await two.keys.authenticate(key)).toEqual({
      tenant: 'default',
      operator: false,
      scopes: new Set(some),
      key: view.id,
    });
    expect(await two.keys.authenticate(key)).toMatchObject({ key: view.id });
  });

  test('the secret is nowhere in the store, nor in what is listed', async () => {
    const one = await house.host();
    const { key, view } = await one.keys.create(service(), { name: 'a', scopes: some });
    const secret = key.split('_').slice(3).join('_');
    const kept = JSON.stringify([
      await one.store.get(`key:default:${view.id}`),
      await one.store.get('keys:default'),
      await one.keys.list('default'),
    ]);
    expect(kept).toContain(view.id);
    expect(kept).not.toContain(secret);
    expect(JSON.stringify(await one.keys.list('default'))).not.toContain('hash');
  });

  test('what is only like a key is refused', async () => {
    const one = await house.host();
    await one.mappings.declare(
      ['default', 'acme'].map((id) => ({ id, settings: {}, mappings: new Map() })),
      1,
    );
    const { key, view } = await one.keys.create(service(), { name: 'a', scopes: some });
    const last = key.at(-1) === 'A' ? 'B' : 'A';
    for (const wrong of [
      '',
      'baton',
      key.slice(0, -1),
      `${key.slice(0, -1)}${last}`,
      `${key}A`,
      key.toUpperCase(),
      key.replace('_default_', '_acme_'),
      key.replace('_default_', '_nobody_'),
      key.replace(view.id, '0000000000000000'),
      `baton_default_${view.id}_`,
    ])
      expect(await one.keys.authenticate(wrong)).toBeUndefined();
    expect(await one.keys.authenticate(key)).toBeDefined();
  });

  test('a revoked key is refused at once where that is heard, and stays on the list', async () => {
    const [one, two] = [await house.host(), await house.host()];
    const { key, view } = await one.keys.create(service(), { name: 'a', scopes: some });
    expect(await two.keys.authenticate(key)).toBeDefined();
    await one.keys.revoke('default', view.id);
    expect(await one.keys.authenticate(key)).toBeUndefined();
    await until(
      'the other host has heard',
      async () => (await two.keys.authenticate(key)) === undefined,
      2_000,
    );
    expect(await two.keys.list('default')).toMatchObject([{ id: view.id, revokedAt: expect.any(String) }]);
    await expect(one.keys.revoke('default', view.id)).rejects.toMatchObject({ code: 'BATON_KEY_NOT_FOUND' });
  });

  test('where it is not heard a revoked key works for five seconds more', async () => {
    let time = Date.now();
    const [one, two] = [await house.host(), await house.host({ now: () => time })];
    const { key, view } = await one.keys.create(service(), { name: 'a', scopes: some });
    expect(await two.keys.authenticate(key)).toBeDefined();
    await two.store.presence.unsubscribe('baton:key-revoked');
    await one.keys.revoke('default', view.id);
    time += 4_999;
    expect(await two.keys.authenticate(key)).toBeDefined();
    time += 1;
    expect(await two.keys.authenticate(key)).toBeUndefined();
  });

  test('a key expires to the millisecond', async () => {
    let time = Date.now();
    const one = await house.host({ now: () => time });
    const expiresAt = new Date(time + 1_000).toISOString();
    const { key } = await one.keys.create(service(), { name: 'a', scopes: some, expiresAt });
    expect(await one.keys.authenticate(key)).toBeDefined();
    time += 999;
    expect(await one.keys.authenticate(key)).toBeDefined();
    time += 1;
    expect(await one.keys.authenticate(key)).toBeUndefined();
  });

  test('lists have the newest first and say to the minute when a key was used', async () => {
    const time = Date.parse('2030-01-01T10:20:30.400Z');
    const one = await house.host({ now: () => time });
    const old = await one.keys.create(service(), { name: 'old', scopes: some });
    await one.keys.create(service(), { name: 'new', scopes: some });
    await one.keys.authenticate(old.key);
    await until(
      'its use is written',
      async () => (await one.keys.list('default'))[1]?.lastUsedAt !== undefined,
    );
    expect(await one.keys.list('default')).toMatchObject([
      { name: 'new' },
      { name: 'old', lastUsedAt: '2030-01-01T10:20:00.000Z' },
    ]);
  });

  test('nobody gives what they have not, and nobody the operator’s', async () => {
    const one = await house.host();
    const { key } = await one.keys.create(service(), {
      name: 'admin',
      scopes: ['keys:admin', 'sockets:read'],
    });
    const admin = (await one.keys.authenticate(key))!;
    const make = (scopes: Scope[], by = admin) => one.keys.create(by, { name: 'x', scopes });
    expect((await make(['sockets:read'])).view.createdBy).toBe(admin.key);
    await expect(make(['sockets:read', 'sockets:close'])).rejects.toMatchObject({
      code: 'BATON_SCOPE_EXCEEDED',
      details: { scopes: 'sockets:close' },
    });
    await expect(make(['hosts:read'], service())).rejects.toMatchObject({ code: 'BATON_SCOPE_EXCEEDED' });
  });

  test('tenants see and revoke their own keys only; those of a closed tenant are refused', async () => {
    const one = await house.host();
    const tenant = (id: string) => ({ id, settings: {}, mappings: new Map() });
    await one.mappings.declare([tenant('default'), tenant('acme')], 1);
    const { key, view } = await one.keys.create(service('acme'), { name: 'a', scopes: some });
    expect(await one.keys.authenticate(key)).toMatchObject({ tenant: 'acme' });
    expect(await one.keys.list('default')).toEqual([]);
    await expect(one.keys.revoke('default', view.id)).rejects.toMatchObject({ code: 'BATON_KEY_NOT_FOUND' });
    expect(await one.keys.list('acme')).toHaveLength(1);
    await one.mappings.declare([tenant('default')], 2);
    expect(await one.keys.authenticate(key)).toBeUndefined();
  });

  test('many made at the same time are all there', async () => {
    const hosts = [await house.host(), await house.host()];
    await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        hosts[i % 2]!.keys.create(service(), { name: String(i), scopes: some }),
      ),
    );
    expect(await hosts[0]!.keys.list('default')).toHaveLength(8);
  });
});

test('without the store a key is neither good nor wrong, but one that was just seen is good', async () => {
  const backend = await backends[1]![1]();
  const house = new House(await backend.space());
  const one = await house.host();
  const [a, b] = [
    await one.keys.create(service(), { name: 'a', scopes: some }),
    await one.keys.create(service(), { name: 'b', scopes: some }),
  ];
  await one.keys.authenticate(a.key);
  await backend.kill();
  await connection(one.store, false);
  expect(await one.keys.authenticate(a.key)).toBeDefined();
  await expect(one.keys.authenticate(b.key)).rejects.toMatchObject({ code: 'BATON_STORE_UNAVAILABLE' });
  await house.close();
  await backend.close();
});
