import { groupBy } from '../group-by.ts';
import type { Match, Matchmaker, Ticket } from '../match/types.ts';

export interface PrivateCodeOptions {
  /**
   * Players of a team, which parties and those who are alone fill together. Default: each ticket is a team, and plays
   * tickets of its size.
   */
  size?: number;
  /** Teams of a match. Default: 2. */
  teams?: number;
}

/** Ways to fill the teams of a match that lead nowhere, until it is given up for this round. */
const DEAD_ENDS = 10_000;

/** Players who bring the same `code` (an attribute of their tickets) meet, and nobody else; all others meet as ever. */
export function privateCodes(others: Matchmaker, { size, teams = 2 }: PrivateCodeOptions = {}): Matchmaker {
  for (const [name, value] of Object.entries({ size: size ?? 1, teams }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TypeError(`${name} is ${value}; expected a whole number from 1`);
  return {
    interval: others.interval,
    match(waiting, now) {
      const byCode = groupBy(waiting, codeOf);
      const open = byCode.get(undefined) ?? [];
      byCode.delete(undefined);
      const matches = [...byCode.values()].flatMap((tickets) => {
        if (size !== undefined) return among(tickets, teams, size);
        const alike = groupBy(tickets, ({ players }) => players.length);
        return [...alike].flatMap(([players, each]) => among(each, teams, players));
      });
      return [...matches, ...others.match(open, now)];
    },
  };
}

function codeOf({ attributes: { code } }: Ticket): string | undefined {
  return typeof code === 'string' && code !== '' ? code : undefined;
}

/** Tickets of as many players, in line; those before `next` are taken. */
interface Line {
  players: number;
  tickets: readonly { ticket: Ticket; order: number }[];
  next: number;
}

/** Matches as long as there are any; whoever waits longest is in one, if those who are there allow it. */
function among(tickets: readonly Ticket[], count: number, size: number): Match[] {
  const inLine = tickets.map((ticket, order) => ({ ticket, order }));
  const fitting = groupBy(inLine, ({ ticket }) => ticket.players.length);
  const lines = [...fitting].map(([players, each]): Line => ({ players, tickets: each, next: 0 }));
  const matches: Match[] = [];
  for (let teams = fill(lines, count, size); teams; teams = fill(lines, count, size)) matches.push({ teams });
  return matches;
}

/**
 * Full teams, one after the other, of those who are first in line. Unlike in a crowd it is no use to wait for somebody
 * who fits better: whoever has the code may be there already. So every way is tried before it is said that there is none.
 */
function fill(lines: readonly Line[], count: number, size: number): Ticket[][] | undefined {
  const teams = Array.from({ length: count }, (): Ticket[] => []);
  const deadEnds = new Set<string>();
  const from = (placed: number): boolean => {
    if (placed === count * size) return true;
    // How many of each size are placed says how full which team is.
    const place = lines.map(({ next }) => next).join();
    if (deadEnds.has(place) || deadEnds.size >= DEAD_ENDS) return false;
    const team = teams[Math.floor(placed / size)]!;
    for (const line of heads(lines, size - (placed % size))) {
      team.push(line.tickets[line.next++]!.ticket);
      if (from(placed + line.players)) return true;
      team.pop();
      line.next--;
    }
    deadEnds.add(place);
    return false;
  };
  return from(0) ? teams : undefined;
}

/** Lines whose first ticket has no more than `free` players, the one that waits longest first. */
function heads(lines: readonly Line[], free: number): Line[] {
  return lines
    .filter(({ players, tickets, next }) => players <= free && next < tickets.length)
    .sort((a, b) => a.tickets[a.next]!.order - b.tickets[b.next]!.order);
}
