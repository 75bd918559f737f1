// `baton mapping` and `baton key` against a running service that verifies tokens, with two tenants.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { createProgram } from '../../server/src/cli/program.ts';
import { run } from '../../server/src/cli/run.ts';
import { nodeArgs, Service, until } from '../support/service.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const app = path.join(here, '..', 'sockets', 'fixtures', 'app.config.ts');
const program = path.join(here, '..', '..', 'server', 'src', 'cli', 'main.ts');
const secrets = { default: 'd'.repeat(32), acme: 'a'.repeat(32) };
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-tenants-'));
let service: Service;

const config = (quotas: object) => `export default {
  tokens: { secrets: ['${secrets.default}'] },
  mappings: { fixed: { open: { url: 'http://127.0.0.1:9/' } } },
  tenants: { acme: { tokens: { secrets: ['${secrets.acme}'] }, quotas: ${JSON.stringify(quotas)} } },
};`;

beforeAll(async () => {
  fs.writeFileSync(path.join(dir, 'baton.config.mjs'), config({ sockets: 2 }));
  service = await Service.start(app, { args: ['--mappings', path.join(dir, 'baton.config.mjs')] });
});
afterAll(async () => {
  await service?.stop();
  fs.rmSync(dir, { recursive: true });
});

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  json: any;
}

/** Runs a command line in this process, which is many times faster than in one of its own. */
async function baton(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const before = { ...process.env };
  Object.assign(process.env, { BATON_URL: service.url, BATON_CONTROL_TOKEN: service.token }, env);
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    jest.spyOn(process[stream], 'write').mockImplementation((text) => {
      written[stream] += text;
      return true;
    }),
  );
  try {
    const code = await run(await createProgram(), args);
    const last = written.stdout.trimEnd().split('\n').at(-1) ?? '';
    return { code, ...written, json: last.startsWith('{') ? JSON.parse(last) : undefined };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = 0;
    process.env = before;
  }
}

function file(name: string, text: string): string {
  fs.writeFileSync(path.join(dir, name), text);
  return path.join(dir, name);
}

const token = (tenant: keyof typeof secrets, sub: string) =>
  new SignJWT({ sub, exp: Math.floor(Date.now() / 1_000) + 60 })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(secrets[tenant]));

/** Opens a socket. Its function cannot be reached, which comes after everything that is tested here. */
const refusal = (mapping: string, options: object): Promise<{ code: number; message: string }> =>
  new Client(service.url).joinOrCreate(mapping, options).then(
    (room: Room) => room.leave().then(() => ({ code: 0, message: 'opened' })),
    (error) => error,
  );
const CALLED = { message: expect.stringContaining('BATON_CALL_FAILED') };

