// What becomes of the records when a socket opens, wants something, closes or has waited long enough. Pure: records in,
// changes out; the store's commit makes them true, or they are decided again.
import { BatonError, invalidRequest, linkStale, linkTaken, linkTimeout } from '../../errors.ts';
import { MAX_MEMBERS } from '../../link-size.ts';
import type { Draft } from './draft.ts';
import { groupLink, type SocketRecord, socketKey, type Truth, type Wish } from './records.ts';
import { type At, cancel, isLinked, leave, removeFrom, seek, socketTaken } from './seek.ts';

/** How long it is remembered that a socket has closed. */
export const GONE_MS = 60_000;

/** Lets typed refusals out as values, so that what else was decided stays. */
function refusable(draft: Draft, work: () => void): BatonError | undefined {
  try {
    draft.attempt(work);
    return undefined;
  } catch (error) {
    if (error instanceof BatonError) return error;
    throw error;
  }
}

/**
 * A socket is open and wants something: it opened just now, its function answered, or the control API asks.
 * @param ask.epoch at which its host owns it
 * @returns why it does not get what it wants; it is open all the same, and linked as it was
 * @throws BATON_LINK_STALE when another host has taken the socket over, or for closed
 */
export function want(
  draft: Draft,
  at: At,
  ask: { wish: Wish; waitMs: number; epoch?: number | undefined },
): BatonError | undefined {
  const { socketId } = at;
  const me = draft.socket(socketId);
  const stale = (reason: string) => linkStale({ socketId, reason });
  if (me && me.tenant !== draft.tenant) throw stale('another tenant has a socket of this id');
  if (me?.state === 'closed') throw stale('it has closed');
  if (me?.epoch !== undefined && ask.epoch !== undefined && me.epoch > ask.epoch)
    throw stale('another host has it');
  const now: SocketRecord = { ...(me ?? { tenant: draft.tenant, state: 'open' }), failed: undefined };
  draft.putSocket(socketId, ask.epoch === undefined ? now : { ...now, epoch: ask.epoch });
  return refusable(draft, () => fulfil(draft, at, ask.wish, ask.waitMs));
}

function fulfil(draft: Draft, at: At, wish: Wish, waitMs: number): void {
  const { socketId } = at;
  if (wish.unlink) {
    cancel(draft, socketId, at.now);
    leave(draft, socketId);
    draft.putSocket(socketId, { ...draft.socket(socketId)!, unlinked: true, failed: undefined });
  }
  if (wish.alias !== undefined) name(draft, socketId, wish.alias);
  if (wish.group) join(draft, at, wish.group, wish.room, waitMs);
  else if (wish.peers && wish.peers.length > 0) pair(draft, at, [...new Set(wish.peers)], wish.room, waitMs);
  else if (wish.room) furnish(draft, socketId, wish.room, wish.past);
}

/** Peers are to get a room; of several the first one named counts. */
function furnish(
  draft: Draft,
  socketId: string,
  room: NonNullable<Wish['room']>,
  past: string | undefined,
): void {
  const me = draft.socket(socketId)!;
  if (!isLinked(draft, me)) throw linkStale({ socketId, reason: 'it has no peer to be in a room with' });
  const link = draft.link(me.link!)!;
  if (!link.room || (past !== undefined && link.room.id === past)) draft.putLink(me.link!, { ...link, room });
}

/**
 * A room was made for a link.
 * @returns the one that the link has: the first one made; undefined when it is to have none any more
 */
export function giveRoom(draft: Draft, linkId: string, roomId: string): string | undefined {
  const link = draft.link(linkId);
  if (!link?.formed || !link.room) return undefined;
  if (link.room.id !== undefined) return link.room.id;
  draft.putLink(linkId, { ...link, room: { ...link.room, id: roomId } });
  return roomId;
}

/** The room of a link cannot be made. */
export function withdrawRoom(draft: Draft, linkId: string): void {
  const link = draft.link(linkId);
  if (link?.room && link.room.id === undefined) draft.putLink(linkId, { ...link, room: undefined });
}

