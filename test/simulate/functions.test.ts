// Functions in virtual time: what they are told, what follows from their answers, and that a seed repeats all of it.
import {
  backfill,
  controlApi,
  defineFunctions,
  type FunctionSet,
  firstCome,
  firstComePairs,
  matchmake,
  type SocketEvent,
  skill,
  teams,
} from '@baton/functions';
import { type Arrival, generatePopulation, simulate } from '@baton/functions/simulate';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type FunctionsOptions, simulateFunctions } from '../../server/src/cli/simulate/functions.ts';
import { functionsOf } from '../../server/src/cli/simulate/handler.ts';
import { CALL_KINDS, Pulse } from '../../server/src/cli/simulate/task.ts';
import { VirtualTime } from '../../server/src/cli/simulate/virtual-time.ts';

/** @param make is called when time is virtual already */
async function play(make: () => FunctionSet, arrivals: readonly Arrival[], options: FunctionsOptions = {}) {
  const time = new VirtualTime(options.seed ?? 1);
  try {
    return await simulateFunctions(time, make(), arrivals, options);
  } finally {
    time.end();
  }
}

/** Players alone, who never give up. */
function alone(...at: number[]): Arrival[] {
  return at.map((ms, n) => ({ at: ms, patience: Infinity, players: [{ id: `p${n + 1}` }] }));
}

const service = () => controlApi({ url: 'http://baton.invalid', key: 'simulation' });

/** Those who come in five seconds meet, over the control API. */
function everyFiveSeconds(): FunctionSet {
  const waiting: string[] = [];
  const { link } = service();
  setInterval(async () => {
    while (waiting.length > 1) {
      const [a, b] = waiting.splice(0, 2);
      await link(a!, { peer: b! });
    }
  }, 5_000);
  return {
    open({ socketId }) {
      waiting.push(socketId);
    },
    close({ socketId }) {
      if (waiting.includes(socketId)) waiting.splice(waiting.indexOf(socketId), 1);
    },
  };
}

/** The next three who come are a group. */
function threes(): FunctionSet {
  let come = 0;
  return { open: () => ({ group: `g${Math.floor(come++ / 3)}`, size: 3 }) };
}

const SETS: Record<string, () => FunctionSet> = {
  pairs: () => firstComePairs(),
  everyFiveSeconds,
  threes,
  rated: () => matchmake(skill(), { service: service() }),
  check: () => matchmake(firstCome(), { service: service(), accept: { within: 1_000 }, maxWait: 4_000 }),
  refilled: () => matchmake(backfill(teams({ size: 2 })), { service: service(), refill: true }),
  nobody: () => ({ open: () => ({}) }),
};

const moment = fc.integer({ min: 0, max: 20_000 });
const arrivalsOf = fc
  .array(
    fc.record({
      at: moment,
      party: fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }),
      patience: fc.oneof(moment, fc.constant(Infinity)),
    }),
    { maxLength: 30 },
  )
  .map((list) =>
    list
      .sort((a, b) => a.at - b.at)
      .map(({ at, party, patience }): Arrival => {
        const players = party.map((id) => ({ id: `p${id}`, rating: { mu: id, sigma: 5 } }));
        return { at, patience, players };
      }),
  );

