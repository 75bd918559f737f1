import type { Match, Matchmaker, Ticket } from '../match/types.ts';
import { assignRoles, type Roles } from './roles.ts';
import { emptyTeams, putInto, type Team } from './team.ts';
import { checkWidening, ratingOf, type Widening, widthFor } from './widening.ts';

export interface TeamOptions {
  /** Players of a team; may be left out where `roles` say it. */
  size?: number;
  /** Teams of a match. Default: 2. */
  teams?: number;
  /** Players of a team by role, `{ tank: 1, healer: 1, damage: 3 }`. */
  roles?: Roles;
  /** How far from the rating of who waits longest those of the others may be. Default: any. */
  gap?: Widening;
  /** Milliseconds between rounds. Default: 1,000. */
  interval?: number;
}

/** Tickets looked at for a match, for each player that it needs. */
const CANDIDATES = 20;

/** Teams of several players, with roles, parties kept together, and strength shared out evenly. */
export function teams(options: TeamOptions): Matchmaker {
  const { roles, gap, teams: count = 2, interval = 1_000 } = options;
  const size = options.size ?? Object.values(roles ?? {}).reduce((sum, n) => sum + n, 0);
  if (!Number.isSafeInteger(size) || size < 1) throw new TypeError('a team needs a size, or roles');
  if (roles && Object.values(roles).reduce((sum, n) => sum + n, 0) !== size)
    throw new TypeError(`roles are not those of ${size} players`);
  if (gap) checkWidening('gap', gap);
  const suits: Suits = (tickets) => !roles || assignRoles(playersOf(tickets), roles) !== undefined;

  return {
    interval,
    match(waiting, now) {
      const matches: Match[] = [];
      const free = waiting
        .filter(({ players }) => players.length <= size)
        .map((ticket): Free => ({ ticket, rating: ratingOf(ticket) }));
      for (const first of free) {
        if (first.taken) continue;
        const width = gap ? widthFor(gap, first.ticket, now) : Infinity;
        const sides = fill(
          near(free, first, width, CANDIDATES * size * count),
          emptyTeams(count, size),
          suits,
        );
        // Without a gap there was the same choice for all.
        if (!sides && !gap) break;
        if (!sides) continue;
        const made = sides.map((side) => side.map(({ ticket }) => ticket));
        for (const each of sides.flat()) each.taken = true;
        balance(made, suits);
        matches.push({ teams: made, ...(roles ? { roles: rolesOf(made, roles) } : {}) });
      }
      return matches;
    },
  };
}

interface Free {
  ticket: Ticket;
  rating: number;
  taken?: true;
}

type Suits = (tickets: readonly Ticket[]) => boolean;

const playersOf = (tickets: readonly Ticket[]) => tickets.flatMap(({ players }) => players);
const strengthOf = (tickets: readonly Ticket[]) =>
  tickets.reduce((sum, ticket) => sum + ratingOf(ticket) * ticket.players.length, 0);

/** `first`, and who is near to it in rating, longest waiting first. */
function near(free: readonly Free[], first: Free, width: number, most: number): Free[] {
  const found = [first];
  for (const each of free) {
    if (found.length > most) break;
    if (!each.taken && each !== first && Math.abs(each.rating - first.rating) <= width) found.push(each);
  }
  return found;
}

/** Full teams, or undefined; the first candidate is in one of them. */
function fill(candidates: readonly Free[], teams: readonly Team[], suits: Suits): Free[][] | undefined {
  const sides = teams.map((team): { team: Team; members: Free[] } => ({ team, members: [] }));
  let missing = teams.reduce((sum, { free }) => sum + free, 0);
  for (const each of candidates) {
    const { ticket } = each;
    const side = sides.find(
      ({ team }) => team.free >= ticket.players.length && suits([...team.tickets, ticket]),
    );
    if (!side) continue;
    putInto(side.team, ticket);
    side.members.push(each);
    missing -= ticket.players.length;
    if (missing === 0) return sides.map(({ members }) => members);
  }
  return undefined;
}

/** Exchanges tickets of the same size between teams as long as that makes them more equal. */
function balance(sides: Ticket[][], suits: Suits): void {
  for (let better = true; better; ) {
    const sorted = sides.toSorted((a, b) => strengthOf(a) - strengthOf(b));
    better = exchange(sorted[0]!, sorted.at(-1)!, suits);
  }
}

/** The exchange that brings a weak and a strong team closest. @returns false when there is none */
function exchange(weak: Ticket[], strong: Ticket[], suits: Suits): boolean {
  const apart = strengthOf(strong) - strengthOf(weak);
  const swapped = (team: Ticket[], at: number, ticket: Ticket) => team.with(at, ticket);
  let best: { i: number; j: number; apart: number } | undefined;
  for (const [i, a] of weak.entries())
    for (const [j, b] of strong.entries()) {
      if (a.players.length !== b.players.length) continue;
      const then = Math.abs(apart - 2 * (strengthOf([b]) - strengthOf([a])));
      if (then >= (best?.apart ?? apart) - 1e-9) continue;
      if (suits(swapped(weak, i, b)) && suits(swapped(strong, j, a))) best = { i, j, apart: then };
    }
  if (!best) return false;
  const { i, j } = best;
  [weak[i], strong[j]] = [strong[j]!, weak[i]!];
  return true;
}

function rolesOf(sides: readonly Ticket[][], roles: Roles): Record<string, string> {
  return Object.assign({}, ...sides.map((tickets) => assignRoles(playersOf(tickets), roles)));
}