describe('baton mapping', () => {
  test('apply takes YAML, JSON and standard input; the same again changes nothing; sockets open on it', async () => {
    expect(await refusal('duel', { token: await token('default', 'ann') })).not.toMatchObject(CALLED);
    const yaml = file(
      'some.yaml',
      'mappings:\n  duel:\n    open: { url: http://127.0.0.1:9/ }\n    waitTimeout: 10s\n',
    );
    const json = file(
      'some.json',
      JSON.stringify({ mappings: { chess: { open: { url: 'http://127.0.0.1:9/' } } } }),
    );
    const { code, stderr, json: answer } = await baton(['mapping', 'apply', yaml, json, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(answer.applied).toMatchObject([
      { name: 'duel', version: 1, changed: true, everywhere: true },
      { name: 'chess', version: 1, changed: true, everywhere: true },
    ]);
    expect(await refusal('duel', { token: await token('default', 'ann') })).toMatchObject(CALLED);
    expect((await baton(['mapping', 'apply', yaml])).stdout).toBe('duel: version 1, unchanged\n');
    const piped = spawnSync(process.execPath, [...nodeArgs, program, 'mapping', 'apply', '-'], {
      input: fs.readFileSync(yaml, 'utf8').replace('10s', '20s'),
      env: { ...process.env, BATON_URL: service.url, BATON_CONTROL_TOKEN: service.token },
      encoding: 'utf8',
    });
    expect(piped).toMatchObject({ status: 0, stdout: 'duel: version 2\n' });
  });

  test('what show prints can be applied; list has all of them', async () => {
    const shown = await baton(['mapping', 'show', 'duel']);
    expect(shown.stdout).toMatch(/^# duel: version 2 of \S+\nmappings:\n {2}duel:\n/);
    const again = await baton(['mapping', 'apply', file('shown.yaml', shown.stdout)]);
    expect(again.stdout).toBe('duel: version 2, unchanged\n');
    const { json } = await baton(['mapping', 'show', 'duel', '--json']);
    expect(json.versions).toMatchObject([
      { version: 2, mapping: { waitTimeout: '20s' } },
      { version: 1, mapping: { waitTimeout: '10s' } },
    ]);
    const { stdout } = await baton(['mapping', 'list']);
    expect(stdout).toMatch(
      /^NAME +VERSION +UPDATED +FROM\nchess +1 .*applied\nduel +2 .*applied\nfixed +1 .*baton.config\n$/,
    );
  });

  test.each<[string, string, string]>([
    [
      'an unknown field',
      'mappings:\n  duel:\n    open: { url: https://a.example }\n    waitTimout: 1s\n',
      'line 3: mappings.duel: Unrecognized key: "waitTimout"',
    ],
    [
      'a wrong value',
      'mappings:\n  duel:\n    open:\n      url: https://a.example\n      timeout: soon\n',
      'line 5: mappings.duel.open.timeout: ',
    ],
    ['a mapping twice', 'mappings:\n  duel: {}\n  duel: {}\n', 'line 3: Map keys must be unique'],
    ['no YAML', 'mappings: {', 'line 1: '],
    ['no mappings', 'duel:\n  open: x\n', 'line 1: mappings: '],
  ])('a file with %s: nothing is applied, and the line is named', async (_name, text, message) => {
    const good = file('good.yaml', 'mappings:\n  early:\n    open: { url: http://127.0.0.1:9/ }\n');
    const bad = file('bad.yaml', text);
    const { code, stderr } = await baton(['mapping', 'apply', good, bad]);
    expect(code).toBe(1);
    expect(stderr).toContain(`Mapping ${bad}: ${message}`);
    expect((await baton(['mapping', 'show', 'early'])).stderr).toContain('BATON_MAPPING_NOT_FOUND');
  });

  test('a declared one is not changed, a file that is not there is said, a deleted one opens nothing', async () => {
    const fixed = file('fixed.yaml', 'mappings:\n  fixed:\n    open: { url: http://127.0.0.1:8/ }\n');
    expect(await baton(['mapping', 'apply', fixed])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('BATON_MAPPING_DECLARED'),
    });
    expect(await baton(['mapping', 'delete', 'fixed'])).toMatchObject({ code: 1 });
    expect(await baton(['mapping', 'apply', 'nowhere.yaml'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('ENOENT'),
    });
    expect((await baton(['mapping', 'delete', 'chess'])).stdout).toBe('chess is deleted\n');
    expect(await refusal('chess', { token: await token('default', 'ann') })).toMatchObject({
      message: expect.stringContaining('BATON_MAPPING_NOT_FOUND'),
    });
  });
});

describe('baton key', () => {
  test('a key does what its scopes say, for its tenant, until it is revoked', async () => {
    const made = await baton([
      'key',
      'create',
      'ci',
      '--scopes',
      'mappings:read,mappings:write',
      '--tenant',
      'acme',
    ]);
    expect(made.code).toBe(0);
    const key = made.stdout.trimEnd();
    expect(key).toMatch(/^baton_acme_[0-9a-f]{16}_[\w-]{43}$/);
    const env = { BATON_KEY: key, BATON_CONTROL_TOKEN: '' };
    const acme = file('acme.yaml', 'mappings:\n  duel:\n    open: { url: http://127.0.0.1:9/acme }\n');
    expect((await baton(['mapping', 'apply', acme], env)).stdout).toBe('duel: version 1\n');
    const own = await baton(['mapping', 'list', '--json'], env);
    expect(own.json.mappings.map(({ name }: { name: string }) => name)).toEqual(['duel']);
    const other = await baton(['mapping', 'show', 'fixed'], env);
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('BATON_MAPPING_NOT_FOUND') });
    const beyond = await baton(['key', 'list'], env);
    expect(beyond).toMatchObject({ code: 1, stderr: expect.stringContaining('BATON_KEY_FORBIDDEN') });
    const id = key.split('_')[2]!;
    const { json } = await baton(['key', 'list', '--tenant', 'acme', '--json']);
    expect(json.keys).toMatchObject([{ id, name: 'ci', scopes: ['mappings:read', 'mappings:write'] }]);
    expect(JSON.stringify(json)).not.toContain(key.split('_').slice(3).join('_'));
    expect((await baton(['key', 'revoke', id, '--tenant', 'acme'])).stdout).toBe(`${id} (ci) is revoked\n`);
    expect(await baton(['mapping', 'list'], env)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('BATON_UNAUTHORIZED'),
    });
    expect((await baton(['key', 'list', '--tenant', 'acme'])).stdout).toMatch(/ci +revoked/);
  });

  test('a secret that was told is not told again, whatever comes with the request', async () => {
    const ask = () =>
      fetch(`${service.url}/v1/keys`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${service.token}`,
          'content-type': 'application/json',
          'idempotency-key': 'once',
        },
        body: JSON.stringify({ name: 'once', scopes: ['sockets:read'] }),
      });
    expect(await (await ask()).json()).toMatchObject({ secret: expect.stringMatching(/^baton_default_/) });
    const again = await ask();
    expect(again.status).toBe(409);
    expect(await again.json()).toMatchObject({ code: 'BATON_IDEMPOTENCY_NOT_KEPT' });
  });

  test.each([
    [['--scopes', 'mappings:read,fly'], '"fly" is no scope'],
    [['--scopes', 'hosts:admin'], '"hosts:admin" is no scope of a key'],
    [['--scopes', 'sockets:read', '--expires', 'soon'], 'Expected 90d, 12h or a date'],
    [['--scopes', 'sockets:read', '--expires', '2020-01-01'], 'not in the future'],
    [['--scopes', 'sockets:read', '--tenant', 'nobody'], 'There is no tenant nobody'],
  ])('create with %j is refused', async (args, message) => {
    const { code, stderr } = await baton(['key', 'create', 'x', ...args]);
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
  });
});

describe('players', () => {
  test('open the mappings of their own tenant, with a token of it', async () => {
    const duel = (tenant: string | undefined, player: string | undefined) =>
      refusal('duel', { ...(tenant ? { tenant } : {}), ...(player ? { token: player } : {}) });
    expect(await duel(undefined, await token('default', 'ann'))).toMatchObject(CALLED);
    expect(await duel('acme', await token('acme', 'ann'))).toMatchObject(CALLED);
    const invalid = { code: 520, message: expect.stringContaining('BATON_TOKEN_INVALID') };
    for (const wrong of [
      duel('acme', await token('default', 'ann')),
      duel(undefined, await token('acme', 'ann')),
      duel(undefined, 'ann'),
      duel(undefined, undefined),
    ])
      expect(await wrong).toMatchObject({ message: invalid.message });
    const missing = { message: expect.stringContaining('BATON_MAPPING_NOT_FOUND') };
    expect(await refusal('fixed', { tenant: 'acme', token: await token('acme', 'ann') })).toMatchObject(
      missing,
    );
    expect(await duel('nobody', await token('acme', 'ann'))).toMatchObject(missing);
  });

  test('an expired token says so', async () => {
    const old = await new SignJWT({ sub: 'ann', exp: 1_000_000_000 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(secrets.default));
    expect(await refusal('duel', { token: old })).toMatchObject({
      message: expect.stringContaining('BATON_TOKEN_EXPIRED: The token expired at 2001-09-09'),
    });
  });
});

test('a reload puts the file in force as it is now; one that is wrong changes nothing', async () => {
  fs.writeFileSync(path.join(dir, 'baton.config.mjs'), config({ sockets: 0 }).replace(':9/', ':8/'));
  await service.reload();
  await until(async () => (await service.hosts()).length === 2, 'the old hosts to be gone');
  const view = (await baton(['mapping', 'show', 'fixed', '--json'])).json;
  expect(view).toMatchObject({
    version: 2,
    declared: true,
    mapping: { open: { url: 'http://127.0.0.1:8/' } },
  });
  expect((await baton(['mapping', 'show', 'duel', '--json'])).json.version).toBe(2);
  expect(await refusal('duel', { tenant: 'acme', token: await token('acme', 'ann') })).toMatchObject({
    message: expect.stringContaining('BATON_QUOTA_SOCKETS'),
  });
  fs.writeFileSync(path.join(dir, 'baton.config.mjs'), config({ sockets: -1 }));
  await expect(service.reload()).rejects.toMatchObject({
    message: expect.stringContaining('tenants.acme.quotas.sockets'),
  });
  expect((await baton(['mapping', 'show', 'fixed', '--json'])).json.version).toBe(2);
}, 60_000);
