// What changes together when a ticket searches, is matched or leaves, and when places of a running match come free.
import type { Draft } from './draft.ts';
import type { Claim, PooledMatch, PooledTicket } from './types.ts';

/** A ticket that was cancelled or timed out is known for so long: a call for it may be repeated. */
const KEPT_MS = 60_000;
/** A match whose sockets never closed, as far as anybody said. */
export const MATCHED_KEPT_MS = 24 * 3_600_000;

export const ticketKey = (id: string) => `t:${id}`;
export const matchKey = (id: string) => `m:${id}`;
export const socketKey = (id: string) => `s:${id}`;
export const playerKey = (tenant: string, id: string) => `p:${tenant}:${id}`;
export const partyKey = (queue: string, id: string) => `g:${queue}:${id}`;
export const ticketKeys = (match: PooledMatch): string[] => match.teams.flat().map(({ id }) => ticketKey(id));

/** The ticket may be matched, when all its players are there. */
export async function search(draft: Draft, before: PooledTicket): Promise<void> {
  const { match, room, answered, ...ticket } = before;
  ticket.state = 'searching';
  ticket.members = ticket.members.map(({ accepted, ...member }) => member);
  const complete = ticket.members.length === ticket.size;
  draft.put(ticketKey(ticket.id), ticket, {
    ...(ticket.places ? {} : { live: 0 }),
    ...(complete ? { waiting: ticket.createdAt } : {}),
    ...(ticket.expiresAt === undefined ? {} : { due: ticket.expiresAt }),
  });
  await gather(draft, ticket, !complete);
}

/** Of the tickets of a party one gathers: whoever comes next joins it, and so does what is left of another one. */
async function gather(draft: Draft, ticket: PooledTicket, more: boolean): Promise<void> {
  if (ticket.party === undefined) return;
  const key = partyKey(ticket.queue, ticket.party);
  const gathering = await draft.one<string>(key);
  if (!more && gathering === ticket.id) draft.remove(key);
  if (!more || gathering === ticket.id) return;
  if (gathering === undefined) draft.put(key, ticket.id);
  else await unite(draft, ticket, (await draft.one<PooledTicket>(ticketKey(gathering)))!);
}

/** Members of a ticket go over to one that gathers, as if they came now; for whom there is no place, those gather. */
async function unite(draft: Draft, from: PooledTicket, into: PooledTicket): Promise<void> {
  const free = into.size - into.members.length;
  const [joining, staying] = [from.members.slice(0, free), from.members.slice(free)];
  for (const { socketId } of joining) draft.put(socketKey(socketId), into.id);
  await search(draft, { ...into, members: [...into.members, ...joining], createdAt: draft.now });
  if (staying.length > 0) await search(draft, { ...from, members: staying });
  else draft.remove(ticketKey(from.id));
}

export function matched(draft: Draft, ticket: PooledTicket): void {
  const now = draft.now;
  draft.put(ticketKey(ticket.id), { ...ticket, state: 'matched' }, { done: now, due: now + MATCHED_KEPT_MS });
}

/** Takes sockets out of a ticket; what is left of a party waits for others of it. */
export async function out(
  draft: Draft,
  ticket: PooledTicket,
  sockets: readonly string[],
  state: 'cancelled' | 'timed-out',
): Promise<void> {
  const [leaving, staying] = parted(ticket.members, ({ socketId }) => sockets.includes(socketId));
  for (const { player } of leaving) draft.remove(playerKey(ticket.tenant, player.id));
  if (staying.length === 0) {
    const now = draft.now;
    draft.put(ticketKey(ticket.id), { ...ticket, state }, { done: now, due: now + KEPT_MS });
    await gather(draft, ticket, false);
    return;
  }
  for (const { socketId } of leaving) draft.remove(socketKey(socketId));
  const rest = { ...ticket, members: staying };
  if (ticket.state === 'matched') matched(draft, rest);
  else await search(draft, rest);
}

/** Undoes a claim. */
export async function giveBack(
  draft: Draft,
  match: PooledMatch,
  gone: ReadonlySet<string>,
  state: 'cancelled' | 'timed-out',
): Promise<void> {
  for (const ticket of (await draft.all<PooledTicket>(ticketKeys(match))) as PooledTicket[]) {
    const leaving = ticket.members.map(({ socketId }) => socketId).filter((socketId) => gone.has(socketId));
    if (leaving.length === 0) await search(draft, ticket);
    else await out(draft, ticket, leaving, state);
  }
  draft.remove(matchKey(match.id));
  if (match.backfill === undefined) return;
  const places = await draft.one<PooledTicket>(ticketKey(match.backfill));
  if (places) await search(draft, places);
}

/** A socket has left a running match: its place is free, or the match is over when it was the last one. */
export async function vacate(draft: Draft, match: PooledMatch, socketId: string): Promise<void> {
  const teams = match.teams.map((team) =>
    team
      .map(({ id, members }) => ({ id, members: members.filter((member) => member.socketId !== socketId) }))
      .filter(({ members }) => members.length > 0),
  );
  await putRunning(draft, { ...match, teams });
}

/** Those who fill a match are in it. */
export async function join(draft: Draft, joining: PooledMatch, id: string): Promise<void> {
  const match = await draft.one<PooledMatch>(matchKey(id));
  if (!match) return;
  const teams = match.teams.map((team, i) => [...team, ...(joining.teams[i] ?? [])]);
  await putRunning(draft, { ...match, teams });
}

export async function putRunning(draft: Draft, match: PooledMatch): Promise<void> {
  const members = match.teams.flat().flatMap((ticket) => ticket.members);
  const key = ticketKey(match.id);
  const before = await draft.one<PooledTicket>(key);
  const now = draft.now;
  if (members.length === 0) {
    draft.remove(matchKey(match.id));
    if (before) draft.remove(key);
    return;
  }
  draft.put(matchKey(match.id), match, { due: match.until, done: now });
  const places = match.sizes!.map(
    (size, i) => size - match.teams[i]!.reduce((n, ticket) => n + ticket.members.length, 0),
  );
  const ids = match.teams.map((team) =>
    team.flatMap((ticket) => ticket.members.map(({ player }) => player.id)),
  );
  const ticket: PooledTicket = {
    ...{ id: match.id, tenant: '', queue: match.queue, state: 'searching', size: members.length },
    ...{ createdAt: before?.createdAt ?? now, attributes: { teams: ids }, members, places },
  };
  if (places.every((n) => n <= 0)) {
    if (before) draft.remove(key);
  } else if (before?.state === 'proposed')
    draft.put(key, { ...ticket, state: 'proposed', match: before.match }, {});
  else draft.put(key, ticket, { waiting: ticket.createdAt });
}

/** @returns players of the running match when it is full; undefined when it has not so many free places any more */
export async function takePlaces(draft: Draft, id: string, claim: Claim): Promise<number | undefined> {
  const free = await draft.one<PooledTicket>(ticketKey(id));
  if (free?.state !== 'searching' || !free.places) return undefined;
  const wanted = claim.teams.map((team) => team.reduce((n, { players }) => n + players.length, 0));
  if (wanted.some((n, i) => n > (free.places![i] ?? 0))) return undefined;
  draft.put(ticketKey(id), { ...free, state: 'proposed', match: claim.id }, {});
  return free.members.length + free.places.reduce((sum, n) => sum + n, 0);
}

function parted<T>(items: readonly T[], first: (item: T) => boolean): [T[], T[]] {
  return [items.filter(first), items.filter((item) => !first(item))];
}
