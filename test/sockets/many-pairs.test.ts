// Two hundred pairs that a function process links, and that talk for half a minute while one host after the other is
// drained and replaced.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { nodeArgs, until } from '../support/service.ts';
import { World } from './support.ts';

const PAIRS = 200;
const TALK_MS = 30_000;
const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures/talkers.ts');

let world: World;
let talkers: ChildProcess;

beforeAll(async () => {
  world = await World.start({ hosts: 3 });
}, 60_000);

afterAll(async () => {
  talkers?.kill('SIGKILL');
  await world?.stop();
});

async function counts(): Promise<Record<string, number>> {
  const answer = once(talkers, 'message', { signal: AbortSignal.timeout(30_000) });
  talkers.send('counts');
  return (await answer)[0];
}

/** Those that are there and not on their way out. */
const up = async () =>
  (await world.service.hosts()).filter(({ state }) => state === 'up').map(({ id }) => id);

test('200 pairs talk for 30 s while hosts are drained in turn: all arrives once and in order, nobody is disconnected', async () => {
  const url = world.service.url.replace(/^http/, 'ws');
  talkers = fork(program, [url, 'duel', String(2 * PAIRS)], { execArgv: nodeArgs });
  const [opened] = await once(talkers, 'message', { signal: AbortSignal.timeout(120_000) });
  expect(opened).toEqual({ opened: 2 * PAIRS });
  await until(async () => (await counts())['linked'] === 2 * PAIRS, 'all to be linked', 60_000);

  talkers.send('talk');
  const end = Date.now() + TALK_MS;
  const drained: string[] = [];
  let moved = 0;
  // every host that began is drained, however long that takes
  while (Date.now() < end || drained.length < 3) {
    const host = (await up()).find((id) => !drained.includes(id))!;
    const drain = await world.service.drain(host);
    expect(drain.refused).toEqual([]);
    drained.push(host);
    moved += drain.moved;
    await until(async () => (await up()).length === 3, 'another host in its place', 60_000);
    await after(1000);
  }
  talkers.send('end');
  await until(async () => (await counts())['behind'] === 0, 'all to be heard', 60_000).catch(() => {});

  const said = await counts();
  console.log(`${PAIRS} pairs, ${drained.length} hosts drained, ${moved} moves: ${JSON.stringify(said)}`);
  const none = { lost: 0, doubled: 0, reordered: 0, disconnected: 0, unexpected: 0, oneSided: 0, behind: 0 };
  expect(said).toMatchObject({ ...none, linked: 2 * PAIRS, heard: said['sent'] });
  expect(said['sent']).toBeGreaterThan(2 * PAIRS * 10);
  expect(moved).toBeGreaterThanOrEqual(2 * PAIRS);
  const where = new Map((await world.service.rooms()).map(({ roomId, host }) => [roomId, host]));
  expect(where.size).toBe(2 * PAIRS);
  expect([...new Set(where.values())].every((host) => !drained.includes(host))).toBe(true);

  talkers.send('leave');
  await until(async () => (await world.service.rooms()).length === 0, 'every socket to be closed', 60_000);
}, 300_000);
