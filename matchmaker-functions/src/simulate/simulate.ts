import type { Match, Matchmaker } from '../match/types.ts';
import type { Arrival } from './arrival.ts';
import { Crowd, type CrowdOptions, type Simulation } from './crowd.ts';
import { endsWithin, inVirtualTime } from './limited.ts';
import { Random } from './random.ts';
import { playRound, SimulationError } from './round.ts';

export interface SimulateOptions extends CrowdOptions {
  /** Real milliseconds that a round may take before it counts as an endless loop. Default: 10,000. */
  roundLimit?: number;
  /** Told now and then how far it is: 0 to 1. */
  progress?(done: number): void;
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
  const crowd = new Crowd(arrivals, options);
  const { interval = 1000 } = matchmaker;
  if (!(interval >= 0 && interval < Infinity))
    throw new RangeError(`interval is ${interval}, not a number of milliseconds`);
  const { roundLimit = 10_000 } = options;
  const world = new World(matchmaker, interval, crowd);
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
          const tickets = [...crowd.waiting.keys()];
          throw new SimulationError(`match() did not end within ${roundLimit} ms`, world.now, tickets);
        }
        options.progress?.(crowd.end === 0 ? 1 : Math.min(1, world.now / crowd.end));
      }
    },
  );
  return crowd.result(world.now);
}

class World {
  now = 0;
  readonly #matchmaker: Matchmaker;
  readonly #interval: number;
  readonly #crowd: Crowd;

  constructor(matchmaker: Matchmaker, interval: number, crowd: Crowd) {
    this.#matchmaker = matchmaker;
    this.#interval = interval;
    this.#crowd = crowd;
  }

  /** On to the next round. @returns whether there is one after it */
  step(): boolean {
    const crowd = this.#crowd;
    this.now = this.#nextRound();
    for (let next = crowd.next(); next !== undefined && next.at <= this.now; next = crowd.next())
      crowd.admit();
    this.#giveUp();
    if (crowd.waiting.size > 0) this.#round();
    return this.now < crowd.end;
  }

  /** The next moment at which a round makes a difference. */
  #nextRound(): number {
    const { end, waiting } = this.#crowd;
    const soonest = Math.min(this.#crowd.next()?.at ?? end, end);
    if (this.#interval === 0) return Math.max(this.now, soonest);
    const idle = waiting.size === 0 && soonest > this.now;
    const count = idle ? Math.ceil(soonest / this.#interval) : Math.floor(this.now / this.#interval) + 1;
    return Math.max(1, count) * this.#interval;
  }

  #giveUp(): void {
    for (const search of this.#crowd.waiting.values()) {
      const until = search.ticket.createdAt + search.arrival.patience;
      if (until <= this.now) this.#crowd.finish(search, 'abandoned', until);
    }
  }

  #round(): void {
    this.#crowd.count(this.now, true);
    const tickets = Array.from(this.#crowd.waiting.values(), ({ ticket }) => ticket);
    for (const match of playRound(this.#matchmaker, tickets, this.now)) this.#play(match);
  }

  #play(match: Match): void {
    const searches = match.teams.flat().map(({ id }) => this.#crowd.waiting.get(id)!);
    // players as the simulation knows them, whatever the matchmaker has made of its tickets
    const tickets = new Map(searches.map(({ ticket }) => [ticket.id, ticket]));
    const teams = match.teams.map((team) => team.flatMap(({ id }) => tickets.get(id)!.players));
    this.#crowd.play(this.now, match, teams, searches);
  }
}
