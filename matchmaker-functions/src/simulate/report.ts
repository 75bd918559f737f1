import { groupBy } from '../group-by.ts';
import { type Distribution, distributionOf, rounded } from './distribution.ts';
import type { PlayedMatch, Search } from './search.ts';

const timelinePoints = 120;
const ratingGroups = 10;

/** What a simulation has shown. Waiting times and latencies are of players and in milliseconds. */
export interface Report {
  /** Virtual time, in milliseconds. */
  duration: number;
  /** Rounds with somebody waiting; 0 of functions. */
  rounds: number;
  matches: number;
  /** `arrived` is the sum of the four after it; `repeated` tickets were not taken: their players searched already. */
  players: {
    arrived: number;
    matched: number;
    abandoned: number;
    turnedAway: number;
    waiting: number;
    repeated: number;
  };
  /** Of those who were matched. */
  wait: Distribution;
  /** Of those who gave up. */
  abandonedWait: Distribution;
  /** Of those who wait at the end. */
  waitSoFar: Distribution;
  /** Difference of the best and the worst rating in a match. */
  spread: Distribution;
  /** How likely the better side of a match wins; even sides: one by their number. */
  fairness: Distribution;
  /** Of players to the region of their match, where that was said. */
  latency: Distribution;
  /** Of players who were given a role, how many have the one they like best. Undefined when nobody was given one. */
  favouriteRole?: number;
  /** By size of the party. */
  parties: PartyFigures[];
  /** How many matches had so many players; `backfills`: of those that joined a running match. */
  matchSizes: { players: number; matches: number; backfills: number }[];
  /** Players in groups of equal size, from the lowest to the highest ratings. */
  byRating: RatingFigures[];
  timeline: TimelinePoint[];
}

export interface PartyFigures {
  size: number;
  tickets: number;
  matched: number;
  abandoned: number;
  waiting: number;
  wait: Distribution;
}

export interface RatingFigures {
  from: number;
  to: number;
  players: number;
  matched: number;
  abandoned: number;
  wait: Distribution;
  fairness: Distribution;
}

/** What happened up to `at` since the point before. */
export interface TimelinePoint {
  at: number;
  /** Most players who waited when a round began. */
  waiting: number;
  arrived: number;
  matched: number;
  abandoned: number;
  wait: Distribution;
}

export interface Depth {
  at: number;
  players: number;
}

interface Outcome {
  now: number;
  rounds: number;
  repeated: number;
  searches: readonly Search[];
  matches: readonly PlayedMatch[];
  depths: readonly Depth[];
}

export function reportOf(outcome: Outcome): Report {
  const { now, rounds, repeated, searches, matches } = outcome;
  const matched = of(searches, 'matched');
  const abandoned = of(searches, 'abandoned');
  const waiting = of(searches, 'waiting');
  return {
    duration: now,
    rounds,
    matches: matches.length,
    players: {
      arrived: playersIn(searches),
      matched: playersIn(matched),
      abandoned: playersIn(abandoned),
      turnedAway: playersIn(of(searches, 'turned-away')),
      waiting: playersIn(waiting),
      repeated,
    },
    wait: distributionOf(waits(matched)),
    abandonedWait: distributionOf(waits(abandoned)),
    waitSoFar: distributionOf(waits(waiting)),
    spread: distributionOf(defined(matches.map(({ spread }) => spread))),
    fairness: distributionOf(defined(matches.map(({ fairness }) => fairness))),
    latency: distributionOf(matches.flatMap(latencies)),
    ...favouriteRole(matches),
    parties: parties(searches),
    matchSizes: matchSizes(matches),
    byRating: byRating(searches),
    timeline: timeline(outcome),
  };
}

/** Waiting times in milliseconds, one for each player. */
export function waits(searches: readonly Search[]): number[] {
  return searches.flatMap(({ ticket, endedAt }) => ticket.players.map(() => endedAt - ticket.createdAt));
}

/** Round trips in milliseconds of the players of a match to its region, as far as they are known. */
export function latencies({ match: { region }, teams }: PlayedMatch): number[] {
  return region === undefined ? [] : defined(teams.flat().map(({ latency }) => latency?.[region]));
}