test('whatever the functions: everybody who arrived was matched, gave up, was turned away or waits', async () => {
  const options = fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    tail: fc.constantFrom(0, 5_000),
    playAgain: fc.constantFrom(undefined, { probability: 0.7, matchDuration: 3_000 }),
    updateRatings: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(SETS)),
      arrivalsOf,
      options,
      async (name, list, settings) => {
        const { report, searches, matches } = await play(SETS[name]!, list, settings);
        const { arrived, matched, abandoned, turnedAway, waiting, repeated } = report.players;
        expect(matched + abandoned + turnedAway + waiting).toBe(arrived);
        if (!settings.playAgain) expect(searches.length + repeated).toBe(list.length);
        for (const { teams: sides, match } of matches) {
          const ids = sides.flat().map(({ id }) => id);
          expect(new Set(ids).size).toBe(ids.length);
          if (match.backfill === undefined) expect(ids.length).toBeGreaterThan(1);
        }
        for (const { ticket, endedAt, outcome } of searches)
          expect(endedAt).toBeGreaterThanOrEqual(outcome === 'waiting' ? 0 : ticket.createdAt);
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

test('pairs of the kit: the first one waits for the second', async () => {
  const { report, searches, matches, refused } = await play(() => firstComePairs(), alone(100, 400, 500));
  expect(searches.map(({ outcome, endedAt }) => [outcome, endedAt])).toEqual([
    ['matched', 400],
    ['matched', 400],
    ['waiting', 1_500],
  ]);
  expect(
    matches.map(({ teams: sides }) =>
      sides
        .flat()
        .map(({ id }) => id)
        .sort(),
    ),
  ).toEqual([['p1', 'p2']]);
  expect(report).toMatchObject({ duration: 1_500, rounds: 0, wait: { count: 2, mean: 150, max: 300 } });
  expect(refused).toEqual({});
});

test('a fetch handler is called by requests, and plays no other way', async () => {
  const players = generatePopulation({
    players: 60,
    arrivalsPerSecond: 10,
    seed: 3,
    parties: { 1: 1, 2: 1 },
  });
  const make = () => matchmake(skill(), { service: service() });
  const playAgain = { probability: 0.5, matchDuration: 2_000 };
  const handled = await play(() => functionsOf(defineFunctions(make())), players, { playAgain, tail: 5_000 });
  expect(handled.report).toEqual((await play(make, players, { playAgain, tail: 5_000 })).report);
  const handler = (fetch: () => Response) => play(() => functionsOf({ fetch }), alone(0));
  expect((await handler(() => new Response('hello'))).report.players.waiting).toBe(1);
  await expect(handler(() => new Response('not now', { status: 503 }))).rejects.toThrow(
    'the open function, called for socket s1 of player p1, failed: it answered with status 503: not now (at 0.000 s)',
  );
});

test('the same seed gives the same report to the last byte, also of functions that throw dice', async () => {
  const dicing = (): FunctionSet => {
    const pool = matchmake(skill(), { service: service(), maxWait: 20_000 });
    return {
      ...pool,
      async open(event) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 1_000));
        if (crypto.randomUUID() < '2') return { reject: { code: 4003, reason: 'bad luck' } };
        return pool.open(event);
      },
    };
  };
  const run = async (seed: number) => {
    const players = generatePopulation({
      players: 150,
      arrivalsPerSecond: 20,
      seed,
      parties: { 1: 3, 2: 1 },
    });
    const playAgain = { probability: 0.8, matchDuration: 5_000 };
    return JSON.stringify(
      await play(dicing, players, { seed, playAgain, updateRatings: true, tail: 10_000 }),
    );
  };
  const first = await run(7);
  expect(await run(7)).toBe(first);
  expect(await run(8)).not.toBe(first);
  // all is real again
  expect(Date.now()).toBeGreaterThan(1e12);
  expect(Math.random()).not.toBe(Math.random());
  expect(crypto.randomUUID()).not.toBe(crypto.randomUUID());
});

test('a matchmaker gives the same waits as functions as by itself', async () => {
  const players = generatePopulation({ players: 500, arrivalsPerSecond: 20, seed: 3 });
  const { report: bare } = simulate(skill(), players);
  const { report } = await play(SETS['rated']!, players);
  expect(report.matches).toBe(bare.matches);
  for (const part of ['mean', 'p50', 'p95', 'p99'] as const) {
    expect(Math.abs(report.wait[part] - bare.wait[part])).toBeLessThan(50);
    expect(report.spread[part]).toBeCloseTo(bare.spread[part], 1);
  }
});

test('timers and the control API: those who come in five seconds meet when they are over', async () => {
  const { searches } = await play(everyFiveSeconds, alone(100, 400, 500, 6_000, 11_000), { tail: 10_000 });
  expect(searches.map(({ endedAt }) => endedAt)).toEqual([5_000, 5_000, 10_000, 10_000, 22_000]);
});

test('a group is linked when all have come', async () => {
  const { searches, matches, report } = await play(threes, alone(100, 200, 900, 950));
  expect(searches.map(({ outcome, endedAt }) => [outcome, endedAt])).toEqual([
    ...Array(3).fill(['matched', 900]),
    ['waiting', 1_950],
  ]);
  expect(matches[0]!.teams.flatMap((team) => team.map(({ id }) => id)).sort()).toEqual(['p1', 'p2', 'p3']);
  expect(report.matchSizes).toEqual([{ players: 3, matches: 1, backfills: 0 }]);
});

