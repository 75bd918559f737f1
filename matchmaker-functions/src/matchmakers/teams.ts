import { groupBy } from '../group-by.ts';
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

/** Tries to put a ticket into a team, in a round: what then remains waits for the next one. */
const TRIES = 500_000;
/** Times that a match is begun anew, without those who left a team unfilled. */
const BEGUN_ANEW = 4;

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
        .map(
          (ticket, order): Free => ({ ticket, order, rating: ratingOf(ticket), kind: kindOf(ticket, roles) }),
        );
      const kinds = new Map<string, Queue>(
        [...groupBy(free, ({ kind }) => kind)].map(([kind, tickets]) => [kind, { tickets, from: 0 }]),
      );
      let tries = 0;
      const fits: Suits = (tickets) => {
        tries++;
        return suits(tickets);
      };
      for (const first of free) {
        if (tries > TRIES) break;
        if (first.taken || !kinds.has(first.kind)) continue;
        const width = gap ? widthFor(gap, first.ticket, now) : Infinity;
        const sides = fill(near(kinds, first, width, size * count), () => emptyTeams(count, size), fits);
        if (!sides) {
          // It is in no match of this round, and hinders none; without a gap that goes for all of its kind.
          first.taken = true;
          if (!gap) kinds.delete(first.kind);
          continue;
        }
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
  /** In line. */
  order: number;
  rating: number;
  kind: string;
  taken?: true;
}

/** Tickets of one kind, in the order in which they wait; those before `from` are taken. */
interface Queue {
  tickets: readonly Free[];
  from: number;
}

/** Tickets of the same kind fit into the same teams: as many players, willing to play the same roles. */
function kindOf({ players }: Ticket, roles: Roles | undefined): string {
  if (!roles) return `${players.length}`;
  const names = Object.keys(roles);
  return players
    .map((player) => names.map((role) => (!player.roles || player.roles.includes(role) ? 1 : 0)).join(''))
    .sort()
    .join();
}

type Suits = (tickets: readonly Ticket[]) => boolean;

const playersOf = (tickets: readonly Ticket[]) => tickets.flatMap(({ players }) => players);
const strengthOf = (tickets: readonly Ticket[]) =>
  tickets.reduce((sum, ticket) => sum + ratingOf(ticket) * ticket.players.length, 0);

/** `first`, and of each kind those who are near to it in rating, longest waiting first; a match takes no more than `most`. */
function near(kinds: ReadonlyMap<string, Queue>, first: Free, width: number, most: number): Free[] {
  const others: Free[] = [];
  for (const queue of kinds.values()) {
    while (queue.tickets[queue.from]?.taken) queue.from++;
    const enough = others.length + most;
    for (let i = queue.from; i < queue.tickets.length && others.length < enough; i++) {
      const each = queue.tickets[i]!;
      if (!each.taken && each !== first && Math.abs(each.rating - first.rating) <= width) others.push(each);
    }
  }
  return [first, ...others.sort((a, b) => a.order - b.order)];
}

interface Side {
  team: Team;
  members: Free[];
}

/** Full teams, or undefined; the first candidate is in one of them. */
function fill(candidates: readonly Free[], empty: () => Team[], suits: Suits): Free[][] | undefined {
  let left = candidates;
  for (let i = 0; i <= BEGUN_ANEW; i++) {
    const sides = empty().map((team): Side => ({ team, members: [] }));
    putAll(left, sides, suits);
    const unfilled = sides.filter(({ team }) => team.free > 0).flatMap(({ members }) => members);
    if (sides.every(({ team }) => team.free === 0)) return sides.map(({ members }) => members);
    const first = left[0]!;
    // such as parties of three in teams of four, when nobody is alone
    const stuck = new Set(unfilled.filter((each) => each !== first).map(({ kind }) => kind));
    if (stuck.size === 0) return undefined;
    left = left.filter((each) => each === first || !stuck.has(each.kind));
  }
  return undefined;
}

/** Each candidate into the first team that it fits into, if any. */
function putAll(candidates: readonly Free[], sides: readonly Side[], suits: Suits): void {
  // Teams only become fuller: what fitted nowhere does not fit later.
  const unfit = new Set<string>();
  let missing = sides.reduce((sum, { team }) => sum + team.free, 0);
  for (const each of candidates) {
    const { ticket, kind } = each;
    if (unfit.has(kind)) continue;
    const side = sides.find(
      ({ team }) => team.free >= ticket.players.length && suits([...team.tickets, ticket]),
    );
    if (!side) {
      unfit.add(kind);
      continue;
    }
    putInto(side.team, ticket);
    side.members.push(each);
    missing -= ticket.players.length;
    if (missing === 0) return;
  }
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
