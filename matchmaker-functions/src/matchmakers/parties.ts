import { groupBy } from '../group-by.ts';
import type { Match, Matchmaker, Ticket } from '../match/types.ts';
import { putInto, type Team } from './team.ts';

export interface PartyOptions {
  /** Players of a team. */
  size: number;
  /** Teams of a match. Default: 2. */
  teams?: number;
  /**
   * Milliseconds until friends may meet strangers: before that a team of a party of two and one more meets another such
   * team only. Default: 20,000.
   */
  mixAfter?: number;
  /** Milliseconds between rounds. Default: 1,000. */
  interval?: number;
}

/** Party against party: teams are made of whole parties, and meet teams that are made up alike. */
export function parties({ size, teams = 2, mixAfter = 20_000, interval = 1_000 }: PartyOptions): Matchmaker {
  return {
    interval,
    match(waiting, now) {
      const full = pack(waiting, size);
      const matches: Match[] = [];
      const left: Team[] = [];
      const meet = (alike: readonly Team[]): Team[] => {
        const over = alike.length % teams;
        for (let i = 0; i + teams <= alike.length; i += teams)
          matches.push({ teams: alike.slice(i, i + teams).map(({ tickets }) => tickets) });
        return over === 0 ? [] : alike.slice(-over);
      };
      for (const alike of groupBy(full, shapeOf).values()) left.push(...meet(alike));
      meet(left.filter(({ tickets }) => tickets.some(({ createdAt }) => now - createdAt >= mixAfter)));
      return matches;
    },
  };
}

/** Full teams of whole tickets, each in the first one that has room for it. */
function pack(waiting: readonly Ticket[], size: number): Team[] {
  const full: Team[] = [];
  let open: Team[] = [];
  for (const ticket of waiting) {
    if (ticket.players.length > size) continue;
    let team = open.find((each) => each.free >= ticket.players.length);
    if (!team) open.push((team = { tickets: [], free: size }));
    putInto(team, ticket);
    if (team.free > 0) continue;
    full.push(team);
    open = open.filter((each) => each !== team);
  }
  return full;
}

/** `3`, `2+1` or `1+1+1`. */
function shapeOf({ tickets }: Team): string {
  return tickets
    .map(({ players }) => players.length)
    .sort((a, b) => b - a)
    .join('+');
}