function name(draft: Draft, socketId: string, alias: string): void {
  const me = draft.socket(socketId)!;
  if (me.alias === alias) return;
  if (draft.alias(alias) !== undefined)
    throw linkTaken({ what: `Alias ${alias}`, alias, reason: 'another socket has it' });
  if (me.alias !== undefined) draft.putAlias(me.alias, undefined);
  draft.putAlias(alias, socketId);
  draft.putSocket(socketId, { ...me, alias });
}

const UNLINK_FIRST = 'it is linked already; unlink it first';

function pair(draft: Draft, at: At, names: string[], room: Wish['room'], waitMs: number): void {
  const { socketId, now } = at;
  if (names.length >= MAX_MEMBERS)
    throw invalidRequest({ reason: `a link has at most ${MAX_MEMBERS} members` });
  const me = draft.socket(socketId)!;
  if (isLinked(draft, me)) {
    const { members } = draft.link(me.link!)!;
    draft.need(members.map(socketKey));
    const known = members.flatMap((id) => (id === socketId ? [] : [id, draft.socket(id)?.alias]));
    if (names.every((one) => known.includes(one))) return;
    throw socketTaken(socketId, UNLINK_FIRST);
  }
  cancel(draft, socketId, now);
  const wanted = { names, until: now + waitMs, listed: [], ...(room ? { room } : {}) };
  draft.putSocket(socketId, { ...draft.socket(socketId)!, want: wanted, failed: undefined });
  seek(draft, at);
}

/** The group's link is there from its first member on, and formed once it has been complete. */
function join(
  draft: Draft,
  { socketId, now }: At,
  group: { name: string; size: number },
  room: Wish['room'],
  waitMs: number,
): void {
  const { size } = group;
  if (size < 2 || size > MAX_MEMBERS)
    throw invalidRequest({ reason: `a group has 2 to ${MAX_MEMBERS} members, not ${size}` });
  const me = draft.socket(socketId)!;
  const linkId = groupLink(group.name);
  const taken = (reason: string) => linkTaken({ what: `Group ${group.name}`, group: group.name, reason });
  if (me.link === linkId && draft.link(linkId)?.size === size) return;
  if (isLinked(draft, me)) throw socketTaken(socketId, UNLINK_FIRST);
  cancel(draft, socketId, now);
  const link = draft.link(linkId) ?? { members: [], formed: false, group: group.name, size };
  if (link.size !== size) throw taken(`its size is ${link.size}, not ${size}`);
  if (link.members.length >= size) throw taken('it is full');
  const members = [...link.members, socketId];
  const formed = link.formed || members.length === size;
  const given = link.room ?? room;
  draft.need(members.map(socketKey));
  draft.putLink(linkId, { ...link, members, formed, ...(given ? { room: given } : {}) });
  const waits = formed ? {} : { until: now + waitMs };
  const { tenant, state, epoch, alias } = draft.socket(socketId)!;
  draft.putSocket(socketId, { tenant, state, epoch, alias, link: linkId, ...waits });
  if (!formed || link.formed) return;
  for (const member of link.members) draft.putSocket(member, { ...draft.socket(member)!, until: undefined });
}

/**
 * Serves the first one that waits for `name`, an id or alias of a socket that has opened, or closed: it gets its link,
 * hears why not, or waits on for others.
 * @returns whether more are on the list
 */
export function serve(draft: Draft, at: Omit<At, 'socketId'>, name: string): boolean {
  if (!draft.socket(name) && draft.alias(name) === undefined) return false; // not that one, after all
  const waiting = draft.waiting(name).filter(({ until }) => until > at.now);
  const [first, ...rest] = waiting;
  draft.putWaiting(name, rest, at.now);
  if (!first) return false;
  const record = draft.socket(first.by);
  const { want: wanted } = record ?? {};
  if (!record || !wanted?.listed.includes(name)) return rest.length > 0;
  const listed = wanted.listed.filter((one) => one !== name);
  draft.putSocket(first.by, { ...record, want: { ...wanted, listed } });
  const refused = refusable(draft, () => seek(draft, { ...at, socketId: first.by }));
  if (refused) give(draft, first.by, refused, at.now);
  return rest.length > 0;
}

