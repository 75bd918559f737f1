// What the benches print with --json, at sizes at which the figures mean nothing.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const run = promisify(execFile);
const launcher = fileURLToPath(new URL('../../bench/run.mjs', import.meta.url));

async function bench(name: string): Promise<any[]> {
  const { stdout } = await run(process.execPath, [launcher, name, '--json', '--quick'], { timeout: 120_000 });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const figure = (name: string, caseName: string, subject: string, unit: string) => ({
  bench: name,
  case: caseName,
  subject,
  value: expect.any(Number),
  unit,
});

const ratio = (name: string, caseName: string, ratioVs: string) => ({
  bench: name,
  case: caseName,
  ratioVs,
  ratio: expect.any(Number),
});

test('relay: a host of Baton against stock Colyseus and ws', async () => {
  const lines = await bench('relay');
  const cases = ['60 Hz', 'saturated'];
  const unit = 'µs CPU/message';
  // uws takes part where there is a Node 20.
  expect(lines.filter((line) => line.subject !== 'uws' && line.ratioVs !== 'uws')).toEqual([
    ...cases.flatMap((name) =>
      ['baton', 'colyseus', 'ws'].map((subject) => figure('relay', name, subject, unit)),
    ),
    ...['baton', 'colyseus'].map((subject) => figure('relay', '60 Hz msgpack', subject, unit)),
    ...cases.flatMap((name) => ['colyseus', 'ws'].map((subject) => ratio('relay', name, subject))),
    ratio('relay', '60 Hz msgpack', 'colyseus'),
  ]);
}, 120_000);

test('blackout: by number of clients and size of the state', async () => {
  const cases = ['2 clients', '100 clients', '100 clients 10000 instances'];
  expect(await bench('blackout')).toEqual(
    cases.flatMap((name) => ['p50', 'p99'].map((p) => figure('blackout', `${name} ${p}`, 'baton', 'ms'))),
  );
}, 120_000);

test.each([
  ['idle', ['20 clients', '20 clients RSS'], 'KiB/client'],
  ['join', ['5 joins'], 'µs CPU/join'],
])(
  '%s: a host of Baton against stock Colyseus',
  async (name, cases, unit) => {
    const lines = await bench(name);
    for (const one of cases) {
      for (const subject of ['baton', 'colyseus'])
        expect(lines).toContainEqual(figure(name, one, subject, unit));
      expect(lines).toContainEqual(ratio(name, one, 'colyseus'));
    }
    expect(lines).toHaveLength(3 * cases.length);
  },
  120_000,
);

test('drain: every room leaves its host', async () => {
  expect(await bench('drain')).toEqual([figure('drain', '4 rooms, 2 clients each', 'baton', 's')]);
}, 120_000);
