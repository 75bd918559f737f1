import type { Rating } from '../match/types.ts';

/** What a player is rated that nothing is known of. */
export const NEWCOMER: Rating = { mu: 25, sigma: 25 / 3 };
/** How far a performance is from the skill: two of it make a win likely by three to one. */
export const BETA = 25 / 6;
const KAPPA = 0.0001;
/** By how much ratings become less certain from match to match, so that they never freeze. */
const TAU = 25 / 300;

interface Team {
  mu: number;
  variance: number;
  /** Variance of what the team shows on a day. */
  noise: number;
}

const teamOf = (players: readonly Rating[]): Team => ({
  mu: players.reduce((sum, { mu }) => sum + mu, 0),
  variance: players.reduce((sum, { sigma }) => sum + sigma ** 2, 0),
  noise: players.length * BETA ** 2,
});

/**
 * How likely each of two or more teams wins, as ratings tell; together 1. As `predictWin` of openskill.
 * @param teams ratings of the players of each
 */
export function winProbabilities(teams: readonly (readonly Rating[])[]): number[] {
  const all = teams.map(teamOf);
  const noise = all.reduce((sum, team) => sum + team.noise, 0);
  const pairs = (all.length * (all.length - 1)) / 2;
  return all.map((one) => {
    const others = all.filter((other) => other !== one);
    const wins = others.map((other) =>
      normalCdf((one.mu - other.mu) / Math.sqrt(noise + one.variance + other.variance)),
    );
    return wins.reduce((sum, win) => sum + win, 0) / pairs;
  });
}

/**
 * Ratings after a match without draws: Weng and Lin, "A Bayesian Approximation Method for Online Ranking" (2011),
 * algorithm 3 (Thurstone-Mosteller, full pairing), which is `thurstoneMostellerFull` of openskill. Every player adds to
 * the noise, so that ratings come to be what `winProbabilities` takes them for.
 * @param ranks of the teams, all different: the least has won
 */
export function rate(teams: readonly (readonly Rating[])[], ranks: readonly number[]): Rating[][] {
  const before = teams.map((team) =>
    team.map(({ mu, sigma }) => ({ mu, sigma: Math.sqrt(sigma ** 2 + TAU ** 2) })),
  );
  const all = before.map(teamOf);
  return before.map((players, i) => {
    const own = all[i]!;
    let gain = 0;
    let certainty = 0;
    all.forEach((other, q) => {
      if (q === i) return;
      const c = Math.sqrt(own.variance + other.variance + own.noise + other.noise);
      const won = ranks[i]! < ranks[q]! ? 1 : -1;
      const x = (won * (own.mu - other.mu)) / c;
      const v = surprise(x);
      gain += ((won * own.variance) / c) * v;
      certainty += (Math.sqrt(own.variance) / c) * (own.variance / c ** 2) * v * (v + x);
    });
    return players.map(({ mu, sigma }) => {
      const share = sigma ** 2 / own.variance;
      return { mu: mu + share * gain, sigma: sigma * Math.sqrt(Math.max(1 - share * certainty, KAPPA)) };
    });
  });
}

/** V of TrueSkill: how far a victory moves a rating that expected it by x deviations. */
function surprise(x: number): number {
  // Far out the quotient is that of two zeros, and tends to -x.
  return x < -5 ? -x : normalDensity(x) / normalCdf(x);
}

function normalDensity(x: number): number {
  return Math.exp(-(x ** 2) / 2) / Math.sqrt(2 * Math.PI);
}

/** Abramowitz and Stegun, 26.2.17: right to 7.5e-8. */
function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = normalDensity(x) * series;
  return x < 0 ? tail : 1 - tail;
}
