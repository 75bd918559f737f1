import type { Rating } from '../match/types.ts';
import type { Arrival, Searcher } from './arrival.ts';
import { Random } from './random.ts';
import { NEWCOMER } from './rating.ts';

/** Where players live. */
export interface Region {
  /** How many live there, compared with other regions. */
  share: number;
  /** Their usual round trips to regions of the service, in milliseconds. */
  latency: Readonly<Record<string, number>>;
}

export interface PopulationOptions {
  /** How many come. */
  players: number;
  /** How many come in a second, on average: a Poisson process. */
  arrivalsPerSecond: number;
  seed: number;
  /** What players are able to do. Default: openskill's 25 and 25/3. */
  skill?: { mean: number; deviation: number };
  /** How uncertain ratings are, evenly between: from players of many matches to new ones. Default: 1.5 to 25/3. */
  sigma?: { least: number; most: number };
  /** By name. Default: eu, us and asia. */
  regions?: Readonly<Record<string, Region>>;
  /** How many tickets are for so many players, compared with each other. Default: all for one. */
  parties?: Readonly<Record<number, number>>;
  /** How many players like a role best, compared with each other; each names all of them. Default: no roles. */
  roles?: Readonly<Record<string, number>>;
  /** How long players wait before they give up: half of them longer than `median` milliseconds. Default: 120,000. */
  patience?: { median: number };
}

/** How much patience and latency of players differ: deviation of the logarithm. */
const PATIENCE_SPREAD = 0.5;
const LATENCY_SPREAD = 0.25;

const REGIONS: Record<string, Region> = {
  eu: { share: 0.4, latency: { eu: 30, us: 110, asia: 220 } },
  us: { share: 0.35, latency: { eu: 110, us: 35, asia: 170 } },
  asia: { share: 0.25, latency: { eu: 220, us: 170, asia: 40 } },
};

/** Players as they come, the first one first. Their ids are `p1`, `p2` … */
export function generatePopulation(options: PopulationOptions): Arrival[] {
  const { players, arrivalsPerSecond, seed, patience = { median: 120_000 } } = options;
  const sizes = Object.entries(options.parties ?? { 1: 1 }).map(
    ([size, share]) => [Number(size), share] as const,
  );
  const shares = sizes.reduce((sum, [, share]) => sum + share, 0);
  const meanSize = sizes.reduce((sum, [size, share]) => sum + size * share, 0) / shares;
  const random = new Random(seed, 1);
  const arrivals: Arrival[] = [];
  let at = 0;
  for (let born = 0; born < players; ) {
    at += random.exponential((1000 * meanSize) / arrivalsPerSecond);
    const size = Math.min(random.pick(sizes), players - born);
    const party = Array.from({ length: size }, () => bear(`p${++born}`, options, random));
    const patient = patience.median * Math.exp(random.normal(0, PATIENCE_SPREAD));
    arrivals.push({ at: Math.round(at), players: party, patience: Math.round(patient) });
  }
  return arrivals;
}

function bear(id: string, options: PopulationOptions, random: Random): Searcher {
  const { regions = REGIONS, roles } = options;
  const home = random.pick(Object.values(regions).map((region) => [region, region.share] as const));
  const distance = Math.exp(random.normal(0, LATENCY_SPREAD));
  const latency = Object.entries(home.latency).map(([to, ms]) => [to, Math.round(ms * distance)] as const);
  return {
    id,
    ...believed(options, random),
    latency: Object.fromEntries(latency),
    ...(roles && { roles: inOrder(Object.entries(roles), random) }),
  };
}

/**
 * What is believed of a player, and the truth. The less certain the belief, the nearer it is to what is believed of
 * everybody, so that beliefs are right on average.
 */
function believed(
  { skill: all = { mean: NEWCOMER.mu, deviation: NEWCOMER.sigma }, sigma: range }: PopulationOptions,
  random: Random,
): { rating: Rating; skill: number } {
  const { least, most } = range ?? { least: Math.min(1.5, all.deviation), most: all.deviation };
  const sigma = Math.min(least + random.next() * (most - least), all.deviation);
  const mu = random.normal(all.mean, Math.sqrt(all.deviation ** 2 - sigma ** 2));
  return { rating: { mu, sigma }, skill: random.normal(mu, sigma) };
}

function inOrder(roles: readonly (readonly [string, number])[], random: Random): string[] {
  let left = roles;
  const order: string[] = [];
  while (left.length > 0) {
    const next = random.pick(left);
    order.push(next);
    left = left.filter(([role]) => role !== next);
  }
  return order;
}
