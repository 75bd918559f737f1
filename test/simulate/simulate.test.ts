// The simulator as a library: what it counts, that a seed repeats it, and what it says of a matchmaker that is wrong.
import type { Match, Matchmaker, Ticket } from '@baton/functions';
import {
  type Arrival,
  distributionOf,
  generatePopulation,
  percentile,
  rate,
  type Simulation,
  SimulationError,
  simulate,
  winProbabilities,
} from '@baton/functions/simulate';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { predictWin, rate as ratedByOpenskill } from 'openskill';
import { thurstoneMostellerFull } from 'openskill/models';
import { bySkill, inOrder, never } from './matchmakers.ts';

const seconds = fc.integer({ min: 0, max: 20_000 });
const party = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 });
/** Few players, so that many of them search twice; some impatient, some come at once. */
const arrivals: fc.Arbitrary<Arrival[]> = fc
  .array(fc.record({ at: seconds, party, patience: fc.oneof(seconds, fc.constant(Infinity)) }), {
    maxLength: 60,
  })
  .map((list) =>
    list
      .sort((a, b) => a.at - b.at)
      .map(({ at, party: ids, patience }) => ({
        at,
        patience,
        players: ids.map((id) => ({ id: `p${id}`, rating: { mu: id, sigma: 5 }, latency: { eu: id } })),
      })),
  );
const settings = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  tail: fc.constantFrom(0, 5_000),
  playAgain: fc.constantFrom(undefined, { probability: 0.7, matchDuration: 3_000 }),
  updateRatings: fc.boolean(),
});
const matchmaker = fc.constantFrom<Matchmaker>(inOrder, bySkill, never, { ...inOrder, interval: 0 });

function duel(...at: number[]): Arrival[] {
  return at.map((ms, n) => ({ at: ms, patience: Infinity, players: [{ id: `p${n + 1}` }] }));
}

