import type { Match, Matchmaker, Ticket } from '../match/types.ts';
import { putInto, type Team } from './team.ts';
import { checkWidening, ratingOf, type Widening, widthFor } from './widening.ts';

export interface BackfillOptions {
  /**
   * How far the rating of one who joins may be from the mean of those who play, by how long he has waited.
   * Default: any.
   */
  gap?: Widening;
}

/**
 * Fills the places of those who left running matches, longest free first, before another matchmaker makes new matches.
 * A running match with free places is a ticket with the match's id, its players, and `places` by team in its
 * attributes.
 */
export function backfill(others: Matchmaker, { gap }: BackfillOptions = {}): Matchmaker {
  if (gap) checkWidening('gap', gap);
  return {
    interval: others.interval,
    match(waiting, now) {
      const running = waiting.filter((ticket) => placesOf(ticket) !== undefined);
      let left = waiting.filter((ticket) => placesOf(ticket) === undefined);
      const matches: Match[] = [];
      for (const match of running) {
        const rating = ratingOf(match);
        const suits = (ticket: Ticket) =>
          !gap || Math.abs(ratingOf(ticket) - rating) <= widthFor(gap, ticket, now);
        const joining = joiningOf(placesOf(match)!, left.filter(suits));
        if (joining.every((team) => team.length === 0)) continue;
        matches.push({ teams: joining, backfill: match.id });
        const taken = new Set(joining.flat());
        left = left.filter((ticket) => !taken.has(ticket));
      }
      return [...matches, ...others.match(left, now)];
    },
  };
}

function placesOf({ attributes: { places } }: Ticket): number[] | undefined {
  return Array.isArray(places) ? places : undefined;
}

/** Who goes into which team, in the order in which they wait. */
function joiningOf(places: readonly number[], tickets: readonly Ticket[]): Ticket[][] {
  const teams = places.map((free): Team => ({ tickets: [], free }));
  for (const ticket of tickets) {
    if (teams.every(({ free }) => free <= 0)) break;
    // where most are missing
    const team = teams.reduce((most, each) => (each.free > most.free ? each : most));
    if (team.free >= ticket.players.length) putInto(team, ticket);
  }
  return teams.map(({ tickets: joining }) => joining);
}
