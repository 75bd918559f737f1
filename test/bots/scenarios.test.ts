// `baton bots --scenario …` on sockets of a running service that moves them, and load tests of Colyseus' own kind.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createProgram } from '../../server/src/cli/program.ts';
import { violations } from '../browser/accessibility.ts';
import { complaints, openBrowser } from '../browser/example.ts';
import { nodeArgs, Service, until } from '../support/service.ts';

const arena = fileURLToPath(new URL('../../examples/arena/app.config.ts', import.meta.url));
const command = fileURLToPath(new URL('../../server/src/cli/main.ts', import.meta.url));
const loadtest = fileURLToPath(new URL('./loadtest.ts', import.meta.url));
const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'baton-scenarios-'));
let service: Service;

beforeAll(async () => {
  service = await Service.start(arena, { hosts: 2 });
}, 60_000);

afterAll(async () => {
  await service?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [...nodeArgs, ...args], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, stdout: () => stdout, stderr: () => stderr };
}

async function bots(...args: string[]) {
  const where = ['--url', service.url, '--token', service.token];
  const { ended, stdout, stderr } = await run([command, 'bots', '--json', ...where, ...args]);
  const code = await ended;
  const last = stdout().trim().split('\n').at(-1) ?? '';
  return { code, stderr: stderr(), result: last === '' ? undefined : JSON.parse(last) };
}

const faultless = {
  lost: 0,
  duplicated: 0,
  reordered: 0,
  disconnects: 0,
  stateMismatches: 0,
  failedMoves: 0,
};

test('pairs notice nothing of moves; the report works alone', async () => {
  const html = join(folder, 'bots.html');
  const size = ['--clients', '40', '--ramp', '1s', '--duration', '4s', '--moves', '8', '--seed', '5'];
  const { code, stderr, result } = await bots('--scenario', 'pairs', ...size, '--html', html);
  expect({ stderr, result }).toMatchObject({ stderr: 'seed 5\n', result: { ...faultless, moves: 8 } });
  expect(result.received).toBe(result.sent);
  expect(result.sent).toBeGreaterThan(40);
  expect(result.roundTripMs.p50).toBeGreaterThan(0);
  expect(result.blackoutMs.max).toBeGreaterThan(0);
  expect(code).toBe(0);
  // What the run has brought with it is gone.
  const mappings = await service.api<{ mappings: { name: string }[] }>('GET', '/v1/mappings');
  expect(mappings.mappings.filter(({ name }) => name.startsWith('baton-bots'))).toEqual([]);

  const browser = await openBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const wrong = complaints(page);
    await page.goto(`file://${html}`);
    expect(await page.locator('.chart canvas').count()).toBe(6);
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: `${artifacts}bots.png`, fullPage: true });
    expect(wrong).toEqual([]);
  } finally {
    await browser.close();
  }
  expect(readFileSync(html, 'utf8')).not.toMatch(/(src|href)=["']?http/);
}, 120_000);

test('slow readers and those who talk much lose nothing, those who come and go find new peers, idle ones are still there', async () => {
  const size = ['--clients', '12', '--duration', '5', '--moves', '4'];
  const [slow, churn, idle, chatty] = await Promise.all([
    bots('--scenario', 'slow-readers', ...size),
    bots('--scenario', 'churn', ...size),
    bots('--scenario', 'idle', ...size),
    bots('--scenario', 'chatty', ...size),
  ]);
  expect(slow).toMatchObject({ code: 0, result: { ...faultless, moves: 4 } });
  expect(slow.result.received).toBe(slow.result.sent);
  expect(churn).toMatchObject({ code: 0, result: { ...faultless, churn: { failed: 0 } } });
  expect(churn.result.churn.joined).toBeGreaterThan(12);
  expect(idle).toMatchObject({ code: 0, result: { ...faultless, moves: 4, sent: 24, received: 24 } });
  expect(chatty).toMatchObject({ code: 0, result: { ...faultless, moves: 4 } });
  expect(chatty.result.received).toBe(chatty.result.sent);
}, 120_000);

test('a run that is interrupted takes away what it has brought with it', async () => {
  const where = ['--url', service.url, '--token', service.token];
  const long = ['--scenario', 'pairs', '--clients', '4', '--duration', '300', '--seed', '77'];
  const { child, ended, stderr } = await run([command, 'bots', ...where, ...long]);
  const names = async () =>
    (await service.api<{ mappings: { name: string }[] }>('GET', '/v1/mappings')).mappings.map(
      ({ name }) => name,
    );
  await until(async () => (await names()).includes('baton-bots-77'), 'its mapping', 30_000);
  for (const signal of ['SIGINT', 'SIGINT'] as const) child.kill(signal); // from the terminal, and from a launcher
  expect([await ended, stderr()]).toEqual([130, 'seed 77\n']);
  expect(await names()).not.toContain('baton-bots-77');
}, 60_000);

test('a report that cannot be written is said before anybody plays', async () => {
  const { code, stderr } = await bots(
    '--scenario',
    'pairs',
    '--html',
    join(folder, 'no-folder', 'bots.html'),
  );
  expect([code, stderr]).toEqual([2, expect.stringMatching(/--html: ENOENT/)]);
  expect(stderr).not.toContain('seed');
}, 60_000);

test('a mapping that links nobody is named', async () => {
  const { code, stderr } = await bots('--scenario', 'pairs', '--clients', '2', '--mapping', 'nobody');
  expect(stderr).toContain('nobody');
  expect(code).toBe(1);
}, 60_000);

test.each([
  [['--scenario', 'pairs', '--clients', '3'], '--clients: sockets are linked two by two'],
  [['--scenario', 'pairs', '--churn'], '--churn: it is for rooms'],
  [['--mapping', 'duel'], '--mapping: scenario room plays in rooms'],
  [['--scenario', 'sleep'], 'Allowed choices are room, pairs, chatty, idle, churn, slow-readers'],
  [['--ramp', 'slowly'], 'Expected seconds, or a duration such as 30s or 2m'],
])('%j is wrong usage', async (args, message) => {
  const program = await createProgram();
  await expect(program.parseAsync(['bots', ...args], { from: 'user' })).rejects.toThrow(message);
});

test('a script for @colyseus/loadtest runs as it is, and notices nothing when its room moves', async () => {
  const log = join(folder, 'loadtest.log');
  const args = [
    loadtest,
    '--room',
    'arena',
    '--numClients',
    '3',
    '--endpoint',
    service.url.replace(/^http/, 'ws'),
  ];
  const script = await run([...args, '--output', log], { TERM: 'xterm' });
  const room = async () =>
    (await service.rooms()).find(({ name, clients }) => name === 'arena' && clients === 3);
  await until(async () => (await room()) !== undefined, 'three clients in the arena', 30_000);
  const { roomId } = (await room())!;
  await service.moveAway(roomId);
  await service.moveAway(roomId);
  expect(await room()).toMatchObject({ roomId, epoch: 3 });
  script.child.kill('SIGTERM');
  await script.ended;
  const written = readFileSync(log, 'utf8');
  expect(written).toContain('Successful connections: 3');
  expect(written).toContain('Failed connections: 0');
  expect(written).toContain('Total errors: 0');
  expect(written).not.toContain('left with');
}, 60_000);
