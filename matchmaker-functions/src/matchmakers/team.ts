import type { Ticket } from '../match/types.ts';

export interface Team {
  tickets: Ticket[];
  /** Players that it still takes. */
  free: number;
}

export const emptyTeams = (count: number, size: number): Team[] =>
  Array.from({ length: count }, () => ({ tickets: [], free: size }));

export function putInto(team: Team, ticket: Ticket): void {
  team.tickets.push(ticket);
  team.free -= ticket.players.length;
}