test('everybody who arrived was matched, gave up or waits, and nobody twice', () => {
  fc.assert(
    fc.property(arrivals, settings, matchmaker, (list, options, chosen) => {
      const { report, searches, matches } = simulate(chosen, list, options);
      const { arrived, matched, abandoned, waiting, repeated } = report.players;
      expect(matched + abandoned + waiting).toBe(arrived);
      if (!options.playAgain) expect(searches.length + repeated).toBe(list.length);
      expect(matches.flatMap(({ teams }) => teams.flat())).toHaveLength(matched);
      expect(report.wait.count).toBe(matched);
      const sum = (pick: (point: (typeof report.timeline)[number]) => number) =>
        report.timeline.reduce((total, point) => total + pick(point), 0);
      expect([sum((p) => p.arrived), sum((p) => p.matched), sum((p) => p.abandoned)]).toEqual([
        arrived,
        matched,
        abandoned,
      ]);
      const last = new Map<string, number>();
      for (const { ticket, endedAt, outcome } of searches) {
        expect(endedAt).toBeGreaterThanOrEqual(outcome === 'waiting' ? 0 : ticket.createdAt);
        for (const { id } of ticket.players) {
          expect(ticket.createdAt).toBeGreaterThanOrEqual(last.get(id) ?? 0);
          last.set(id, endedAt);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('the same seed gives the same report to the last byte, even of a matchmaker that throws dice', () => {
  const dicing: Matchmaker = {
    match: (waiting) => (Math.random() < 0.5 ? inOrder.match(waiting, Date.now()) : []),
  };
  const run = (seed: number) => {
    const population = generatePopulation({
      players: 400,
      arrivalsPerSecond: 20,
      seed,
      parties: { 1: 3, 2: 1 },
    });
    const playAgain = { probability: 0.8, matchDuration: 5_000 };
    return JSON.stringify(
      simulate(dicing, population, { seed, playAgain, updateRatings: true, tail: 10_000 }),
    );
  };
  expect(run(7)).toBe(run(7));
  expect(run(8)).not.toBe(run(7));
  expect(Math.random()).not.toBe(Math.random());
  expect(Date.now()).toBeGreaterThan(1e12);
});

test('percentiles are those of a naive count', () => {
  const naive = (values: number[], percent: number) =>
    [...values]
      .sort((a, b) => a - b)
      .find((value) => {
        const covered = values.filter((other) => other <= value).length;
        return covered * 100 >= percent * values.length;
      });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 100 }),
      (values, p) => {
        expect(
          percentile(
            [...values].sort((a, b) => a - b),
            p,
          ),
        ).toBe(naive(values, p));
        const { p50, p95, p99, max, count } = distributionOf(values);
        expect([p50, p95, p99, max]).toEqual([50, 95, 99, 100].map((each) => naive(values, each)));
        expect(count).toBe(values.length);
      },
    ),
  );
  expect(distributionOf([])).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});

test('waits are from arrival to the round, and those who lose patience leave at that moment', () => {
  const list: Arrival[] = [
    { at: 200, patience: 2_500, players: [{ id: 'anna', latency: { eu: 30 } }] },
    { at: 1_500, patience: 9_000, players: [{ id: 'ben', latency: { eu: 50 } }] },
    { at: 4_100, patience: 300, players: [{ id: 'cleo' }, { id: 'dan' }] },
    { at: 4_300, patience: Infinity, players: [{ id: 'eve' }] },
  ];
  const { report, searches } = simulate(inOrder, list);
  expect(searches.map(({ outcome, endedAt }) => [outcome, endedAt])).toEqual([
    ['matched', 2_000],
    ['matched', 2_000],
    ['abandoned', 4_400],
    ['waiting', 5_000],
  ]);
  expect(report).toMatchObject({
    duration: 5_000,
    rounds: 3,
    matches: 1,
    players: { arrived: 5, matched: 2, abandoned: 2, turnedAway: 0, waiting: 1, repeated: 0 },
    wait: { count: 2, mean: 1_150, p50: 500, max: 1_800 },
    abandonedWait: { count: 2, max: 300 },
    waitSoFar: { count: 1, max: 700 },
    latency: { count: 2, max: 50 },
    parties: [
      { size: 1, tickets: 3, matched: 2, waiting: 1 },
      { size: 2, tickets: 1, abandoned: 1 },
    ],
    matchSizes: [{ players: 2, matches: 1, backfills: 0 }],
  });
});

test('with an interval of 0 there is a round when somebody comes, and a second tap of a player is no second ticket', () => {
  const list = duel(100, 250, 300);
  list[1]!.players[0]!.id = 'p1';
  const { report, searches } = simulate({ ...inOrder, interval: 0 }, list);
  expect(searches.map(({ endedAt }) => endedAt)).toEqual([300, 300]);
  expect(report.players).toEqual({
    ...{ arrived: 2, matched: 2, abandoned: 0, turnedAway: 0, waiting: 0 },
    repeated: 1,
  });
});

test('a population has the skills, parties, regions and rate that were asked for', () => {
  const population = generatePopulation({
    players: 20_000,
    arrivalsPerSecond: 50,
    seed: 3,
    parties: { 1: 1, 3: 1 },
  });
  const players = population.flatMap((arrival) => arrival.players);
  expect(players).toHaveLength(20_000);
  expect(new Set(players.map(({ id }) => id)).size).toBe(20_000);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const skills = players.map(({ skill }) => skill!);
  const average = mean(skills);
  expect(average).toBeCloseTo(25, 0);
  expect(Math.sqrt(mean(skills.map((skill) => (skill - average) ** 2)))).toBeCloseTo(25 / 3, 0);
  // Ratings are right on average, and as uncertain as they say.
  const surprise = players.map(({ skill, rating }) => (skill! - rating!.mu) / rating!.sigma);
  expect(mean(surprise)).toBeCloseTo(0, 1);
  expect(mean(surprise.map((each) => each ** 2))).toBeCloseTo(1, 1);
  expect(population.filter(({ players: { length } }) => length === 3).length / population.length).toBeCloseTo(
    0.5,
    1,
  );
  expect(20_000 / (population.at(-1)!.at / 1000)).toBeCloseTo(50, -1);
  const waits = population.map(({ patience }) => patience).sort((a, b) => a - b);
  expect(percentile(waits, 50) / 120_000).toBeCloseTo(1, 1);
});

test('roles: each player names all of them, and how many got the one they like best is reported', () => {
  const population = generatePopulation({
    players: 100,
    arrivalsPerSecond: 50,
    seed: 3,
    roles: { tank: 1, healer: 3 },
  });
  const alwaysTank: Matchmaker = {
    match: (waiting, now) =>
      inOrder.match(waiting, now).map((match) => ({
        ...match,
        roles: Object.fromEntries(
          match.teams.flat().flatMap(({ players }) => players.map(({ id }) => [id, 'tank'])),
        ),
      })),
  };
  expect(population.every(({ players }) => players.every(({ roles }) => roles!.length === 2))).toBe(true);
  expect(simulate(alwaysTank, population).report.favouriteRole).toBeCloseTo(0.25, 0);
  expect(simulate(inOrder, population).report.favouriteRole).toBeUndefined();
});

test('ratings that change with outcomes come nearer to what players can do', () => {
  const population = generatePopulation({
    players: 60,
    arrivalsPerSecond: 10,
    seed: 5,
    sigma: { least: 8.3, most: 8.3 },
    patience: { median: 1e9 },
  });
  const options = { tail: 600_000, playAgain: { probability: 1, matchDuration: 5_000 }, updateRatings: true };
  const skills = new Map(
    population.flatMap(({ players }) => players.map(({ id, skill }) => [id, skill!] as const)),
  );
  const error = ({ searches }: Simulation) => {
    const last = new Map(
      searches.flatMap(({ ticket }) => ticket.players.map(({ id, rating }) => [id, rating!.mu])),
    );
    return [...last].reduce((sum, [id, mu]) => sum + Math.abs(mu - skills.get(id)!), 0) / last.size;
  };
  const anybody: Matchmaker = {
    match: (waiting, now) =>
      inOrder.match(
        [...waiting].sort(() => Math.random() - 0.5),
        now,
      ),
  };
  const settled = simulate(anybody, population, options);
  expect(settled.report.players.arrived).toBeGreaterThan(2_000);
  expect(error(settled)).toBeLessThan(error(simulate(anybody, population)) / 2);
  expect(settled.searches.every(({ ticket }) => ticket.players.every((player) => !('skill' in player)))).toBe(
    true,
  );
});

test('win probabilities and new ratings are those of openskill', () => {
  const [a, b, c] = [
    { mu: 30, sigma: 4 },
    { mu: 25, sigma: 25 / 3 },
    { mu: 22, sigma: 6 },
  ];
  for (const match of [
    [[a], [b]],
    [[a], [b], [c]],
  ]) {
    const wins = predictWin(match).map((win) => expect.closeTo(win, 5));
    expect(winProbabilities(match)).toEqual(wins);
  }
  // a margin of nothing: there are no draws
  const options = { rank: [3, 1, 2], model: thurstoneMostellerFull, epsilon: 1e-9, tau: 25 / 300 };
  const rated = ratedByOpenskill([[a], [b], [c]], options).map((team) =>
    team.map(({ mu, sigma }) => ({ mu: expect.closeTo(mu, 5), sigma: expect.closeTo(sigma, 5) })),
  );
  expect(rate([[a], [b], [c]], [3, 1, 2])).toEqual(rated);
});

test.each<[string, string, (waiting: readonly Ticket[]) => unknown, string[]]>([
  [
    'throws',
    'match() has thrown: no luck',
    () => {
      throw new Error('no luck');
    },
    ['t1', 't2', 't3'],
  ],
  [
    'never ends',
    'match() did not end within 50 ms',
    () => {
      for (;;);
    },
    ['t1', 't2', 't3'],
  ],
  ['returns nothing', 'match() returned a value of type undefined', () => undefined, ['t1', 't2', 't3']],
  ['is async', 'match() returned a promise', async () => [], ['t1', 't2', 't3']],
  ['has an empty team', 'match 1 of 1: a team is empty', ([a]) => [{ teams: [[a], []] }], ['t1', 't2', 't3']],
  ['has no teams', 'match 1 of 1: it has nobody in it', () => [{ teams: [] }], ['t1', 't2', 't3']],
  [
    'matches a player with himself',
    'p1 would meet themselves: ticket t1 is in it twice',
    ([a]) => [{ teams: [[a], [a]] }],
    ['t1'],
  ],
  [
    'uses a ticket in two matches',
    'match 2 of 2: ticket t2 (p2) is in match 1, too',
    ([a, b, c]) => [{ teams: [[a], [b]] }, { teams: [[b], [c]] }],
    ['t2'],
  ],
  [
    'invents a ticket',
    'ticket t9 is none of those that wait',
    ([a]) => [{ teams: [[a], [{ ...a, id: 't9' }]] }],
    ['t9'],
  ],
])(
  'a matchmaker that %s ends the simulation, with the round and the tickets',
  (_, reason, match, tickets) => {
    const wrong = { match: match as () => Match[] };
    const caught = (() => {
      try {
        return simulate(wrong, duel(100, 200, 300), { roundLimit: 50 });
      } catch (error) {
        return error;
      }
    })();
    expect(caught).toBeInstanceOf(SimulationError);
    expect(caught).toMatchObject({ at: 1_000, tickets });
    expect((caught as Error).message).toContain(reason);
    expect((caught as Error).message).toContain(
      `round at 1.000 s; ticket${tickets.length > 1 ? 's' : ''} ${tickets.join(', ')}`,
    );
  },
);

test('those who join a running match are counted apart; teams of it may need nobody', () => {
  const backfilling: Matchmaker = { match: ([a]) => [{ teams: [[a!], []], backfill: 'running' }] };
  const { report } = simulate(backfilling, duel(100, 1_100));
  expect(report.matchSizes).toEqual([{ players: 1, matches: 2, backfills: 2 }]);
  expect(report.players.matched).toBe(2);
  expect(report.fairness.count).toBe(0);
});

test('a ticket that was matched is unknown in the next round', () => {
  let first: readonly Ticket[] | undefined;
  const stale: Matchmaker = {
    match: (waiting, now) => inOrder.match((first ??= waiting), now),
  };
  expect(() => simulate(stale, duel(100, 200, 1_300))).toThrow(
    'ticket t1 is none of those that wait (round at 2.000 s; ticket t1)',
  );
});

test.each<[string, Arrival[]]>([
  ['arrival 1: at is -1', duel(-1)],
  ['arrival 2: it is before the one in front of it', duel(5, 4)],
  ['arrival 1: it has no players', [{ at: 0, patience: 1, players: [] }]],
  ['arrival 1: a player is in it twice', [{ at: 0, patience: 1, players: [{ id: 'a' }, { id: 'a' }] }]],
  ['arrival 1: patience is NaN', [{ at: 0, patience: NaN, players: [{ id: 'a' }] }]],
])('wrong input: %s', (message, list) => {
  expect(() => simulate(inOrder, list)).toThrow(message);
});

test('an interval that is no number is refused', () => {
  expect(() => simulate({ ...inOrder, interval: Number.NaN }, duel(1))).toThrow('interval is NaN');
});
