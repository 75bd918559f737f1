import {
  assignRoles,
  backfill,
  firstCome,
  type Match,
  type Matchmaker,
  parties,
  privateCodes,
  type Roles,
  regions,
  skill,
  type Ticket,
  teams,
} from '@baton/functions';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

interface Wanted {
  size?: number;
  mu?: number;
  roles?: string[];
  latency?: Record<string, number>;
  code?: string;
}

let made = 0;
function ticket(createdAt: number, { size = 1, mu = 25, roles, latency, code }: Wanted = {}): Ticket {
  const id = `t${made++}`;
  const player = (i: number) => ({ id: `${id}.${i}`, rating: { mu, sigma: 1 }, roles, latency });
  const players = Array.from({ length: size }, (_, i) => player(i));
  return deepFreeze({ id, players, createdAt, attributes: code === undefined ? {} : { code } });
}

/** A matchmaker that changes what it is given fails. */
function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object') Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

interface Made {
  match: Match;
  at: number;
}

const STEP = 1_000;

/**
 * Rounds with players who arrive in between. Each round is made twice and says the same; nobody is in two matches.
 * @param arrivals who comes, by round; then rounds go on for `quiet` more
 */
function run(matchmaker: Matchmaker, arrivals: readonly (readonly Wanted[])[], quiet = 0) {
  const all: Ticket[] = [];
  const matches: Made[] = [];
  let waiting: Ticket[] = [];
  let at = 1_000_000;
  for (let round = 0; round < arrivals.length + quiet; round++, at += STEP) {
    const came = (arrivals[round] ?? []).map((wanted) => ticket(at, wanted));
    all.push(...came);
    waiting = Object.freeze([...waiting, ...came]) as Ticket[];
    const found = matchmaker.match(waiting, at);
    if (said(matchmaker.match(waiting, at)) !== said(found))
      throw new Error('not the same for the same tickets');
    const taken = found.flatMap((match) => match.teams.flat());
    const left = new Set(waiting);
    for (const each of taken)
      if (!left.delete(each)) throw new Error(`${each.id} is in two matches, or in none`);
    matches.push(...found.map((match) => ({ match, at })));
    waiting = [...left];
  }
  return { all, matches, waiting, end: at };
}

const said = (matches: readonly Match[]) =>
  JSON.stringify(
    matches.map((match) => ({ ...match, teams: match.teams.map((team) => team.map(({ id }) => id)) })),
  );
const playersOf = (team: readonly Ticket[]) => team.flatMap(({ players }) => players);
const sizesOf = ({ teams }: Match) => teams.map((team) => playersOf(team).length);
const mean = (tickets: readonly Ticket[]) => {
  const ratings = playersOf(tickets).map(({ rating }) => rating!.mu);
  return ratings.reduce((sum, mu) => sum + mu, 0) / ratings.length;
};
const width = ({ from, to, over }: { from: number; to: number; over: number }, waited: number) =>
  from + (to - from) * Math.min(1, waited / over);

const wanted = fc.record({
  size: fc.integer({ min: 1, max: 3 }),
  mu: fc.double({ min: 0, max: 50, noNaN: true }),
  roles: fc.option(fc.uniqueArray(fc.constantFrom('tank', 'healer', 'damage'), { minLength: 1 }), {
    nil: undefined,
  }),
  latency: fc.record({ eu: fc.integer({ min: 5, max: 300 }), us: fc.integer({ min: 5, max: 300 }) }),
  code: fc.option(fc.constantFrom('x7', 'y8'), { nil: undefined }),
});
const arrivals = fc.array(fc.array(wanted, { maxLength: 6 }), { maxLength: 40 });

/** Whatever comes: what a matchmaker promises of each of its matches. */
function holds(matchmaker: Matchmaker, promise: (made: Made) => void): void {
  let matches = 0;
  fc.assert(
    fc.property(arrivals, (coming) => {
      for (const each of run(matchmaker, coming, 30).matches) {
        promise(each);
        matches++;
      }
    }),
    { numRuns: 40 },
  );
  expect(matches).toBeGreaterThan(40);
}