const of = (searches: readonly Search[], outcome: Search['outcome']) =>
  searches.filter((search) => search.outcome === outcome);

const playersIn = (searches: readonly Search[]) =>
  searches.reduce((sum, { ticket }) => sum + ticket.players.length, 0);

function defined<T>(values: readonly (T | undefined)[]): T[] {
  return values.filter((value) => value !== undefined);
}

function favouriteRole(matches: readonly PlayedMatch[]): { favouriteRole?: number } {
  const given = matches.flatMap(({ match: { roles }, teams }) =>
    teams
      .flat()
      .flatMap(({ id, roles: liked }) => (roles?.[id] === undefined ? [] : [roles[id] === liked?.[0]])),
  );
  return given.length === 0 ? {} : { favouriteRole: rounded(given.filter(Boolean).length / given.length) };
}

function parties(searches: readonly Search[]): PartyFigures[] {
  const bySize = groupBy(searches, ({ ticket }) => ticket.players.length);
  return [...bySize]
    .sort(([a], [b]) => a - b)
    .map(([size, tickets]) => ({
      size,
      tickets: tickets.length,
      matched: of(tickets, 'matched').length,
      abandoned: of(tickets, 'abandoned').length,
      waiting: of(tickets, 'waiting').length,
      wait: distributionOf(waits(of(tickets, 'matched'))),
    }));
}

function matchSizes(matches: readonly PlayedMatch[]): Report['matchSizes'] {
  const bySize = groupBy(matches, ({ teams }) => teams.flat().length);
  return [...bySize]
    .sort(([a], [b]) => a - b)
    .map(([players, all]) => ({
      players,
      matches: all.length,
      backfills: all.filter(({ match }) => match.backfill !== undefined).length,
    }));
}

function byRating(searches: readonly Search[]): RatingFigures[] {
  const rated = searches
    .flatMap((search) => search.ticket.players.map(({ rating }) => ({ mu: rating?.mu, search })))
    .filter((each): each is { mu: number; search: Search } => each.mu !== undefined)
    .sort((a, b) => a.mu - b.mu);
  const groups = Math.min(ratingGroups, rated.length);
  return Array.from({ length: groups }, (_, n) => {
    const from = Math.floor((n * rated.length) / groups);
    const group = rated.slice(from, Math.floor(((n + 1) * rated.length) / groups));
    const matched = group.filter(({ search }) => search.outcome === 'matched').map(({ search }) => search);
    return {
      from: rounded(group[0]!.mu),
      to: rounded(group.at(-1)!.mu),
      players: group.length,
      matched: matched.length,
      abandoned: group.filter(({ search }) => search.outcome === 'abandoned').length,
      wait: distributionOf(matched.map(({ ticket, endedAt }) => endedAt - ticket.createdAt)),
      fairness: distributionOf(defined(matched.map(({ match }) => match?.fairness))),
    };
  });
}

function timeline({ now, searches, depths }: Outcome): TimelinePoint[] {
  const step = Math.max(1, Math.ceil(now / timelinePoints));
  const points = Math.ceil(now / step);
  const at = (ms: number) => Math.min(points - 1, Math.max(0, Math.ceil(ms / step) - 1));
  const portions = Array.from({ length: points }, () => ({
    waiting: 0,
    arrived: 0,
    abandoned: 0,
    waited: [] as number[],
  }));
  for (const { at: when, players } of depths) {
    const portion = portions[at(when)]!;
    portion.waiting = Math.max(portion.waiting, players);
  }
  for (const { ticket, outcome, endedAt } of searches) {
    const { length } = ticket.players;
    portions[at(ticket.createdAt)]!.arrived += length;
    const end = portions[at(endedAt)]!;
    if (outcome === 'abandoned') end.abandoned += length;
    if (outcome === 'matched') end.waited.push(...ticket.players.map(() => endedAt - ticket.createdAt));
  }
  return portions.map(({ waited, ...counts }, n) => ({
    at: Math.min(now, (n + 1) * step),
    ...counts,
    matched: waited.length,
    wait: distributionOf(waited),
  }));
}