test('who takes the place of somebody that has left a group joins its match', async () => {
  const leaving = (): FunctionSet => ({
    open({ playerId, socketId }) {
      if (playerId === 'p2') setTimeout(() => service().close(socketId, 4000, 'bye'), 500);
      return { group: 'g', size: 2 };
    },
  });
  const { matches, report } = await play(leaving, alone(0, 1_000, 2_000));
  expect(
    matches.map(({ at, teams: sides, match }) => [at, sides.flat().map(({ id }) => id), match.backfill]),
  ).toEqual([
    [1_000, ['p2', 'p1'], undefined],
    [2_000, ['p3'], 'group/g'],
  ]);
  expect(report.matchSizes).toEqual([
    { players: 1, matches: 1, backfills: 1 },
    { players: 2, matches: 1, backfills: 0 },
  ]);
});

test('who names a peer that is not open yet waits for it, a minute long', async () => {
  const named = (): FunctionSet => ({
    open: ({ playerId }) =>
      playerId === 'p1'
        ? { alias: 'first', peer: 'second' }
        : playerId === 'p3'
          ? { alias: 'second' }
          : { peer: 'never' },
  });
  const { searches, refused } = await play(named, alone(0, 1_000, 5_000), { tail: 60_000 });
  expect(searches.map(({ outcome, endedAt }) => [outcome, endedAt])).toEqual([
    ['matched', 5_000],
    ['waiting', 66_000],
    ['matched', 5_000],
  ]);
  expect(refused).toEqual({ BATON_LINK_TIMEOUT: 1 });
});

test('who loses patience closes the socket, and its functions hear of it after all else', async () => {
  const told: unknown[] = [];
  const note = ({ kind, sequence, playerId, data }: SocketEvent) =>
    void told.push([Date.now(), playerId, kind, sequence, data]);
  const listening = (): FunctionSet => {
    const pairs = firstComePairs();
    return {
      async open(event) {
        note({ ...event, data: undefined });
        await new Promise((resolve) => setTimeout(resolve, 300));
        return pairs.open(event);
      },
      linked: note,
      unlinked: note,
      close(event) {
        note(event);
        return pairs.close(event);
      },
    };
  };
  const list = alone(0, 1_000, 2_000).map((arrival, n) => ({
    ...arrival,
    patience: [200, 5_000, 5_000][n]!,
  }));
  const playAgain = { probability: 0, matchDuration: 4_000 };
  const { report } = await play(listening, list, { playAgain, tail: 20_000 });
  expect(report.players).toMatchObject({ arrived: 3, abandoned: 1, matched: 2 });
  expect(report.abandonedWait.max).toBe(200);
  expect(told.slice(0, 6)).toEqual([
    [0, 'p1', 'open', 1, undefined],
    // in order: the open function has answered by now
    [300, 'p1', 'close', 2, { reason: 'left' }],
    [1_000, 'p2', 'open', 1, undefined],
    [2_000, 'p3', 'open', 1, undefined],
    [2_300, 'p3', 'linked', 2, { peers: ['s2'] }],
    [2_300, 'p2', 'linked', 2, { peers: ['s3'] }],
  ]);
  // the match is over
  expect(told.slice(6)).toEqual([
    [expect.any(Number), 'p3', 'close', 3, { reason: 'left' }],
    [expect.any(Number), 'p2', 'close', 3, { reason: 'left' }],
  ]);
});

test('functions know of players what the population says, and keep what they answer', async () => {
  const events: SocketEvent[] = [];
  const keeping = (): FunctionSet => ({
    open(event) {
      events.push(event);
      return { attributes: { seen: true, region: null } };
    },
    close: (event) => void events.push(event),
  });
  const rating = { mu: 30, sigma: 2 };
  const players = [
    { id: 'a', rating, latency: { us: 110, eu: 30 }, roles: ['tank'], skill: 35 },
    { id: 'b', rating },
  ];
  await play(keeping, [{ at: 0, patience: 500, players, attributes: { map: 'x' } }]);
  const known = {
    map: 'x',
    rating,
    latency: { us: 110, eu: 30 },
    roles: ['tank'],
    region: 'eu',
    party: { id: 't1', size: 2 },
  };
  expect(events[0]).toEqual({
    ...{ kind: 'open', id: 's1-1', socketId: 's1', playerId: 'a', tenant: 'default', mapping: 'simulation' },
    ...{ mappingVersion: 1, epoch: 1, sequence: 1, attributes: known, data: known },
  });
  const { region: _, ...kept } = known;
  expect(events[2]).toMatchObject({ kind: 'close', playerId: 'a', data: { reason: 'left' } });
  expect(events[2]!.attributes).toEqual({ ...kept, seen: true });
});