/** While suitable players keep coming nobody waits longer than `ms`. */
function nobodyStarves(matchmaker: Matchmaker, ms: number, one: fc.Arbitrary<Wanted>, perRound = 4): void {
  const coming = fc.array(fc.array(one, { minLength: perRound, maxLength: perRound + 2 }), {
    minLength: ms / STEP + 20,
    maxLength: ms / STEP + 20,
  });
  fc.assert(
    fc.property(coming, (each) => {
      const { waiting, matches, end } = run(matchmaker, each);
      expect(matches.length).toBeGreaterThan(0);
      const waited = waiting.map(({ createdAt }) => end - createdAt);
      for (const { match, at } of matches)
        waited.push(...match.teams.flat().map(({ createdAt }) => at - createdAt));
      expect(Math.max(...waited)).toBeLessThanOrEqual(ms);
    }),
    { numRuns: 8 },
  );
}

describe('first come', () => {
  test('two at a time, in the order in which they came', () => {
    fc.assert(
      fc.property(arrivals, (coming) => {
        const { all, matches, waiting } = run(firstCome(), coming);
        expect([...matches.flatMap(({ match }) => match.teams.flat()), ...waiting]).toEqual(all);
        expect(waiting.length).toBeLessThan(2);
      }),
    );
  });
});

describe('skill', () => {
  const gap = { from: 1, to: 10, over: 20_000 };
  const matchmaker = skill({ gap });

  test('two of the same size, never farther apart than the gap of who waits longer', () => {
    holds(matchmaker, ({ match, at }) => {
      const [[a], [b]] = match.teams as [[Ticket], [Ticket]];
      expect(a.players.length).toBe(b.players.length);
      expect(a.createdAt).toBeLessThanOrEqual(b.createdAt);
      expect(Math.abs(mean([a]) - mean([b]))).toBeLessThanOrEqual(width(gap, at - a.createdAt) + 1e-9);
    });
  });

  test('who waits longest gets the one who is closest', () => {
    const [a, b, c, d] = [25, 27, 26, 24.5].map((mu, i) => ticket(i, { mu }));
    expect(skill().match([a!, b!, c!, d!], 10)).toEqual([{ teams: [[a], [d]] }, { teams: [[b], [c]] }]);
  });

  test('nobody starves', () => {
    nobodyStarves(matchmaker, 40_000, fc.record({ mu: fc.double({ min: 20, max: 30, noNaN: true }) }));
  });

  test('a gap that is none is an error at once', () => {
    expect(() => skill({ gap: { from: 5, to: 1, over: 1_000 } })).toThrow('gap is from 5 to 1');
    expect(() => skill({ gap: { from: 1, to: 5, over: 0 } })).toThrow('over > 0');
  });
});

describe('parties', () => {
  const matchmaker = parties({ size: 3, mixAfter: 10_000 });
  const shape = (team: readonly Ticket[]) =>
    team
      .map(({ players }) => players.length)
      .sort()
      .join('+');

  test('full teams, alike until somebody has waited long enough', () => {
    holds(matchmaker, ({ match, at }) => {
      expect(sizesOf(match)).toEqual([3, 3]);
      const [one, two] = match.teams as [Ticket[], Ticket[]];
      const patient = [one, two].every((team) => team.some(({ createdAt }) => at - createdAt >= 10_000));
      expect(shape(one) === shape(two) || patient).toBe(true);
    });
  });

  test('nobody starves', () => {
    nobodyStarves(matchmaker, 40_000, fc.record({ size: fc.constantFrom(1, 1, 1, 1, 2, 3) }), 6);
  });
});

