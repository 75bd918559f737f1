import { groupBy } from '../group-by.ts';
import type { Match, Matchmaker, Ticket } from '../match/types.ts';
import { emptyTeams, putInto } from './team.ts';

export interface PrivateCodeOptions {
  /** Players of a team. Default: 1. */
  size?: number;
  /** Teams of a match. Default: 2. */
  teams?: number;
}

/** Players who bring the same `code` (an attribute of their tickets) meet, and nobody else; all others meet as ever. */
export function privateCodes(
  others: Matchmaker,
  { size = 1, teams = 2 }: PrivateCodeOptions = {},
): Matchmaker {
  return {
    interval: others.interval,
    match(waiting, now) {
      const byCode = groupBy(waiting, codeOf);
      const open = byCode.get(undefined) ?? [];
      byCode.delete(undefined);
      const matches = [...byCode.values()].flatMap((tickets) => among(tickets, teams, size));
      return [...matches, ...others.match(open, now)];
    },
  };
}

function codeOf({ attributes: { code } }: Ticket): string | undefined {
  return typeof code === 'string' && code !== '' ? code : undefined;
}

/** Teams are filled in the order in which players come. */
function among(tickets: readonly Ticket[], count: number, size: number): Match[] {
  const matches: Match[] = [];
  let sides = emptyTeams(count, size);
  for (const ticket of tickets) {
    const side = sides.find(({ free }) => free >= ticket.players.length);
    if (!side) continue;
    putInto(side, ticket);
    if (sides.some(({ free }) => free > 0)) continue;
    matches.push({ teams: sides.map((each) => each.tickets) });
    sides = emptyTeams(count, size);
  }
  return matches;
}
