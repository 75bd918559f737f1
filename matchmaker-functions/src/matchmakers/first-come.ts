import type { Match, Matchmaker, Ticket } from '../match/types.ts';

/** Who comes plays the one that waits longest, at once. Parties meet as they are, whatever their sizes. */
export function firstCome(): Matchmaker {
  return {
    interval: 0,
    match(waiting: readonly Ticket[]): Match[] {
      const matches: Match[] = [];
      for (let i = 0; i + 1 < waiting.length; i += 2)
        matches.push({ teams: [[waiting[i]!], [waiting[i + 1]!]] });
      return matches;
    },
  };
}