describe('regions', () => {
  const latency = { from: 50, to: 120, over: 10_000 };
  const matchmaker = regions(skill({ gap: { from: 50, to: 50, over: 1 } }), { latency });

  test('each match has a region that is near to all', () => {
    holds(matchmaker, ({ match, at }) => {
      for (const each of match.teams.flat())
        for (const player of each.players)
          expect(player.latency![match.region!]).toBeLessThanOrEqual(width(latency, at - each.createdAt));
    });
  });

  test('the region that is best for both comes before one that will do', () => {
    const tickets = [
      { eu: 20, us: 45 },
      { eu: 45, us: 20 },
      { eu: 45, us: 25 },
      { eu: 25, us: 45 },
    ].map((ping, i) => ticket(i, { latency: ping }));
    const [a, b, c, d] = tickets as [Ticket, Ticket, Ticket, Ticket];
    expect(matchmaker.match(tickets, 10)).toEqual([
      { teams: [[a], [d]], region: 'eu' },
      { teams: [[b], [c]], region: 'us' },
    ]);
    expect(matchmaker.match([a, b], 10)).toEqual([{ teams: [[a], [b]], region: 'eu' }]);
    expect(matchmaker.match([ticket(0), ticket(0)], 10)).toEqual([]);
  });

  test('names that clients make up neither keep a round busy nor make matches', () => {
    let rounds = 0;
    const all = firstCome();
    const counted: Matchmaker = {
      match(...asked) {
        rounds++;
        return all.match(...asked);
      },
    };
    const invented = (i: number) =>
      Object.fromEntries(Array.from({ length: 32 }, (_, j) => [`x${i}.${j}`, 5]));
    const liars = Array.from({ length: 200 }, (_, i) => ticket(i, { latency: invented(i >> 1) }));
    const two = [0, 1].map((i) => ticket(1_000 + i, { latency: { eu: 20, us: 30 } }));
    const three = ticket(2_000, { latency: { eu: 20, us: 30 } });
    regions(counted).match([...liars, ...two, three], 3_000);
    // each at most twice, for those who are best there and for all
    expect(rounds).toBeLessThanOrEqual(128);
    expect(regions(firstCome()).match([...liars, ...two, three], 3_000)).toContainEqual({
      teams: [[two[0]], [two[1]]],
      region: 'eu',
    });
    rounds = 0;
    const made = regions(counted, { regions: ['eu', 'us'] }).match([...liars, ...two], 3_000);
    expect(made).toEqual([{ teams: [[two[0]], [two[1]]], region: 'eu' }]);
    expect(rounds).toBe(1);
    expect(() => regions(firstCome(), { regions: [] })).toThrow('regions are none');
  });

  test('nobody starves', () => {
    const pings = fc.record({ eu: fc.integer({ min: 5, max: 110 }), us: fc.integer({ min: 100, max: 300 }) });
    nobodyStarves(matchmaker, 30_000, fc.record({ latency: pings }));
  });
});

describe('teams', () => {
  const roles: Roles = { tank: 1, healer: 1, damage: 1 };
  const gap = { from: 5, to: 50, over: 20_000 };

  test('full teams of whole tickets, near to who waits longest', () => {
    holds(teams({ size: 3, gap }), ({ match, at }) => {
      expect(sizesOf(match)).toEqual([3, 3]);
      const all = match.teams.flat();
      const longest = all.reduce((a, b) => (b.createdAt < a.createdAt ? b : a));
      const widest = width(gap, at - longest.createdAt);
      const near = all.filter(
        (first) =>
          first.createdAt === longest.createdAt &&
          all.every((each) => Math.abs(mean([each]) - mean([first])) <= widest + 1e-9),
      );
      expect(near.length).toBeGreaterThan(0);
    });
  });

  test('everybody has a role that he wants, and each team has its roles', () => {
    holds(teams({ roles, teams: 3 }), ({ match }) => {
      expect(sizesOf(match)).toEqual([3, 3, 3]);
      for (const team of match.teams) {
        const players = playersOf(team);
        expect(players.map(({ id }) => match.roles![id]).sort()).toEqual(['damage', 'healer', 'tank']);
        for (const player of players)
          if (player.roles) expect(player.roles).toContain(match.roles![player.id]);
      }
    });
  });

  test('strength is shared out', () => {
    const tickets = [40, 38, 12, 10].map((mu, i) => ticket(i, { mu }));
    const [match] = teams({ size: 2 }).match(tickets, 10);
    expect(match!.teams.map((team) => mean(team))).toEqual([25, 25]);
    // friends stay together
    const friends = ticket(0, { mu: 40, size: 2 });
    const [other] = teams({ size: 2 }).match([friends, ticket(1), ticket(2)], 10);
    expect(other!.teams).toContainEqual([friends]);
  });

  test('nobody starves', () => {
    nobodyStarves(
      teams({ roles, gap: { from: 5, to: 10, over: 10_000 } }),
      40_000,
      fc.record({
        mu: fc.double({ min: 20, max: 30, noNaN: true }),
        roles: fc.constantFrom<string[][]>(['tank', 'healer', 'damage'], ['damage', 'tank', 'healer']),
      }),
      6,
    );
  });

  test.each([
    ['any ratings', {}],
    ['a gap', { gap: { from: 5, to: 10, over: 10_000 } }],
  ])('those of a role that many play do not hide the others behind them: %s', (_how, more) => {
    const needed: Roles = { tank: 1, healer: 1, damage: 3 };
    const waiting = Array.from({ length: 500 }, (_, i) => ticket(i, { roles: ['damage'] }));
    const behind = ['tank', 'tank', 'healer', 'healer'].map((role) => ticket(1_000, { roles: [role] }));
    const [match, ...others] = teams({ roles: needed, ...more }).match([...waiting, ...behind], 2_000);
    expect(others).toEqual([]);
    const all = match!.teams.flat();
    expect(all).toHaveLength(10);
    expect(all).toEqual(expect.arrayContaining([...behind, waiting[0]]));
  });

  test('parties that nobody completes do not hold up those behind them', () => {
    const threes = [ticket(0, { size: 3 }), ticket(0, { size: 3 })];
    const twos = Array.from({ length: 8 }, (_, i) => ticket(i + 1, { size: 2 }));
    for (const more of [{}, { gap: { from: 5, to: 10, over: 10_000 } }]) {
      const matches = teams({ size: 4, ...more }).match([...threes, ...twos], 2_000);
      expect(matches.flatMap((match) => match.teams.flat())).toHaveLength(8);
      // with one who is alone the one party of three plays two of two
      const alone = ticket(20);
      const [first] = teams({ size: 4, ...more }).match([...threes, ...twos, alone], 2_000);
      expect(first!.teams).toContainEqual([threes[0], alone]);
    }
  });

  test('a team needs a size', () => {
    expect(() => teams({})).toThrow('a team needs a size');
    expect(() => teams({ size: 4, roles })).toThrow('not those of 4 players');
  });
});

