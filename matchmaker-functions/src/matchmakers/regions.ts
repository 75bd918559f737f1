import { groupBy } from '../group-by.ts';
import type { Match, Matchmaker, Ticket } from '../match/types.ts';
import { checkWidening, type Widening, widthFor } from './widening.ts';

export interface RegionOptions {
  /**
   * Round trip in milliseconds that each player of a match may have to its region, by how long its own ticket has
   * waited. Default: 60 at first, 150 after 20 s.
   */
  latency?: Widening;
  /**
   * Regions that there are; what players say of others is ignored. Name them where latencies come from clients.
   * Default: those that most tickets name.
   */
  regions?: readonly string[];
}

/** Without a list: regions of a round. */
const MAX_REGIONS = 64;

/**
 * Matches of another matchmaker, each in a region that is near to all its players. Players meet in the region that is
 * best for both first, then in one that is good enough.
 */
export function regions(
  within: Matchmaker,
  { latency = { from: 60, to: 150, over: 20_000 }, regions: known }: RegionOptions = {},
): Matchmaker {
  checkWidening('latency', latency);
  if (known?.length === 0) throw new TypeError('regions are none; expected names, or no list');
  const listed = known && new Set(known);
  return {
    interval: within.interval,
    match(waiting, now) {
      const matches: Match[] = [];
      const taken = new Set<Ticket>();
      const play = (region: string, tickets: readonly Ticket[]) => {
        const left = tickets.filter((ticket) => !taken.has(ticket));
        if (left.length === 0) return;
        const made = within.match(left, now).map((match) => ({ ...match, region }));
        matches.push(...made);
        for (const ticket of made.flatMap(({ teams }) => teams.flat())) taken.add(ticket);
      };
      const pings = waiting.map((ticket) => ({ ticket, to: pingsOf(ticket, listed) }));
      const names = listed ?? mostNamed(pings.map(({ to }) => to));
      const near = pings.flatMap(({ ticket, to }) => {
        const width = widthFor(latency, ticket, now);
        const sorted = [...to].filter(([region]) => names.has(region)).sort(([, a], [, b]) => a - b);
        return sorted.flatMap(([region, ms], i) => (ms <= width ? [{ ticket, region, best: i === 0 }] : []));
      });
      const byName = [...groupBy(near, ({ region }) => region)].sort(([a], [b]) => (a < b ? -1 : 1));
      const ticketsOf = (all: typeof near) => all.map(({ ticket }) => ticket);
      for (const [region, all] of byName) play(region, ticketsOf(all.filter(({ best }) => best)));
      for (const [region, all] of byName) play(region, ticketsOf(all));
      return matches;
    },
  };
}

/**
 * Milliseconds of the player who is farthest, by region, in the order of the names; no player is near to a region that
 * he says nothing of.
 */
function pingsOf({ players }: Ticket, listed: ReadonlySet<string> | undefined): Map<string, number> {
  const [first, ...others] = players.map(({ latency }) => new Map(Object.entries(latency ?? {})));
  const shared = [...first!.keys()]
    .filter((region) => (!listed || listed.has(region)) && others.every((other) => other.has(region)))
    .sort();
  return new Map(
    shared.map((region) => [
      region,
      Math.max(first!.get(region)!, ...others.map((each) => each.get(region)!)),
    ]),
  );
}

function mostNamed(pings: readonly ReadonlyMap<string, number>[]): Set<string> {
  const counts = new Map<string, number>();
  for (const to of pings) for (const region of to.keys()) counts.set(region, (counts.get(region) ?? 0) + 1);
  const names = [...counts].sort(([a, most], [b, next]) => next - most || (a < b ? -1 : 1));
  return new Set(names.slice(0, MAX_REGIONS).map(([region]) => region));
}
