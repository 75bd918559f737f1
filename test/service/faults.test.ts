// Processes are killed or stopped at every step of a move: there is one owner at most, the room runs on or is cleanly
// gone, nobody hangs, nothing leaks. BATON_NIGHTLY=1 runs the whole matrix, BATON_FAULT=<regexp> what matches.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FaultBench, type FaultCase, nameOf, type StoreKind } from '../support/fault-bench.ts';

const nightly = process.env['BATON_NIGHTLY'] === '1';
const wanted = process.env['BATON_FAULT'];

const STEPS = [
  ['source', 'preparing'],
  ['source', 'quiescing'],
  ['source', 'frozen'],
  ['source', 'transferring'],
  ['target', 'prepared'],
  ['target', 'received'],
  ['target', 'restored'],
  ['target', 'switched'],
  ['target', 'active'],
  ['target', 'published'],
] as const;

const BLOWS = [
  ['source', 'SIGKILL'],
  ['target', 'SIGKILL'],
  ['source', 'SIGSTOP'],
  ['target', 'SIGSTOP'],
  ['source', 'hang'],
  ['target', 'hang'],
  ['store', 'SIGSTOP'],
  ['store', 'SIGKILL'],
  ['supervisor', 'SIGKILL'],
] as const;

function matrix(store: StoreKind): FaultCase[] {
  return BLOWS.flatMap(([victim, blow]) =>
    STEPS.map(([side, phase]) => ({ store, side, phase, victim, blow })),
  ).filter(({ victim, blow }) => !(store === 'embedded' && victim === 'store' && blow === 'SIGKILL'));
}

/** The cases of `npm test`, as lanes that run side by side; those after which a service is of no use come last. */
const USUAL: string[][] = [
  [
    'redis: source transferring, source SIGKILL',
    'redis: target switched, target SIGKILL',
    'redis: target received, source SIGKILL',
    'redis: target active, target SIGKILL',
    'redis: target restored, store SIGKILL',
    'redis: target restored, store SIGSTOP',
    'redis: target received, target SIGSTOP',
    'redis: target active, supervisor SIGKILL',
  ],
  [
    'embedded: target prepared, target SIGKILL',
    'embedded: target published, target SIGKILL',
    'embedded: target switched, source SIGSTOP',
    'embedded: target switched, target hang',
    'embedded: source frozen, store SIGSTOP',
    'embedded: target restored, target SIGKILL',
    'embedded: source preparing, supervisor SIGKILL',
  ],
];

const all = [...matrix('redis'), ...matrix('embedded')];

function lanes(): FaultCase[][] {
  const chosen = wanted ? all.filter((c) => new RegExp(wanted).test(nameOf(c))) : all;
  if (wanted || nightly) {
    return (['redis', 'embedded'] as const)
      .map((store) => chosen.filter((c) => c.store === store))
      .filter((lane) => lane.length > 0);
  }
  return USUAL.map((names) => names.map((name) => all.find((c) => nameOf(c) === name)!));
}

const results = new Map<string, Promise<string>>();
const benches: FaultBench[] = [];

beforeAll(() => {
  for (const lane of lanes()) {
    const bench = new FaultBench(lane[0]!.store);
    benches.push(bench);
    let before: Promise<unknown> = Promise.resolve();
    for (const fault of lane) {
      const result = before.then(() => bench.run(fault));
      result.catch(() => {});
      results.set(nameOf(fault), result);
      before = result.catch(() => {});
    }
    before.finally(() => bench.close());
  }
});
const loops = new FaultBench('embedded');
afterAll(() => Promise.all([...benches, loops].map((bench) => bench.close())));

describe('a move that is struck', () => {
  for (const fault of lanes().flat()) {
    test(
      nameOf(fault),
      async () => {
        const outcome = await results.get(nameOf(fault))!;
        process.stdout.write(`${nameOf(fault)} → ${outcome}\n`);
        expect(outcome).toMatch(/^(runs on|gone)/);
      },
      nightly ? 7_200_000 : 600_000,
    );
  }
});

test('a host in an endless loop is ended and replaced', async () => {
  const outcome = await loops.loop();
  process.stdout.write(`endless loop → ${outcome}\n`);
  expect(outcome).toMatch(/^gone after [1-9]\d{3} ms/);
});