test('who is rejected, or closed before he plays, was turned away', async () => {
  const strict = (): FunctionSet => ({
    open({ playerId }) {
      if (playerId === 'p1') return { reject: { code: 4003, reason: 'banned' } };
      if (playerId === 'p2') return { close: { code: 4003, reason: 'full' } };
      setTimeout(() => service().close('s3', 4003, 'too late'), 200);
      return undefined;
    },
  });
  const { report, searches } = await play(strict, alone(0, 100, 200));
  expect(report.players).toMatchObject({ arrived: 3, turnedAway: 3, waiting: 0 });
  expect(searches.map(({ endedAt }) => endedAt)).toEqual([0, 100, 400]);
});

test('a ready check is accepted, and parties stay together', async () => {
  const players = generatePopulation({ players: 90, arrivalsPerSecond: 10, seed: 5, parties: { 2: 1 } });
  const make = () => matchmake(teams({ size: 2 }), { service: service(), accept: { within: 5_000 } });
  const { report, matches } = await play(make, players, { tail: 10_000 });
  expect(report.players.matched).toBeGreaterThan(80);
  for (const { teams: sides } of matches) expect(sides.map((side) => side.length)).toEqual([2, 2]);
  expect(report.fairness.count).toBe(matches.length);
});

test('who comes back plays again; a match that lost somebody takes others', async () => {
  const players = generatePopulation({
    players: 40,
    arrivalsPerSecond: 10,
    seed: 5,
    patience: { median: 1e9 },
  });
  const playAgain = { probability: 1, matchDuration: 5_000 };
  const { report } = await play(() => firstComePairs(), players, { playAgain, tail: 60_000 });
  expect(report.players.arrived).toBeGreaterThan(200);
  expect(report.players.arrived - report.players.matched).toBeLessThan(2);
});

test.each<[string, () => FunctionSet, string]>([
  [
    'throws',
    () => ({
      open() {
        throw new Error('no luck');
      },
    }),
    'the open function, called for socket s1 of player p1, failed: no luck (at 0.100 s)',
  ],
  [
    'rejects later, in a close call',
    () => ({
      open: () => ({ close: { code: 4000, reason: '' } }),
      close: () => Promise.reject(new Error('no')),
    }),
    'the close function, called for socket s1 of player p1, failed: no (at 0.100 s)',
  ],
  [
    'answers nonsense',
    () => ({ open: () => ({ peer: 7 }) as never }),
    'the open function, called for socket s1 of player p1, failed: its answer is invalid: peer: ',
  ],
  [
    'answers with a function',
    () => ({ open: () => (() => {}) as never }),
    'failed: it answered with a value of type function (at 0.100 s)',
  ],
  [
    'never answers',
    () => ({ open: () => new Promise<never>(() => {}) }),
    'failed: it did not answer within 5 s (at 5.100 s)',
  ],
  [
    'asks others',
    () => ({ open: async () => void (await fetch('https://players.example/p1')) }),
    'failed: a simulation has no network: GET https://players.example/p1 (at 0.100 s)',
  ],
  [
    'throws in a timer',
    () => ({
      open: () =>
        void setTimeout(() => {
          throw new Error('late');
        }, 50),
    }),
    'a timer has thrown: late (at 0.150 s)',
  ],
])('a function that %s ends the simulation, with the call and the time', async (_what, make, message) => {
  await expect(play(make, alone(100, 10_000))).rejects.toThrow(message);
});

test('what went on last is known of a thread that does not give way', () => {
  const pulse = new Pulse();
  const seen = new Pulse(pulse.buffer);
  expect(seen.silent('15 s')).toEqual({ reason: 'it did not load, or begin, within 15 s' });
  const beats = [seen.beat];
  pulse.goesOn(0.25);
  beats.push(seen.beat);
  pulse.calls(CALL_KINDS.indexOf('linked'), 7, 1_500);
  beats.push(seen.beat);
  expect(new Set(beats).size).toBe(3);
  expect(seen.beat).toBe(beats[2]);
  expect(seen.silent('15 s')).toEqual({
    reason:
      'nothing went on for 15 s of real time after the linked function was called for socket s7 (at 1.500 s)',
    ...{ at: 1_500, socket: 's7' },
  });
});
