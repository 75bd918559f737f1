// Mappings in the store, on both kinds of it: every host knows the current version of each, and nothing crosses tenants.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { endpointUnproven } from '../../server/src/errors.ts';
import type { DeclaredTenant } from '../../server/src/mappings/index.ts';
import type { Backend } from '../store/backend.ts';
import { until } from '../store/support.ts';
import { backends, House, url } from '../tenants/house.ts';

const declared = (mappings: Record<string, unknown>, id = 'default', settings = {}): DeclaredTenant => ({
  id,
  settings,
  mappings: new Map(Object.entries(mappings)),
});

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

  test('what one host applies, every other one has when that is through', async () => {
    const [one, two, three] = [await house.host(), await house.host(), await house.host()];
    const applied = await one.mappings.apply('default', 'duel', { open: url('duel'), waitTimeout: '5s' });
    expect(applied).toMatchObject({
      name: 'duel',
      version: 1,
      changed: true,
      everywhere: true,
      declared: false,
    });
    for (const { mappings } of [one, two, three])
      expect(mappings.get('default', 'duel')).toMatchObject({
        tenant: 'default',
        name: 'duel',
        version: 1,
        waitTimeout: 5_000,
      });
  });

  test('the same content changes nothing, other content is the next version; old ones can be read', async () => {
    const [one, two] = [await house.host(), await house.host()];
    await one.mappings.apply('default', 'duel', { open: url('a'), onPeerLeave: 'wait' });
    const same = await two.mappings.apply('default', 'duel', { onPeerLeave: 'wait', open: url('a') });
    expect(same).toMatchObject({ version: 1, changed: false });
    const next = await two.mappings.apply('default', 'duel', { open: url('b') });
    expect(next).toMatchObject({ version: 2, changed: true });
    expect(one.mappings.get('default', 'duel')).toMatchObject({ version: 2, open: url('b') });
    const back = await one.mappings.apply('default', 'duel', { open: url('a'), onPeerLeave: 'wait' });
    expect(back.version).toBe(3);
    expect(await two.mappings.versions('default', 'duel')).toMatchObject([
      { version: 3, content: { open: url('a') } },
      { version: 2, content: { open: url('b') } },
      { version: 1, content: { open: url('a') } },
    ]);
  });

  test('the history is bounded', async () => {
    const one = await house.host();
    for (let i = 0; i < 14; i++) await one.mappings.apply('default', 'duel', { open: url(String(i)) });
    const versions = await one.mappings.versions('default', 'duel');
    expect(versions.map(({ version }) => version)).toEqual([14, 13, 12, 11, 10, 9, 8, 7, 6, 5]);
  });

  test('hosts that change at the same time lose nothing', async () => {
    const hosts = await Promise.all([house.host(), house.host(), house.host()]);
    await Promise.all(
      hosts.flatMap(({ mappings }, h) => [
        mappings.apply('default', `own-${h}`, { open: url('x') }),
        mappings.apply('default', 'shared', { open: url(String(h)) }),
      ]),
    );
    const [first] = hosts;
    expect(first!.mappings.list('default', { limit: 10 }).map(({ name }) => name)).toEqual([
      'own-0',
      'own-1',
      'own-2',
      'shared',
    ]);
    for (const { mappings } of hosts)
      expect(mappings.get('default', 'shared')).toEqual(first!.mappings.get('default', 'shared'));
  });

  test('a host that comes later knows all of it; one that is deaf finds out by looking', async () => {
    const one = await house.host();
    await one.mappings.apply('default', 'duel', { open: url('a') });
    const two = await house.host();
    expect(two.mappings.get('default', 'duel').version).toBe(1);
    await two.store.presence.unsubscribe('baton:catalogue');
    const { everywhere } = await one.mappings.apply('default', 'duel', { open: url('b') });
    expect(everywhere).toBe(false);
    await until('it has the new version', () => two.mappings.get('default', 'duel').version === 2);
  }, 20_000);

  test('a deleted one is gone everywhere, and its numbers are not used again', async () => {
    const [one, two] = [await house.host(), await house.host()];
    await one.mappings.apply('default', 'duel', { open: url('a') });
    await two.mappings.delete('default', 'duel');
    for (const { mappings } of [one, two]) {
      expect(mappings.has('default', 'duel')).toBe(false);
      expect(() => mappings.get('default', 'duel')).toThrow('There is no mapping duel.');
      expect(mappings.list('default', { limit: 10 })).toEqual([]);
    }
    await expect(one.mappings.delete('default', 'duel')).rejects.toMatchObject({
      code: 'BATON_MAPPING_NOT_FOUND',
    });
    expect((await one.mappings.apply('default', 'duel', { open: url('a') })).version).toBe(2);
    expect((await two.mappings.versions('default', 'duel')).map(({ version }) => version)).toEqual([2]);
  });

  test('changes are told to who listens, on every host', async () => {
    const [one, two] = [await house.host(), await house.host()];
    const heard: unknown[] = [];
    const off = two.mappings.onChange((tenant, name, mapping) =>
      heard.push([tenant, name, mapping?.version]),
    );
    await one.mappings.apply('default', 'duel', { open: url('a') });
    await one.mappings.apply('default', 'duel', { open: url('a') });
    await one.mappings.apply('default', 'duel', { open: url('b'), onUpdate: 'adopt' });
    await one.mappings.delete('default', 'duel');
    off();
    await one.mappings.apply('default', 'duel', { open: url('c') });
    expect(heard).toEqual([
      ['default', 'duel', 1],
      ['default', 'duel', 2],
      ['default', 'duel', undefined],
    ]);
  });

  test('what is declared in a file is changed there only; what the file no longer names is deleted', async () => {
    const [one, two] = [await house.host(), await house.host()];
    await one.mappings.apply('default', 'mine', { open: url('a') });
    await one.mappings.declare([declared({ duel: { open: url('a') }, chess: { open: url('a') } })], 1);
    expect(two.mappings.view('default', 'duel')).toMatchObject({ version: 1, declared: true });
    const refused = { code: 'BATON_MAPPING_DECLARED', status: 409 };
    await expect(two.mappings.apply('default', 'duel', { open: url('b') })).rejects.toMatchObject(refused);
    await expect(two.mappings.delete('default', 'duel')).rejects.toMatchObject(refused);
    await two.mappings.declare([declared({ duel: { open: url('b') }, mine: { open: url('a') } })], 2);
    expect(one.mappings.get('default', 'duel').version).toBe(2);
    expect(one.mappings.has('default', 'chess')).toBe(false);
    expect(one.mappings.view('default', 'mine')).toMatchObject({ version: 1, declared: true });
  });

  test('of several generations the newest one’s file is in force, whichever host reads it last', async () => {
    const [old, young] = [await house.host(), await house.host()];
    await young.mappings.declare([declared({ duel: { open: url('new') } })], 5);
    await old.mappings.declare([declared({ duel: { open: url('old') } })], 4);
    await old.mappings.declare([declared({ duel: { open: url('changed on disk') } })], 5);
    for (const { mappings } of [old, young])
      expect(mappings.get('default', 'duel')).toMatchObject({ version: 1, open: url('new') });
  });

  test('two tenants have the same name for different things, and cannot reach those of the other', async () => {
    const [one, two] = [await house.host(), await house.host()];
    const file = [
      declared({ duel: { open: url('default') } }),
      declared({ duel: { open: url('acme') }, extra: { open: url('x') } }, 'acme', {
        quotas: { sockets: 7 },
      }),
    ];
    await one.mappings.declare(file, 1);
    expect(two.mappings.get('default', 'duel').open.url).toContain('default');
    expect(two.mappings.get('acme', 'duel')).toMatchObject({ tenant: 'acme', open: url('acme') });
    expect(() => two.mappings.get('default', 'extra')).toThrow('There is no mapping extra.');
    expect(two.mappings.list('default', { limit: 10 }).map(({ name }) => name)).toEqual(['duel']);
    expect(two.tenants.settings('acme').quotas.sockets).toBe(7);
    expect(two.tenants.settings('default').quotas.sockets).toBeUndefined();
    await expect(two.mappings.apply('nobody', 'duel', { open: url('a') })).rejects.toMatchObject({
      code: 'BATON_TENANT_NOT_FOUND',
    });
  });

  test('a tenant that the file no longer names is closed; what it has comes back with it', async () => {
    const [one, two] = [await house.host(), await house.host()];
    const acme = declared({ duel: { open: url('a') } }, 'acme', { quotas: { sockets: 7 } });
    await one.mappings.declare([declared({}), acme], 1);
    await two.mappings.apply('acme', 'own', { open: url('b') });
    await one.mappings.declare([declared({})], 2);
    expect(two.tenants.has('acme')).toBe(false);
    expect(two.tenants.settings('acme').quotas.sockets).toBeUndefined();
    expect(two.mappings.has('acme', 'own')).toBe(false);
    await expect(two.mappings.apply('acme', 'own', { open: url('b') })).rejects.toMatchObject({
      code: 'BATON_TENANT_NOT_FOUND',
    });
    await one.mappings.declare([declared({}), acme], 3);
    expect(two.mappings.get('acme', 'own').version).toBe(1);
    expect(two.mappings.get('acme', 'duel').version).toBe(1);
    expect(two.tenants.settings('acme').quotas.sockets).toBe(7);
  });

  test('settings that change are those of every host; old secrets do not stay in the store', async () => {
    const [one, two] = [await house.host(), await house.host()];
    const whsec = (n: number) => `whsec_${Buffer.alloc(32, n).toString('base64')}`;
    for (let n = 1; n <= 3; n++)
      await one.mappings.declare([declared({}, 'default', { signing: { secrets: [whsec(n)] } })], n);
    const before = two.tenants.settings('default');
    expect(before.signing?.secrets).toEqual([whsec(3)]);
    expect(two.tenants.settings('default')).toBe(before);
    const kept = (await one.store.get('tenant:default'))!.value;
    expect(kept).not.toContain(whsec(1));
  });

  test.each<[string, unknown, string, string]>([
    ['no open', {}, 'BATON_MAPPING_INVALID', 'open: '],
    [
      'two wrong fields',
      { open: url('a'), onUpdate: 'x', waitTimeout: 'soon' },
      'BATON_MAPPING_INVALID',
      'waitTimeout: ',
    ],
    ['an unknown field', { open: url('a'), onOpen: 1 }, 'BATON_MAPPING_INVALID', '"onOpen"'],
    [
      'too much',
      { open: { url: `https://a.example/${'a'.repeat(40_000)}` } },
      'BATON_MAPPING_INVALID',
      'at most 32768',
    ],
    ['no object', 'duel', 'BATON_MAPPING_INVALID', 'expected object'],
    [
      'a private address',
      { open: { url: 'http://10.0.0.1/' } },
      'BATON_ENDPOINT_FORBIDDEN',
      'open.url of mapping duel',
    ],
  ])('%s is refused, with the field', async (_name, content, code, message) => {
    const one = await house.host();
    await expect(one.mappings.apply('default', 'duel', content)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(one.mappings.has('default', 'duel')).toBe(false);
  });

  test.each(['', '7up', 'a b', '../x', 'a'.repeat(65), 'a:b'])('the name %j is refused', async (name) => {
    const one = await house.host();
    await expect(one.mappings.apply('default', name, { open: url('a') })).rejects.toMatchObject({
      code: 'BATON_MAPPING_INVALID',
    });
  });

  test('outside development a tenant that cannot verify tokens gets no mappings', async () => {
    const one = await house.host({ development: false });
    await expect(one.mappings.apply('default', 'duel', { open: url('a') })).rejects.toMatchObject({
      code: 'BATON_TOKEN_POLICY_MISSING',
    });
    const tokens = { secrets: ['x'.repeat(32)] };
    await one.mappings.declare([declared({}, 'default', { tokens })], 1);
    expect((await one.mappings.apply('default', 'duel', { open: url('a') })).version).toBe(1);
  });

  test('outside development endpoints are asked whether they want the calls, each once; one that does not gets none', async () => {
    const one = await house.host({ development: false });
    await one.mappings.declare([declared({}, 'default', { tokens: { secrets: ['x'.repeat(32)] } })], 1);
    const asked: string[] = [];
    one.mappings.prove = async (it) => {
      asked.push(it);
      if (it.endsWith('/no')) throw endpointUnproven({ url: it, reason: 'no' });
    };
    await one.mappings.apply('default', 'duel', { open: url('a'), close: url('a'), linked: url('b') });
    await one.mappings.apply('default', 'duel', { open: url('a'), close: url('c') });
    await one.mappings.apply('default', 'own', { open: { url: 'function:duel' } });
    const no = one.mappings.apply('default', 'duel', { open: url('no') });
    await expect(no).rejects.toMatchObject({ code: 'BATON_ENDPOINT_UNPROVEN' });
    expect(one.mappings.get('default', 'duel').version).toBe(2);
    const paths = asked.map((it) => new URL(it).pathname);
    expect(paths.sort()).toEqual(['/a', '/b', '/c', '/no']);
  });

  test('a name that every object has is a name like others', async () => {
    const one = await house.host();
    await expect(one.mappings.delete('default', 'constructor')).rejects.toMatchObject({
      code: 'BATON_MAPPING_NOT_FOUND',
    });
    await expect(one.mappings.apply('constructor', 'duel', { open: url('a') })).rejects.toMatchObject({
      code: 'BATON_TENANT_NOT_FOUND',
    });
    await one.mappings.declare([declared({}), declared({ toString: { open: url('a') } }, 'constructor')], 1);
    expect((await one.mappings.apply('constructor', 'constructor', { open: url('a') })).version).toBe(1);
    expect(one.mappings.list('constructor', { limit: 9 })).toHaveLength(2);
  });

  test('lists come in pages', async () => {
    const one = await house.host();
    for (const name of ['c', 'a', 'b']) await one.mappings.apply('default', name, { open: url(name) });
    const page = (after?: string) =>
      one.mappings.list('default', { after, limit: 2 }).map(({ name }) => name);
    expect(page()).toEqual(['a', 'b']);
    expect(page('b')).toEqual(['c']);
    expect(page('c')).toEqual([]);
  });
});

test('a store that lost its data gets mappings and tenants back from the hosts', async () => {
  const backend = await backends[1]![1]();
  const house = new House(await backend.space());
  const one = await house.host();
  await one.mappings.declare(
    [declared({ duel: { open: url('a') } }, 'default', { quotas: { sockets: 3 } })],
    1,
  );
  await one.mappings.apply('default', 'own', { open: url('b') });
  await backend.kill();
  await backend.restart();
  await until('it is back', async () => {
    const late = await house.host().catch(() => undefined);
    return (
      late?.mappings.has('default', 'own') === true && late.tenants.settings('default').quotas.sockets === 3
    );
  });
  expect((await one.mappings.apply('default', 'own', { open: url('c') })).version).toBe(2);
  await house.close();
  await backend.close();
}, 40_000);
