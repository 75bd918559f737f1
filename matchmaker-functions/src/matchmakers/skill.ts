import { groupBy } from '../group-by.ts';
import type { Match, Matchmaker, Ticket } from '../match/types.ts';
import { checkWidening, ratingOf, type Widening, widthFor } from './widening.ts';

export interface SkillOptions {
  /**
   * How far apart the ratings (`mu`) of two may be, by how long the one of them who waits longer has waited.
   * Default: 2 at first, 8 after 30 s, which fits ratings of openskill, 25 ± 8 at first.
   */
  gap?: Widening;
  /** Milliseconds between rounds: the longer, the more there is to choose from. Default: 1,000. */
  interval?: number;
}

/**
 * Duels of equals. Whoever waits longest gets the one who is closest in rating, if that is close enough; nobody is ever
 * matched beyond the gap. Parties meet parties of their size, by the mean of their ratings.
 */
export function skill({
  gap = { from: 2, to: 8, over: 30_000 },
  interval = 1_000,
}: SkillOptions = {}): Matchmaker {
  checkWidening('gap', gap);
  return {
    interval,
    match(waiting, now) {
      const bySize = groupBy(waiting, ({ players }) => players.length);
      return [...bySize.values()].flatMap((tickets) => pairs(tickets, now, gap));
    },
  };
}

/** A ticket between the next lower and the next higher one that are still to be had. */
interface Place {
  ticket: Ticket;
  rating: number;
  lower?: Place;
  higher?: Place;
  taken?: true;
}

function pairs(tickets: readonly Ticket[], now: number, gap: Widening): Match[] {
  const places: Place[] = tickets.map((ticket) => ({ ticket, rating: ratingOf(ticket) }));
  places
    .toSorted((a, b) => a.rating - b.rating)
    .forEach((place, i, sorted) => {
      place.lower = sorted[i - 1];
      place.higher = sorted[i + 1];
    });
  const matches: Match[] = [];
  for (const place of places) {
    if (place.taken) continue;
    const { lower, higher, rating } = place;
    const below = lower ? rating - lower.rating : Infinity;
    const above = higher ? higher.rating - rating : Infinity;
    if (Math.min(below, above) > widthFor(gap, place.ticket, now)) continue;
    const other = below <= above ? lower! : higher!;
    take(place);
    take(other);
    matches.push({ teams: [[place.ticket], [other.ticket]] });
  }
  return matches;
}

function take(place: Place): void {
  const { lower, higher } = place;
  place.taken = true;
  if (lower) lower.higher = higher;
  if (higher) higher.lower = lower;
}
