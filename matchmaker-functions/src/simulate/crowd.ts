import TinyQueue from 'tinyqueue';
import type { Match, Player, Rating, Ticket } from '../match/types.ts';
import { type Arrival, checkArrivals, type Searcher } from './arrival.ts';
import { Random } from './random.ts';
import { BETA, NEWCOMER, rate, winProbabilities } from './rating.ts';
import { type Depth, type Report, reportOf } from './report.ts';
import type { PlayedMatch, Search } from './search.ts';

export interface CrowdOptions {
  /** Decides outcomes, and who plays again. Default: 1. */
  seed?: number;
  /** How long it goes on after the last arrival, in milliseconds. Default: 0. */
  tail?: number;
  /** Players come back after their matches. Default: nobody does. */
  playAgain?: {
    /** 0 to 1: how likely a party searches again. */
    probability: number;
    /** How long matches take, in milliseconds, on average. */
    matchDuration: number;
  };
  /** Ratings change with the outcomes of matches, when players come back. Default: false. */
  updateRatings?: boolean;
}

export interface Simulation {
  report: Report;
  /** In the order of arrival. */
  searches: readonly Search[];
  matches: readonly PlayedMatch[];
}

/** A party, or a player alone, that has come. */
export interface Waiting extends Search {
  readonly arrival: Arrival;
}

/** Who comes, waits, plays and comes back, whoever makes the matches. Times are milliseconds of virtual time. */
export class Crowd {
  /** By ticket, the longest waiting first. */
  readonly waiting = new Map<string, Waiting>();
  /** When it is over, but for what is under way. */
  readonly end: number;
  readonly #searches: Search[] = [];
  readonly #matches: PlayedMatch[] = [];
  readonly #depths: Depth[] = [];
  readonly #arrivals: readonly Arrival[];
  readonly #options: CrowdOptions;
  readonly #seed: number;
  #rounds = 0;
  #repeated = 0;
  #arrived = 0;
  /** Those who come back after a match. */
  readonly #returning = new TinyQueue<Arrival & { order: number }>(
    [],
    (a, b) => a.at - b.at || a.order - b.order,
  );
  readonly #searching = new Set<string>();
  readonly #ratings = new Map<string, Rating>();
  readonly #skills = new Map<string, number>();

  /**
   * @param arrivals who comes and when, the first one first
   * @throws RangeError when they are wrong
   */
  constructor(arrivals: readonly Arrival[], options: CrowdOptions = {}) {
    checkArrivals(arrivals);
    this.#arrivals = arrivals;
    this.#options = options;
    this.#seed = options.seed ?? 1;
    this.end = (arrivals.at(-1)?.at ?? 0) + (options.tail ?? 0);
  }

  /** Who comes next, if anybody does. */
  next(): Arrival | undefined {
    const fresh = this.#arrivals[this.#arrived];
    const returning = this.#returning.peek();
    return returning && (!fresh || returning.at < fresh.at) ? returning : fresh;
  }

  /** The next one is here. @returns undefined when one of its players searches already: the ticket is not taken */
  admit(): Waiting | undefined {
    const arrival = this.next()!;
    if (arrival === this.#returning.peek()) this.#returning.pop();
    else this.#arrived++;
    const { at, players, attributes = {} } = arrival;
    if (players.some(({ id }) => this.#searching.has(id))) {
      this.#repeated++;
      return undefined;
    }
    for (const { id, skill, rating = NEWCOMER } of players) {
      this.#searching.add(id);
      this.#skills.set(id, skill ?? rating.mu);
    }
    const ticket: Ticket = Object.freeze({
      id: `t${this.#searches.length + 1}`,
      players: Object.freeze(players.map((player) => this.#asKnown(player))),
      createdAt: at,
      attributes,
    });
    const search: Waiting = { ticket, outcome: 'waiting', endedAt: this.end, arrival };
    this.#searches.push(search);
    this.waiting.set(ticket.id, search);
    return search;
  }

  /** A player as a matchmaker sees him: with what he is rated by now, and without the truth. */
  #asKnown({ skill: _, ...player }: Searcher): Player {
    const rating = this.#ratings.get(player.id);
    return Object.freeze(rating === undefined ? player : { ...player, rating });
  }

  /** So many wait now. @param round the matchmaker is asked for a round */
  count(at: number, round = false): void {
    this.#depths.push({ at, players: this.#searching.size });
    if (round) this.#rounds++;
  }

  /** Somebody does not search any more. */
  finish(search: Search, outcome: Search['outcome'], at: number): void {
    search.outcome = outcome;
    search.endedAt = at;
    this.waiting.delete(search.ticket.id);
    for (const { id } of search.ticket.players) this.#searching.delete(id);
  }

  /**
   * A match begins.
   * @param teams    its players, by team
   * @param searches those that it ends, because all their players play now
   * @returns when it is over; undefined when nobody comes back after it
   */
  play(
    at: number,
    match: Match,
    teams: readonly (readonly Player[])[],
    searches: readonly Waiting[],
  ): number | undefined {
    const played = playedMatch(this.#matches.length + 1, at, match, teams);
    this.#matches.push(played);
    for (const search of searches) {
      search.match = played;
      this.finish(search, 'matched', at);
    }
    const { playAgain } = this.#options;
    return playAgain && this.#afterwards(played, searches, playAgain);
  }

  /** Who wins, what that does to ratings, and who comes back when. */
  #afterwards(
    { number, at, teams, match }: PlayedMatch,
    searches: readonly Waiting[],
    { probability, matchDuration }: NonNullable<CrowdOptions['playAgain']>,
  ): number {
    const chance = new Random(this.#seed, 3, number);
    const ends = Math.round(at + matchDuration * (0.5 + chance.next()));
    if (this.#options.updateRatings && teams.length > 1 && match.backfill === undefined) {
      const shown = teams.map((team) =>
        team.reduce((sum, { id }) => sum + chance.normal(this.#skills.get(id)!, BETA), 0),
      );
      const ratings = rate(
        teams.map((team) => team.map(ratingOf)),
        shown.map((performance) => -performance),
      );
      teams.forEach((team, i) => {
        team.forEach(({ id }, k) => void this.#ratings.set(id, ratings[i]![k]!));
      });
    }
    for (const { arrival, ticket } of searches)
      if (chance.next() < probability)
        this.#returning.push({ ...arrival, at: ends, order: Number(ticket.id.slice(1)) });
    return ends;
  }

  /** It is over: those who wait by now are reported as such. */
  result(now: number): Simulation {
    for (const search of this.waiting.values()) search.endedAt = now;
    const [searches, matches] = [this.#searches, this.#matches];
    const [rounds, repeated, depths] = [this.#rounds, this.#repeated, this.#depths];
    return { report: reportOf({ now, rounds, repeated, searches, matches, depths }), searches, matches };
  }
}

const ratingOf = ({ rating = NEWCOMER }: Player): Rating => rating;

function playedMatch(
  number: number,
  at: number,
  match: Match,
  teams: readonly (readonly Player[])[],
): PlayedMatch {
  const rated = teams.flat().flatMap(({ rating }) => (rating === undefined ? [] : [rating.mu]));
  if (rated.length === 0) return { number, at, match, teams };
  const spread = Math.max(...rated) - Math.min(...rated);
  if (teams.length === 1 || match.backfill !== undefined) return { number, at, match, teams, spread };
  const fairness = Math.max(...winProbabilities(teams.map((team) => team.map(ratingOf))));
  return { number, at, match, teams, spread, fairness };
}