/** A socket does not get what it waits for, and waits no more. */
export function give(draft: Draft, socketId: string, { code, message }: BatonError, now: number): void {
  cancel(draft, socketId, now);
  draft.putSocket(socketId, { ...draft.socket(socketId)!, failed: { code, message } });
}

/** A socket has waited long enough; nothing happens if it does not wait any more, or longer. */
export function expire(draft: Draft, { socketId, now }: At, waited: number): void {
  const me = draft.socket(socketId);
  if (me?.state !== 'open') return;
  if (me.want && me.want.until <= now) {
    const peer = me.want.listed[0] ?? me.want.names[0]!;
    const how = me.want.listed.length > 0 ? 'open' : 'become free';
    give(draft, socketId, linkTimeout({ what: `Socket ${peer}`, how, peer, ms: waited }), now);
  } else if (me.until !== undefined && me.until <= now) {
    const { group, size } = draft.link(me.link!)!;
    const what = `Group ${group} of ${size}`;
    give(draft, socketId, linkTimeout({ what, how: 'fill', group, ms: waited }), now);
  }
}

/**
 * A socket has closed, and leaves everything. Once is enough; who waits for it is served afterwards.
 * @param known its link as far as its room knows, for a store that lost its records
 * @returns names under which others may wait for it
 */
export function close(draft: Draft, { socketId, now }: At, known?: string): string[] {
  const me = draft.socket(socketId);
  if (me && me.tenant !== draft.tenant) return [];
  if (me?.state === 'open') {
    cancel(draft, socketId, now);
    leave(draft, socketId);
    if (me.alias !== undefined) draft.putAlias(me.alias, undefined);
  } else if (known !== undefined) removeFrom(draft, known, socketId);
  draft.putSocket(socketId, { tenant: draft.tenant, state: 'closed' }, GONE_MS);
  return me?.alias === undefined ? [socketId] : [socketId, me.alias];
}

/** What a room knows of its links, for a store that does not. */
export interface Known {
  epoch?: number | undefined;
  alias?: string | undefined;
  link?: Truth['link'] | undefined;
}

/**
 * A room looks whether what it knows still holds. A socket that is alive though it was taken for closed is open again,
 * without a link; one that the store has lost with all its data is put back.
 * @returns whether it had to be
 */
export function restore(draft: Draft, { socketId }: At, known: Known): boolean {
  const me = draft.socket(socketId);
  if (me && me.tenant !== draft.tenant)
    throw linkStale({ socketId, reason: 'another tenant has a socket of this id' });
  if (me?.state === 'open') return false;
  const { epoch, alias, link } = known;
  const record: SocketRecord = { tenant: draft.tenant, state: 'open' };
  if (epoch !== undefined) record.epoch = epoch;
  if (alias !== undefined && draft.alias(alias) === undefined) {
    draft.putAlias(alias, socketId);
    record.alias = alias;
  }
  if (!me && link && rejoins(draft, socketId, link)) record.link = link.id;
  draft.putSocket(socketId, record);
  return true;
}

function rejoins(
  draft: Draft,
  socketId: string,
  { id, peers, group, room }: Truth['link'] & object,
): boolean {
  const there = draft.link(id);
  if (there) return there.members.includes(socketId);
  draft.need(peers.map(socketKey));
  // those whose records are not back yet are taken at their peer's word
  const stay = peers.filter((peer) => {
    const record = draft.socket(peer);
    return !record || (record.state === 'open' && record.link === undefined && !record.unlinked);
  });
  const members = [...stay, socketId].sort();
  if (members.length === 1 && !group) return false;
  const named = group ? { group: group.name, size: group.size } : {};
  draft.putLink(id, { members, formed: true, ...named, ...(room ? { room } : {}) });
  return true;
}
