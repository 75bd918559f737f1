import TinyQueue from 'tinyqueue';
import type { Match, Matchmaker, Player, Rating, Ticket } from '../match/types.ts';
import { type Arrival, checkArrivals, type Searcher } from './arrival.ts';
import { endsWithin, inVirtualTime } from './limited.ts';
import { Random } from './random.ts';
import { BETA, NEWCOMER, rate, winProbabilities } from './rating.ts';
import { type Depth, type Report, reportOf } from './report.ts';
import { playRound, SimulationError } from './round.ts';
import type { PlayedMatch, Search } from './search.ts';

export interface SimulateOptions {
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
  /** Real milliseconds that a round may take before it counts as an endless loop. Default: 10,000. */
  roundLimit?: number;
  /** Told now and then how far it is: 0 to 1. */
  progress?(done: number): void;
}

export interface Simulation {
  report: Report;
  /** In the order of arrival. */
  searches: readonly Search[];
  matches: readonly PlayedMatch[];
}

/** Rounds are looked after by the clock in portions of so many real milliseconds. */
const PORTION_MS = 200;

/**
 * Lets a matchmaker match players who come, wait and give up, in virtual time that begins at 0. It ends with the round
 * after the last arrival (and `tail`).
 *
 * @param arrivals who comes and when, the first one first: from `generatePopulation()`, or a list of one's own
 * @throws SimulationError when the matchmaker does what it may not do, RangeError when an argument is wrong
 */
export function simulate(
  matchmaker: Matchmaker,
  arrivals: readonly Arrival[],
  options: SimulateOptions = {},
): Simulation {
  checkArrivals(arrivals);
  const { interval = 1000 } = matchmaker;
  if (!(interval >= 0 && interval < Infinity))
    throw new RangeError(`interval is ${interval}, not a number of milliseconds`);
  const { roundLimit = 10_000 } = options;
  const world = new World(matchmaker, interval, arrivals, options);
  const chance = new Random(options.seed ?? 1, 2);
  inVirtualTime(
    () => world.now,
    chance.next,
    () => {
      for (let goesOn = true; goesOn; ) {
        const ended = endsWithin(roundLimit + PORTION_MS, () => {
          const until = performance.now() + PORTION_MS;
          while (goesOn && performance.now() < until) goesOn = world.step();
        });
        if (!ended) {
          const tickets = [...world.waiting.keys()];
          throw new SimulationError(`match() did not end within ${roundLimit} ms`, world.now, tickets);
        }
        options.progress?.(world.done);
      }
    },
  );
  const { searches, matches } = world;
  for (const search of world.waiting.values()) search.endedAt = world.now;
  return { report: reportOf(world), searches, matches };
}

interface Waiting extends Search {
  readonly arrival: Arrival;
}

