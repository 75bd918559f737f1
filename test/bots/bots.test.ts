// `baton bots` on an own service: a room that moves passes, a room that loses messages does not.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const command = fileURLToPath(new URL('../../server/bin/baton.mjs', import.meta.url));
/** What is printed, whatever happened. */
const keys = [
  ...['sent', 'received', 'lost', 'duplicated', 'reordered', 'disconnects', 'stateMismatches'],
  ...['askedMoves', 'moves', 'failedMoves', 'roundTripMs', 'blackoutMs', 'gapMs'],
];
const liar = fileURLToPath(new URL('./liar.config.ts', import.meta.url));
let runtimeDir: string;

beforeAll(async () => {
  runtimeDir = await mkdtemp(join(tmpdir(), 'baton-bots-test-'));
});

afterAll(() => rm(runtimeDir, { recursive: true, force: true }));

async function bots(...args: string[]) {
  const env = { ...process.env, XDG_RUNTIME_DIR: runtimeDir, NODE_OPTIONS: '' };
  const child = spawn(process.execPath, [command, 'bots', '--json', ...args], { env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const last = stdout.trim().split('\n').at(-1) ?? '';
  return { code, result: last === '' ? undefined : JSON.parse(last), stderr };
}

test('without a service and an app it is the arena: players of a room that moves notice nothing, while others come, go and lose their connection', async () => {
  const size = ['--clients', '8', '--duration', '6', '--moves', '6', '--churn', '--seed', '11'];
  const { code, result, stderr } = await bots(...size);
  const faultless = { lost: 0, duplicated: 0, reordered: 0, disconnects: 0, stateMismatches: 0 };
  expect({ stderr, result }).toMatchObject({ result: { ...faultless, moves: 6, failedMoves: 0 } });
  expect(Object.keys(result)).toEqual([...keys, 'churn']);
  for (const spread of [result.roundTripMs, result.blackoutMs, result.gapMs])
    expect(Object.keys(spread)).toEqual(['p50', 'p99', 'max']);
  expect(result.received).toBe(result.sent);
  expect(result.blackoutMs.max).toBeGreaterThan(0);
  expect(result.gapMs.p50).toBeGreaterThan(0);
  expect(result.churn).toMatchObject({ failed: 0, reconnected: result.churn.dropped });
  expect(stderr).toContain('seed 11');
  expect(code).toBe(0);
}, 90_000);

test('loss, repetition, disorder and a wrong state are counted, and fail', async () => {
  const size = ['--clients', '1', '--duration', '2', '--moves', '0', '--rate', '20'];
  const { code, result } = await bots('--app', liar, '--room', 'liar', ...size);
  expect(result).toMatchObject({ lost: 1, duplicated: 1, reordered: 1, stateMismatches: 1, disconnects: 0 });
  expect(Object.keys(result)).toEqual(keys);
  expect(code).toBe(1);
}, 60_000);

test('a room that does not answer is named', async () => {
  const { code, result, stderr } = await bots(
    '--app',
    liar,
    '--room',
    'mute',
    '--clients',
    '1',
    '--moves',
    '0',
  );
  expect(stderr).toContain('Room "mute" does not answer "ping-n"');
  expect(result.error.message).toBeDefined();
  expect(code).toBe(1);
}, 60_000);

test.each([
  ['--clients', '0'],
  ['--duration', 'long'],
  ['--moves', '-1'],
  ['--rate', '5000'],
])('%s %s is wrong usage', async (option, value) => {
  const { code, stderr } = await bots(option, value);
  expect(stderr).toContain(option);
  expect(code).toBe(2);
});
