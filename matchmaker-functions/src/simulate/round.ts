import type { Match, Matchmaker, Ticket } from '../match/types.ts';

const mostNamed = 5;

/** A matchmaker did what no matchmaker may do. */
export class SimulationError extends Error {
  /** When the round was, in milliseconds of virtual time. */
  readonly at: number;
  /** Ids of the tickets it is about: those that are wrong, or all that were waiting. */
  readonly tickets: readonly string[];

  constructor(reason: string, at: number, tickets: readonly string[], cause?: unknown) {
    super(
      `${reason} (round at ${(at / 1000).toFixed(3)} s; ${named(tickets)})`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'SimulationError';
    this.at = at;
    this.tickets = tickets;
  }
}

function named(tickets: readonly string[]): string {
  const more = tickets.length > mostNamed ? ` and ${tickets.length - mostNamed} more` : '';
  return `${tickets.length === 1 ? 'ticket' : 'tickets'} ${tickets.slice(0, mostNamed).join(', ')}${more}`;
}

/**
 * One round, checked.
 * @throws SimulationError
 */
export function playRound(matchmaker: Matchmaker, waiting: readonly Ticket[], now: number): readonly Match[] {
  const known = new Set(waiting.map(({ id }) => id));
  let matches: readonly Match[];
  try {
    // A copy: what it does to the list must not change what is checked.
    matches = matchmaker.match([...waiting], now);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new SimulationError(`match() has thrown: ${text}`, now, [...known], error);
  }
  if (!Array.isArray(matches))
    throw new SimulationError(`match() returned ${kindOf(matches)}, not an array of matches`, now, [
      ...known,
    ]);
  const taken = new Map<string, number>();
  matches.forEach((match, index) => {
    const wrong = (what: string, tickets: string[]) =>
      new SimulationError(`match ${index + 1} of ${matches.length}: ${what}`, now, tickets);
    if (!Array.isArray(match?.teams) || match.teams.flat().length === 0)
      throw wrong('it has nobody in it', [...known]);
    for (const team of match.teams) {
      // Of a running match some teams may need nobody.
      if (!Array.isArray(team) || (team.length === 0 && match.backfill === undefined))
        throw wrong('a team is empty', [...known]);
      for (const ticket of team as readonly Ticket[]) {
        const id = ticket?.id;
        if (!known.has(id)) throw wrong(`ticket ${id} is none of those that wait`, [id]);
        const before = taken.get(id);
        if (before === index)
          throw wrong(`${playersOf(ticket)} would meet themselves: ticket ${id} is in it twice`, [id]);
        if (before !== undefined)
          throw wrong(`ticket ${id} (${playersOf(ticket)}) is in match ${before + 1}, too`, [id]);
        taken.set(id, index);
      }
    }
  });
  return matches;
}

function playersOf({ players }: Ticket): string {
  return players.map(({ id }) => id).join(', ');
}

function kindOf(value: unknown): string {
  if (value instanceof Promise) return 'a promise';
  return value === null ? 'null' : `a value of type ${typeof value}`;
}
