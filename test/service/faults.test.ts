// Processes are killed or stopped at every step of a move: there is one owner at most, the room runs on or is cleanly
// gone, nobody hangs, nothing leaks. `npm test` strikes a fixed few and a sample that BATON_SEED repeats,
// `npm run test:nightly` all, BATON_FAULT=<regexp> what matches.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Random } from '../migration/schema/random.ts';
import { FaultBench, type FaultCase, nameOf, type StoreKind } from '../support/fault-bench.ts';
import { fateIn, fatesOf, STEPS } from '../support/fault-fates.ts';

const nightly = process.env['BATON_NIGHTLY'] === '1';
const wanted = process.env['BATON_FAULT'];

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

/** Struck in every `npm test`: the steps around the point of no return. One lane a store. */
const CORE = [
  'redis: target switched, target SIGKILL',
  'redis: target received, source SIGKILL',
  'redis: target restored, store SIGKILL',
  'redis: target active, target SIGSTOP',
  'redis: target received, target SIGSTOP',
  'embedded: target switched, target hang',
  'embedded: target precopy, target SIGKILL',
  'embedded: source transferring, source SIGKILL',
  'embedded: source frozen, store SIGSTOP',
  'embedded: target restored, target SIGKILL',
];
/** Beyond those, of each store; another draw each time. */
const SAMPLE = 2;

const seed = Number(process.env['BATON_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const all = [...matrix('redis'), ...matrix('embedded')];

function chosen(): FaultCase[] {
  if (wanted) return all.filter((fault) => new RegExp(wanted).test(nameOf(fault)));
  if (nightly) return all;
  const random = new Random(seed);
  const core = all.filter((fault) => CORE.includes(nameOf(fault)));
  const sample = (['redis', 'embedded'] as const).flatMap((store) => {
    const rest = all.filter((fault) => fault.store === store && !core.includes(fault));
    return Array.from({ length: SAMPLE }, () => rest.splice(random.int(rest.length), 1)[0]!);
  });
  return [...core, ...sample];
}

/** One a store, side by side; those after which a service is of no use come last. */
function lanes(faults: FaultCase[]): FaultCase[][] {
  const last = ({ victim }: FaultCase) => Number(victim === 'supervisor');
  return (['redis', 'embedded'] as const)
    .map((store) => faults.filter((c) => c.store === store).sort((a, b) => last(a) - last(b)))
    .filter((lane) => lane.length > 0);
}

const faults = chosen();
const results = new Map<string, Promise<string>>();
const benches: FaultBench[] = [];

beforeAll(() => {
  for (const lane of lanes(faults)) {
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

describe(`a move that is struck (seed ${seed})`, () => {
  for (const fault of faults) {
    test(
      nameOf(fault),
      async () => {
        const outcome = await results.get(nameOf(fault))!;
        process.stdout.write(`${nameOf(fault)} → ${outcome}\n`);
        expect([...fatesOf(fault)]).toContain(fateIn(outcome));
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
