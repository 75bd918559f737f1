// A service whose mapping runs a function that the service hosts itself, deployed with the command line.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Player } from '../sockets/support.ts';
import { nodeArgs, Service, until } from '../support/service.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const fixtures = path.join(here, 'fixtures');
const cli = path.join(here, '..', '..', 'server', 'src', 'cli', 'main.ts');

let service: Service;
beforeAll(async () => {
  service = await Service.start(path.join(fixtures, 'app.config.ts'), {
    args: ['--mappings', path.join(fixtures, 'baton.config.ts')],
    env: { BATON_SECRETS_KEY: randomBytes(32).toString('base64') },
  });
}, 60_000);
afterAll(() => service?.stop());

interface Outcome {
  code: number | null;
  json: any;
}

/** `baton function …`, with text on its standard input. */
async function baton(args: string[], input = ''): Promise<Outcome> {
  const own = ['--url', service.url, '--token', service.token, '--json'];
  const child = spawn(process.execPath, [...nodeArgs, cli, 'function', ...args, ...own], { cwd: fixtures });
  child.stdin.end(input);
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, json: JSON.parse(stdout.trim().split('\n').at(-1)!) };
}

const join = async (token: string) =>
  new Player(await new Client(service.url).joinOrCreate('duel', { token }), token);
const show = () => service.api<{ state: string; pid: number; version: number }>('GET', '/v1/functions/duel');

/** The process that runs functions, and below it those of the functions. */
function processes(): { runner: number; functions: number[] } {
  const childrenOf = (pid: number) =>
    fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  const runs = (pid: number, what: string) => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(what);
  const runner = childrenOf(service.process.pid!).find((pid) => runs(pid, 'functions/main'))!;
  return { runner, functions: childrenOf(runner) };
}
const isAlive = (pid: number) => fs.existsSync(`/proc/${pid}`);

test('a socket whose function is not there is not opened', async () => {
  await expect(join('early')).rejects.toThrow('open function of mapping duel failed: it is not deployed');
});

test('what does not compile is refused with its place, before it is sent and after', async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bf-'));
  const deploy = (name: string, code: string) => {
    fs.writeFileSync(path.join(dir, name), code);
    return baton(['deploy', path.join(dir, name)]);
  };
  const code = 'BATON_FUNCTION_INVALID';
  const refused = await Promise.all([
    deploy('here.ts', 'const a: number = 1;\nlet b = ;\n'),
    deploy('there.ts', 'export default { fetch: 1 };'),
  ]);
  expect(refused).toMatchObject([
    { code: 1, json: { error: { code, details: { function: 'here', line: 2, column: 9 } } } },
    { code: 1, json: { error: { code, message: expect.stringMatching(/there .* no fetch\(\)/) } } },
  ]);
  fs.rmSync(dir, { recursive: true });
});

test('deployed with a secret, it links two players; its log names them and not the secret', async () => {
  expect(await baton(['secret', 'set', 'stats-key'], 'swordfish\n')).toMatchObject({ code: 0 });
  expect(await baton(['deploy', 'duel.ts', '--env', 'KEY=stats-key'])).toMatchObject({
    code: 0,
    json: { name: 'duel', version: 1, state: 'running' },
  });
  const anna = await join('anna');
  const bert = await join('bert');
  await Promise.all([anna.linked(bert), bert.linked(anna)]);
  anna.send('hello');
  expect(await bert.have('data')).toEqual(['hello']);
  const { json } = await baton(['logs', 'duel']);
  expect(json.lines.map(({ text }: { text: string }) => text)).toEqual([
    'anna knows [secret]',
    'bert knows [secret]',
  ]);
  await Promise.all([anna.leave(), bert.leave()]);
});

test('neither hosts, where the app runs, nor functions have the key that secrets are sealed with', async () => {
  const pids = [...(await service.hosts()).map(({ pid }) => pid), ...processes().functions];
  expect(pids.length).toBeGreaterThan(2);
  const environments = pids.map((pid) => fs.readFileSync(`/proc/${pid}/environ`, 'utf8'));
  expect(environments.filter((environment) => environment.includes('BATON_SECRETS_KEY'))).toEqual([]);
});

test('another tenant sees neither function, nor log, nor secret', async () => {
  const ask = async (at: string, method = 'GET') => {
    const headers = { authorization: `Bearer ${service.token}`, 'baton-tenant': 'another' };
    const response = await fetch(service.url + at, { method, headers });
    return [response.status, ((await response.json()) as { code?: string }).code];
  };
  const missing = [404, 'BATON_FUNCTION_NOT_FOUND'];
  expect(await ask('/v1/functions/duel')).toEqual(missing);
  expect(await ask('/v1/functions/duel/logs')).toEqual(missing);
  expect(await ask('/v1/functions/duel', 'DELETE')).toEqual(missing);
  expect(await ask('/v1/secrets/stats-key', 'DELETE')).toEqual([404, 'BATON_SECRET_NOT_FOUND']);
});

test('a reload leaves it alone: who waits in its memory is found by who comes after', async () => {
  const before = processes();
  const carl = await join('carl');
  await service.reload();
  const dora = await join('dora');
  await Promise.all([carl.linked(dora), dora.linked(carl)]);
  expect(processes()).toEqual(before);
  expect(carl.drops + dora.drops).toBe(0);
  await Promise.all([carl.leave(), dora.leave()]);
});

test('when its process is killed, and when the one that runs it is, the next players come through', async () => {
  process.kill((await show()).pid, 'SIGKILL');
  await (await join('emil')).leave();
  const before = processes();
  process.kill(before.runner, 'SIGKILL');
  await until(() => !before.functions.some(isAlive), 'functions to end with the process that runs them');
  await (await join('fred')).leave();
  expect(processes().runner).not.toBe(before.runner);
});

test('they end with the service', async () => {
  const { runner, functions } = processes();
  expect(functions.length).toBeGreaterThan(0);
  await service.stop();
  expect([runner, ...functions].filter(isAlive)).toEqual([]);
});
