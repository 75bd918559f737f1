import type { Player } from '../match/types.ts';

/** A player of the simulation. */
export interface Searcher extends Player {
  /** What the player is really able to do, on the scale of `rating.mu`: it decides matches. Default: `rating.mu`. */
  skill?: number;
}

/** Somebody begins to search: one player or a party. */
export interface Arrival {
  /** Milliseconds since the beginning. */
  at: number;
  /** One or more; all different. */
  players: readonly Searcher[];
  /** Milliseconds until they give up; `Infinity`: never. */
  patience: number;
  attributes?: Readonly<Record<string, unknown>>;
}

/** @throws RangeError that says which arrival is wrong, and what about it */
export function checkArrivals(arrivals: readonly Arrival[]): void {
  arrivals.forEach(({ at, players, patience }, index) => {
    const wrong = (what: string) => new RangeError(`arrival ${index + 1}: ${what}`);
    if (!(at >= 0 && at < Infinity)) throw wrong(`at is ${at}, not a number of milliseconds`);
    if (index > 0 && at < arrivals[index - 1]!.at) throw wrong('it is before the one in front of it');
    if (!(patience >= 0)) throw wrong(`patience is ${patience}, not a number of milliseconds`);
    if (players.length === 0) throw wrong('it has no players');
    if (new Set(players.map(({ id }) => id)).size < players.length) throw wrong('a player is in it twice');
  });
}
