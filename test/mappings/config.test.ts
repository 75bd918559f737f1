// baton.config: what it may say of tenants, and how what is wrong is told.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { AddressGuard } from '../../server/src/calls/index.ts';
import { loadConfig } from '../../server/src/mappings/index.ts';

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-config-'));
afterAll(() => fs.rmSync(dir, { recursive: true }));
let files = 0;

function load(source: string, development = false) {
  const file = path.join(dir, `${++files}.mjs`);
  fs.writeFileSync(file, `export default ${source};`);
  return { file, loaded: loadConfig(file, { guard: new AddressGuard(), development }) };
}

const DUEL = "{ duel: { open: { url: 'https://a.example/' } } }";
const TOKENS = `{ secrets: ['${'x'.repeat(32)}'] }`;

test('everything at the top level is the default tenant’s', async () => {
  const source = `{ tokens: ${TOKENS}, mappings: ${DUEL}, tenants: { acme: { tokens: ${TOKENS}, quotas: { sockets: 3 } } } }`;
  expect(await load(source).loaded).toEqual([
    {
      id: 'default',
      settings: { tokens: expect.anything() },
      mappings: new Map([['duel', expect.anything()]]),
    },
    { id: 'acme', settings: { tokens: expect.anything(), quotas: { sockets: 3 } }, mappings: new Map() },
  ]);
});

test('fields that are undefined are not there', async () => {
  const [tenant] = await load(
    `{ signing: undefined, mappings: { duel: { open: { url: 'https://a.example/' }, close: undefined } } }`,
    true,
  ).loaded;
  expect(tenant).toMatchObject({
    settings: {},
    mappings: new Map([['duel', { open: { url: 'https://a.example/' } }]]),
  });
});

test.each<[string, string, string]>([
  ['an unknown field', '{ mapings: {} }', 'Unrecognized key: "mapings"'],
  [
    'an unknown field of a tenant',
    '{ tenants: { acme: { token: {} } } }',
    'tenants.acme: Unrecognized key: "token"',
  ],
  ['a tenant with a bad name', '{ tenants: { Acme: {} } }', 'tenants.Acme: a lower-case letter'],
  [
    'the default tenant twice',
    '{ tenants: { default: {} } }',
    'tenants.default: what it has is at the top level',
  ],
  [
    'a short secret',
    "{ tenants: { acme: { tokens: { secrets: ['hunter2'] } } } }",
    'tenants.acme.tokens.secrets: each has to be at least 32',
  ],
  [
    'both ways',
    `{ tokens: { secrets: ['${'x'.repeat(32)}'], jwks: 'https://a.example/' } }`,
    'tokens: expected either',
  ],
  ['a negative quota', '{ quotas: { sockets: -1 } }', 'quotas.sockets: '],
  ['no object', '7', 'expected object'],
])('%s is refused, with its place', async (_name, source, message) => {
  const { file, loaded } = load(source);
  await expect(loaded).rejects.toMatchObject({
    code: 'BATON_MAPPING_INVALID',
    message: expect.stringContaining(message),
    details: { mapping: file },
  });
  await expect(loaded).rejects.not.toThrow('hunter2');
});

test('a wrong mapping is refused, and an endpoint of a tenant that is not public', async () => {
  await expect(load("{ mappings: { duel: { open: 'x' } } }").loaded).rejects.toMatchObject({
    code: 'BATON_MAPPING_INVALID',
    message: expect.stringContaining('Mapping duel: open: '),
  });
  await expect(
    load(
      `{ tenants: { acme: { tokens: ${TOKENS}, mappings: { duel: { open: { url: 'http://10.0.0.1/' } } } } } }`,
    ).loaded,
  ).rejects.toMatchObject({ code: 'BATON_ENDPOINT_FORBIDDEN' });
});

test('mappings without a way to verify tokens are for development; the error has the lines to add', async () => {
  const own = load(`{ mappings: ${DUEL} }`);
  await expect(own.loaded).rejects.toMatchObject({
    code: 'BATON_TOKEN_POLICY_MISSING',
    message: expect.stringContaining(`\`tokens: { secrets: [process.env.TOKEN_SECRET] }\``),
  });
  await expect(own.loaded).rejects.toThrow(`to ${own.file}. `);
  const tenant = load(`{ tenants: { acme: { mappings: ${DUEL} } } }`);
  await expect(tenant.loaded).rejects.toThrow(`Tenant acme has mappings`);
  await expect(load('{ tenants: { acme: {} } }').loaded).resolves.toHaveLength(2);
  await expect(load(`{ mappings: ${DUEL} }`, true).loaded).resolves.toHaveLength(1);
});

test('a file that does not load says why', async () => {
  await expect(load('{ mappings: nowhere }').loaded).rejects.toMatchObject({
    code: 'BATON_APP_FAILED',
    message: expect.stringContaining('nowhere is not defined'),
  });
});
