// Where the endpoints of a service may be: checked when mappings are loaded, and again when a call is made.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { AddressGuard, Caller } from '../../server/src/calls/index.ts';
import { loadConfig } from '../../server/src/mappings/index.ts';
import { Service } from '../support/service.ts';
import { secret } from './fixtures/secret.ts';
import { redis } from './redis.ts';
import { World } from './support.ts';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');
const config = path.join(fixtures, 'baton.config.ts');
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

test('a mapping whose endpoint is not at a public address does not load; mapping and field are named', async () => {
  process.env['FUNCTIONS_URL'] = 'http://127.0.0.1:4/';
  ends.push(() => delete process.env['FUNCTIONS_URL']);
  await expect(loadConfig(config, { guard: new AddressGuard(), development: true })).rejects.toMatchObject({
    code: 'BATON_ENDPOINT_FORBIDDEN',
    message:
      'Endpoints may not be at http://127.0.0.1: 127.0.0.1 is not a public address (open.url of mapping duel).',
    details: { mapping: 'duel', field: 'open.url' },
  });
  const guard = new AddressGuard(['127.0.0.0/8']);
  const [tenant] = await loadConfig(config, { guard, development: true });
  expect(tenant!.mappings.size).toBeGreaterThan(5);
});

test('a secret that is none is refused with its place, and not repeated', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'baton-test-'));
  ends.push(() => rmSync(dir, { recursive: true }));
  const file = path.join(dir, 'baton.config.mjs');
  writeFileSync(file, `export default { signing: { secrets: ['${secret}', 'whsec_hunter2'] } };`);
  await expect(loadConfig(file, { guard: new AddressGuard(), development: false })).rejects.toMatchObject({
    code: 'BATON_MAPPING_INVALID',
    message: `Mapping ${file}: signing.secrets.1: expected "whsec_" and the base64 of 24 to 64 random bytes`,
  });
});

test('a call to such an address is not made, and the player does not learn which one it was', async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.end();
  }).listen(0, '127.0.0.1');
  ends.push(() => server.close());
  await once(server, 'listening');
  const caller = new Caller({ source: '/baton/h1', guard: new AddressGuard(), secrets: () => [] });
  ends.push(() => caller.shutdown());
  const { port } = server.address() as AddressInfo;
  const about = { tenant: 'default', mapping: 'duel', mappingVersion: 1, socketId: 's', playerId: 'p' };
  const call = caller.call(
    { url: `http://127.0.0.1:${port}/`, timeout: 5_000, retries: 2, retryTimeouts: false },
    {
      ...about,
      type: 'open',
      epoch: 1,
      sequence: 1,
      attributes: undefined,
      contentType: 'application/json',
      body: Buffer.from('{}'),
    },
  );
  await expect(call).rejects.toMatchObject({
    code: 'BATON_CALL_FAILED',
    message: expect.not.stringContaining('127.0.0.1'),
    cause: { code: 'BATON_ENDPOINT_FORBIDDEN' },
  });
  expect(asked).toBe(0);
});

test('with a shared store functions on this machine have to be allowed, and tokens verified', async () => {
  const server = await redis();
  ends.push(() => server.stop());
  const env = { FUNCTIONS_URL: 'http://127.0.0.1:4/' };
  const args = ['--mappings', config];
  const start = (more: string[]) =>
    Service.start(path.join(fixtures, 'app.config.ts'), {
      redis: server.url,
      hosts: 1,
      args: [...args, ...more],
      env,
    });
  await expect(start([])).rejects.toThrow('(open.url of mapping duel). (BATON_ENDPOINT_FORBIDDEN)');
  await expect(start(['--allow-endpoints', '127.0.0.0/8'])).rejects.toThrow('(BATON_TOKEN_POLICY_MISSING)');
});

test('without one they are, which the log says; what is allowed instead takes its place', async () => {
  const world = await World.start({ hosts: 1, env: { BATON_LOG: 'info', UNSIGNED: '1' } });
  ends.push(() => world.stop());
  expect(world.service.output.join('')).toContain('functions may be on this machine (127.0.0.0/8, ::1/128)');
  expect(world.service.output.join('')).toContain('calls to functions are not signed');
  await expect(
    World.start({ hosts: 1, env: { BATON_ALLOW_ENDPOINTS: '10.0.0.0/8, fd00::/8' } }),
  ).rejects.toThrow('BATON_ENDPOINT_FORBIDDEN');
});