test('a role that a player likes less is taken when nothing else works', () => {
  const player = (id: string, ...roles: string[]) => ({ id, ...(roles.length ? { roles } : {}) });
  const needed = { tank: 1, healer: 1 };
  expect(assignRoles([player('a', 'tank', 'healer'), player('b', 'tank')], needed)).toEqual({
    a: 'healer',
    b: 'tank',
  });
  expect(assignRoles([player('a', 'tank'), player('b', 'tank')], needed)).toBeUndefined();
  expect(assignRoles([player('a'), player('b', 'tank')], needed)).toEqual({ a: 'healer', b: 'tank' });
  expect(assignRoles([player('a', 'bard')], needed)).toBeUndefined();
  expect(assignRoles([player('a'), player('b'), player('c')], needed)).toBeUndefined();
});

describe('private codes', () => {
  const codeOf = ({ attributes }: Ticket) => attributes['code'];
  const friends = (...sizes: number[]) => sizes.map((size, i) => ticket(i, { size, code: 'x7' }));
  const sizesOfAll = (matchmaker: Matchmaker, sizes: number[]) =>
    matchmaker.match(friends(...sizes), 100).map(sizesOfTickets);
  const sizesOfTickets = ({ teams }: Match) =>
    teams.map((team) => team.map(({ players }) => players.length).join('+'));

  test('who brings one meets who has it, and nobody else', () => {
    holds(privateCodes(firstCome(), { size: 3 }), ({ match }) => {
      expect(new Set(match.teams.flat().map(codeOf)).size).toBe(1);
      if (codeOf(match.teams[0]![0]!) !== undefined) expect(sizesOf(match)).toEqual([3, 3]);
    });
  });

  test('without a size each ticket is a team, and parties meet parties of their size', () => {
    holds(privateCodes(skill()), ({ match }) => {
      expect(new Set(match.teams.flat().map(codeOf)).size).toBe(1);
      expect(match.teams.map((team) => team.length)).toEqual([1, 1]);
      expect(new Set(sizesOf(match)).size).toBe(1);
    });
    expect(sizesOfAll(privateCodes(skill()), [2, 1, 2, 1])).toEqual([
      ['2', '2'],
      ['1', '1'],
    ]);
    expect(sizesOfAll(privateCodes(skill(), { teams: 3 }), [2, 2, 1, 2])).toEqual([['2', '2', '2']]);
  });

  test('a party of the size of a team is one, and whoever cannot be completed holds up nobody', () => {
    expect(sizesOfAll(privateCodes(firstCome(), { size: 2 }), [1, 2, 2])).toEqual([['2', '2']]);
    expect(sizesOfAll(privateCodes(firstCome(), { size: 2 }), [1, 2, 3, 2, 1])).toEqual([['1+1', '2']]);
    expect(sizesOfAll(privateCodes(firstCome(), { size: 3 }), [1, 1, 2, 2])).toEqual([['1+2', '1+2']]);
    expect(sizesOfAll(privateCodes(firstCome(), { size: 4 }), [3, 3, 2, 2, 2, 2])).toEqual([['2+2', '2+2']]);
  });

  test('who waits longest is in a match whenever those with the code can make one with him', () => {
    const players = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 7 });
    fc.assert(
      fc.property(
        players,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        (sizes, size, count) => {
          const all = friends(...sizes);
          const matches = privateCodes(firstCome(), { size, teams: count }).match(all, 100);
          for (const match of matches) expect(sizesOf(match)).toEqual(Array(count).fill(size));
          const taken = new Set(matches.flatMap(({ teams }) => teams.flat()));
          const left = all.filter((each) => !taken.has(each)).map((each) => each.players.length);
          expect(canFill(left, Array(count).fill(size))).toBe(false);
          const first = all.findIndex((_, i) => canFill(sizes.slice(i), Array(count).fill(size), true));
          if (first >= 0) expect(taken).toContain(all[first]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('what cannot be filled takes a round no long time', () => {
    const names = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 6 : 10 + (i % 5) * 2));
    expect(sizesOfAll(privateCodes(firstCome(), { size: 999, teams: 3 }), names)).toEqual([]);
  });

  test('nobody starves', () => {
    const code = fc.constantFrom('x7', undefined);
    nobodyStarves(privateCodes(firstCome()), 20_000, fc.record({ code }, { requiredKeys: [] }) as any);
    const size = fc.constantFrom(1, 1, 1, 2);
    nobodyStarves(
      privateCodes(firstCome(), { size: 2 }),
      20_000,
      fc.record({ code: fc.constant('x7'), size }),
    );
    nobodyStarves(privateCodes(skill()), 40_000, fc.record({ code: fc.constant('x7'), size }));
  });

  test('a size that is none is an error at once', () => {
    expect(() => privateCodes(firstCome(), { size: 0 })).toThrow('size is 0; expected a whole number from 1');
    expect(() => privateCodes(firstCome(), { teams: 1.5 })).toThrow('teams is 1.5');
  });
});

/** Whether some of the parties, or the first and some others, fill teams; by trying all there is. */
function canFill(parties: readonly number[], free: readonly number[], withFirst = false): boolean {
  if (free.every((n) => n === 0)) return true;
  const [party, ...rest] = parties;
  if (party === undefined) return false;
  const put = free.some((n, i) => n >= party && canFill(rest, free.with(i, n - party)));
  return put || (!withFirst && canFill(rest, free));
}

describe('backfill', () => {
  const gap = { from: 2, to: 10, over: 20_000 };
  const running = (places: number[], mu = 25): Ticket => {
    const { id, players } = ticket(0, { size: 3, mu });
    return deepFreeze({ id, players, createdAt: 0, attributes: { places } });
  };

  test('fills no more places than there are, with those who suit, and leaves the rest to the others', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 2 }), { maxLength: 5 }),
        fc.array(fc.record({ size: fc.integer({ min: 1, max: 3 }), mu: fc.integer({ min: 18, max: 32 }) }), {
          maxLength: 20,
        }),
        (free, coming) => {
          const open = free.map((places) => running(places));
          const waiting = coming.map((each) => ticket(1, each));
          const matches = backfill(firstCome(), { gap }).match([...open, ...waiting], 5_000);
          const taken = matches.flatMap((match) => match.teams.flat());
          expect(new Set(taken).size).toBe(taken.length);
          for (const match of matches) {
            if (match.backfill === undefined) continue;
            const { attributes } = open.find(({ id }) => id === match.backfill)!;
            sizesOf(match).forEach((size, i) => {
              expect(size).toBeLessThanOrEqual((attributes['places'] as number[])[i]!);
            });
            for (const each of match.teams.flat())
              expect(Math.abs(mean([each]) - 25)).toBeLessThanOrEqual(4.001);
          }
          expect(taken.some(({ attributes }) => 'places' in attributes)).toBe(false);
        },
      ),
    );
  });

  test('the place that is free for longest is filled first, in the team that misses most', () => {
    const [one, two] = [running([0, 1]), running([1, 2])];
    const [a, b, c] = [ticket(1), ticket(2), ticket(3)];
    expect(backfill(firstCome()).match([one, two, a, b, c], 10)).toEqual([
      { teams: [[], [a]], backfill: one.id },
      { teams: [[c], [b]], backfill: two.id },
    ]);
  });

  test('nobody starves', () => {
    nobodyStarves(
      backfill(skill(), { gap }),
      40_000,
      fc.record({ mu: fc.double({ min: 20, max: 30, noNaN: true }) }),
    );
  });
});