class World {
  now = 0;
  /** By ticket, the longest waiting first. */
  readonly waiting = new Map<string, Waiting>();
  readonly searches: Search[] = [];
  readonly matches: PlayedMatch[] = [];
  /** How many players waited when a round began. */
  readonly depths: Depth[] = [];
  rounds = 0;
  /** Tickets of players who were searching already: they are not taken, as the service's pool does not. */
  repeated = 0;
  readonly #matchmaker: Matchmaker;
  readonly #interval: number;
  readonly #arrivals: readonly Arrival[];
  readonly #options: SimulateOptions;
  readonly #seed: number;
  readonly #end: number;
  #arrived = 0;
  /** Those who come back after a match. */
  readonly #returning = new TinyQueue<Arrival & { order: number }>(
    [],
    (a, b) => a.at - b.at || a.order - b.order,
  );
  readonly #searching = new Set<string>();
  readonly #ratings = new Map<string, Rating>();

  constructor(
    matchmaker: Matchmaker,
    interval: number,
    arrivals: readonly Arrival[],
    options: SimulateOptions,
  ) {
    this.#matchmaker = matchmaker;
    this.#interval = interval;
    this.#arrivals = arrivals;
    this.#options = options;
    this.#seed = options.seed ?? 1;
    this.#end = (arrivals.at(-1)?.at ?? 0) + (options.tail ?? 0);
  }

  /** 0 to 1. */
  get done(): number {
    return this.#end === 0 ? 1 : Math.min(1, this.now / this.#end);
  }

  /** On to the next round. @returns whether there is one after it */
  step(): boolean {
    this.now = this.#nextRound();
    for (let next = this.#next(); next !== undefined && next.at <= this.now; next = this.#next())
      this.#admit(next);
    this.#giveUp();
    if (this.waiting.size > 0) this.#round();
    return this.now < this.#end;
  }

  /** The next moment at which a round makes a difference. */
  #nextRound(): number {
    const soonest = Math.min(this.#next()?.at ?? this.#end, this.#end);
    if (this.#interval === 0) return Math.max(this.now, soonest);
    const idle = this.waiting.size === 0 && soonest > this.now;
    const count = idle ? Math.ceil(soonest / this.#interval) : Math.floor(this.now / this.#interval) + 1;
    return Math.max(1, count) * this.#interval;
  }

  #next(): Arrival | undefined {
    const fresh = this.#arrivals[this.#arrived];
    const returning = this.#returning.peek();
    return returning && (!fresh || returning.at < fresh.at) ? returning : fresh;
  }

  #admit(arrival: Arrival): void {
    if (arrival === this.#returning.peek()) this.#returning.pop();
    else this.#arrived++;
    const { at, players, attributes = {} } = arrival;
    if (players.some(({ id }) => this.#searching.has(id))) {
      this.repeated++;
      return;
    }
    for (const { id } of players) this.#searching.add(id);
    const ticket: Ticket = Object.freeze({
      id: `t${this.searches.length + 1}`,
      players: Object.freeze(players.map((player) => this.#asKnown(player))),
      createdAt: at,
      attributes,
    });
    const search: Waiting = { ticket, outcome: 'waiting', endedAt: this.#end, arrival };
    this.searches.push(search);
    this.waiting.set(ticket.id, search);
  }

  /** A player as a matchmaker sees him: with what he is rated by now, and without the truth. */
  #asKnown({ skill: _, ...player }: Searcher): Player {
    const rating = this.#ratings.get(player.id);
    return Object.freeze(rating === undefined ? player : { ...player, rating });
  }

  #giveUp(): void {
    for (const search of this.waiting.values()) {
      const until = search.ticket.createdAt + search.arrival.patience;
      if (until <= this.now) this.#finish(search, 'abandoned', until);
    }
  }

  #finish(search: Search, outcome: Search['outcome'], at: number): void {
    search.outcome = outcome;
    search.endedAt = at;
    this.waiting.delete(search.ticket.id);
    for (const { id } of search.ticket.players) this.#searching.delete(id);
  }

  #round(): void {
    const tickets = Array.from(this.waiting.values(), ({ ticket }) => ticket);
    this.depths.push({
      at: this.now,
      players: tickets.reduce((sum, { players }) => sum + players.length, 0),
    });
    this.rounds++;
    for (const match of playRound(this.#matchmaker, tickets, this.now)) this.#play(match);
  }

  #play(match: Match): void {
    const searches = match.teams.map((team) => team.map(({ id }) => this.waiting.get(id)!));
    const teams = searches.map((team) => team.flatMap(({ ticket }) => ticket.players));
    const played = playedMatch(this.matches.length + 1, this.now, match, teams);
    this.matches.push(played);
    for (const search of searches.flat()) {
      search.match = played;
      this.#finish(search, 'matched', this.now);
    }
    if (this.#options.playAgain) this.#afterwards(played, searches, this.#options.playAgain);
  }

  /** Who wins, what that does to ratings, and who comes back when. */
  #afterwards(
    { number, at, teams, match }: PlayedMatch,
    searches: readonly (readonly Waiting[])[],
    { probability, matchDuration }: NonNullable<SimulateOptions['playAgain']>,
  ): void {
    const chance = new Random(this.#seed, 3, number);
    const ends = Math.round(at + matchDuration * (0.5 + chance.next()));
    if (this.#options.updateRatings && teams.length > 1 && match.backfill === undefined) {
      const shown = searches.map((team) => {
        const players = team.flatMap(({ arrival }) => arrival.players);
        const skills = players.map(({ skill, rating = NEWCOMER }) => skill ?? rating.mu);
        return skills.reduce((sum, skill) => sum + chance.normal(skill, BETA), 0);
      });
      const ratings = rate(
        teams.map((team) => team.map(ratingOf)),
        shown.map((performance) => -performance),
      );
      teams.forEach((team, i) => {
        team.forEach(({ id }, k) => void this.#ratings.set(id, ratings[i]![k]!));
      });
    }
    for (const { arrival, ticket } of searches.flat())
      if (chance.next() < probability)
        this.#returning.push({ ...arrival, at: ends, order: Number(ticket.id.slice(1)) });
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
