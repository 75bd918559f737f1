import type { Match, Matchmaker, Ticket } from '../match/types.ts';
import { checkWidening, type Widening, widthFor } from './widening.ts';

export interface RegionOptions {
  /**
   * Round trip in milliseconds that each player of a match may have to its region, by how long its own ticket has
   * waited. Default: 60 at first, 150 after 20 s.
   */
  latency?: Widening;
}

/**
 * Matches of another matchmaker, each in a region that is near to all its players. Players meet in the region that is
 * best for both first, then in one that is good enough.
 */
export function regions(
  within: Matchmaker,
  { latency = { from: 60, to: 150, over: 20_000 } }: RegionOptions = {},
): Matchmaker {
  checkWidening('latency', latency);
  return {
    interval: within.interval,
    match(waiting, now) {
      const matches: Match[] = [];
      let left = waiting;
      const play = (region: string, suits: (ticket: Ticket) => boolean) => {
        const made = within.match(left.filter(suits), now).map((match) => ({ ...match, region }));
        matches.push(...made);
        const taken = new Set(made.flatMap(({ teams }) => teams.flat()));
        if (taken.size > 0) left = left.filter((ticket) => !taken.has(ticket));
      };
      const near = (ticket: Ticket, region: string) =>
        farthest(ticket, region) <= widthFor(latency, ticket, now);
      const names = regionsOf(waiting);
      const best = new Map(waiting.map((ticket) => [ticket, bestOf(ticket, names)]));
      for (const region of names)
        play(region, (ticket) => best.get(ticket) === region && near(ticket, region));
      for (const region of names) play(region, (ticket) => near(ticket, region));
      return matches;
    },
  };
}

function regionsOf(waiting: readonly Ticket[]): string[] {
  const names = waiting.flatMap(({ players }) =>
    players.flatMap(({ latency }) => Object.keys(latency ?? {})),
  );
  return [...new Set(names)].sort();
}

/** Milliseconds of the player who is farthest from it; no player is near to a region that he says nothing of. */
function farthest({ players }: Ticket, region: string): number {
  return Math.max(...players.map(({ latency }) => latency?.[region] ?? Infinity));
}

function bestOf(ticket: Ticket, names: readonly string[]): string | undefined {
  return names.toSorted((a, b) => farthest(ticket, a) - farthest(ticket, b))[0];
}
