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

const MESSAGE = 'µs CPU/message';
const RELAYING = [
  ['60 Hz', MESSAGE],
  ['saturated', MESSAGE],
  ['60 Hz one by one', MESSAGE],
  ['60 Hz one by one p50', 'ms'],
  ['60 Hz one by one p99', 'ms'],
] as const;

/** uws takes part where there is a Node 20. */
const withoutUws = (lines: any[]) => lines.filter((line) => line.subject !== 'uws' && line.ratioVs !== 'uws');

test('relay: a host of Baton against stock Colyseus and ws', async () => {
  expect(withoutUws(await bench('relay'))).toEqual([
    ...RELAYING.flatMap(([name, unit]) =>
      ['baton', 'colyseus', 'ws'].map((subject) => figure('relay', name, subject, unit)),
    ),
    ...['baton', 'colyseus'].map((subject) => figure('relay', '60 Hz msgpack', subject, MESSAGE)),
    ...RELAYING.flatMap(([name]) => ['colyseus', 'ws'].map((subject) => ratio('relay', name, subject))),
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
  ['idle', ['20 clients', '20 clients RSS'], 'KiB/client', ['20 hosted sockets', '20 hosted sockets RSS']],
  ['join', ['5 joins'], 'µs CPU/join', []],
])(
  '%s: a host of Baton against stock Colyseus',
  async (name, cases, unit, alone) => {
    const lines = await bench(name);
    for (const one of cases) {
      for (const subject of ['baton', 'colyseus'])
        expect(lines).toContainEqual(figure(name, one, subject, unit));
      expect(lines).toContainEqual(ratio(name, one, 'colyseus'));
    }
    for (const one of alone) expect(lines).toContainEqual(figure(name, one, 'baton', 'KiB/socket'));
    expect(lines).toHaveLength(3 * cases.length + alone.length);
  },
  120_000,
);

test('open: sockets of both kinds of clients against a join of stock Colyseus', async () => {
  const subjects = ['baton', 'baton, Colyseus client', 'colyseus'];
  const lines = await bench('open');
  for (const [name, unit] of [
    ['5 opens', 'µs CPU/open'],
    ['5 closes', 'µs CPU/close'],
  ] as const) {
    for (const subject of subjects) expect(lines).toContainEqual(figure('open', name, subject, unit));
    for (const subject of subjects.slice(1)) expect(lines).toContainEqual(ratio('open', name, subject));
  }
  expect(lines).toHaveLength(10);
}, 120_000);

test('link-relay: sockets that a function linked against rooms of stock Colyseus, and ws', async () => {
  const others = ['baton at once', 'colyseus', 'ws'];
  expect(withoutUws(await bench('link-relay'))).toEqual([
    ...RELAYING.flatMap(([name, unit]) =>
      ['baton', ...others].map((subject) => figure('link-relay', name, subject, unit)),
    ),
    ...RELAYING.flatMap(([name]) => others.map((subject) => ratio('link-relay', name, subject))),
  ]);
}, 120_000);

test('calls: what a message to a function costs against ws with undici', async () => {
  const cases = [
    ['10 Hz', 'µs CPU/call'],
    ['saturated', 'µs CPU/call'],
    ['saturated, one core', 'calls/s of CPU'],
  ] as const;
  expect(await bench('calls')).toEqual([
    ...cases.flatMap(([name, unit]) =>
      ['baton', 'ws + undici'].map((subject) => figure('calls', name, subject, unit)),
    ),
    ...cases.map(([name]) => ratio('calls', name, 'ws + undici')),
  ]);
}, 120_000);

test('drain: every room leaves its host', async () => {
  expect(await bench('drain')).toEqual([figure('drain', '4 rooms, 2 clients each', 'baton', 's')]);
}, 120_000);
