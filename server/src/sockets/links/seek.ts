// How sockets find each other: pure decisions over records. A link is formed when all that one socket named are open,
// and none of them is linked, or waits for, anybody outside.
import { linkForeign, linkGone, linkSelf, linkTaken } from '../../errors.ts';
import type { Draft } from './draft.ts';
import {
  aliasKey,
  type LinkRecord,
  MAX_WAITING,
  type SocketRecord,
  socketKey,
  waitingKey,
} from './records.ts';

/** A wish outlives its waiting time a little, so that whoever waits hears of the end from its own timer. */
const GRACE_MS = 1_000;

export interface At {
  socketId: string;
  /** Date.now() ms. */
  now: number;
  /** Id of the link, should one be made. */
  newLink: string;
}

export const socketTaken = (peer: string, reason: string) =>
  linkTaken({ what: `Socket ${peer}`, peer, reason });

/**
 * The socket that a name stands for in this tenant: its id, else its alias.
 * @throws BATON_LINK_GONE for a socket of another tenant
 */
function resolve(draft: Draft, name: string, by: string): string | undefined {
  const named = draft.socket(name);
  if (named?.tenant === draft.tenant) return name;
  const aliased = draft.alias(name);
  if (aliased !== undefined) return aliased;
  if (named) throw linkGone({ peer: name }, linkForeign({ peer: name, socketId: by }));
  return undefined;
}

/**
 * Links a socket with those it wants, or puts it on the lists of those that are not open.
 * @returns whether they are linked now
 * @throws BATON_LINK_SELF, BATON_LINK_GONE, BATON_LINK_TAKEN
 */
export function seek(draft: Draft, at: At): boolean {
  const me = draft.socket(at.socketId)!;
  const { names } = me.want!;
  draft.need(names.flatMap((name) => [socketKey(name), aliasKey(draft.tenant, name)]));
  const found = names.map((name) => [name, resolve(draft, name, at.socketId)] as const);
  const missing = found.filter(([, peer]) => peer === undefined).map(([name]) => name);
  const peers = found.flatMap(([, peer]) => peer ?? []);
  if (peers.includes(at.socketId)) throw linkSelf({ socketId: at.socketId });
  draft.need(peers.map(socketKey));
  const members = new Map([at.socketId, ...peers].map((id) => [id, draft.socket(id)!]));
  const inside = new Set([...members].flatMap(([id, { alias }]) => [id, alias]));
  let later = missing.length > 0;
  for (const peer of peers) {
    const record = members.get(peer);
    if (!record || record.state === 'closed') throw linkGone({ peer });
    if (isLinked(draft, record)) throw socketTaken(peer, 'it is linked');
    const wanted = record.want?.names;
    if (record.until !== undefined) throw socketTaken(peer, 'it waits for a group');
    if (!wanted || wanted.every((name) => inside.has(name))) continue;
    // it wants this one among others: whoever comes last makes the link
    if (!wanted.some((name) => name === at.socketId || name === me.alias))
      throw socketTaken(peer, 'it waits for another one');
    later = true;
  }
  if (later) wait(draft, at, missing);
  else form(draft, at, [...members.keys()], me.want!.room);
  return !later;
}

export function isLinked(draft: Draft, record: SocketRecord): boolean {
  const link = record.link === undefined ? undefined : draft.link(record.link);
  return link?.formed === true && link.members.length > 1;
}

function wait(draft: Draft, { socketId, now }: At, missing: string[]): void {
  const me = draft.socket(socketId)!;
  const want = me.want!;
  draft.need([...want.listed, ...missing].map((name) => waitingKey(draft.tenant, name)));
  for (const name of want.listed) if (!missing.includes(name)) unlist(draft, socketId, name, now);
  for (const name of missing) {
    const waiting = draft.waiting(name).filter(({ until }) => until > now);
    if (waiting.some(({ by }) => by === socketId)) continue;
    if (waiting.length >= MAX_WAITING) throw socketTaken(name, `${MAX_WAITING} others wait for it`);
    draft.putWaiting(name, [...waiting, { by: socketId, until: want.until + GRACE_MS }], now);
  }
  draft.putSocket(socketId, { ...me, want: { ...want, listed: missing } });
}

function form(draft: Draft, at: At, members: string[], room: LinkRecord['room']): void {
  const listed = members.flatMap((member) => draft.socket(member)!.want?.listed ?? []);
  draft.need(listed.map((name) => waitingKey(draft.tenant, name)));
  for (const member of members) {
    cancel(draft, member, at.now);
    const { tenant, state, epoch, alias } = draft.socket(member)!;
    draft.putSocket(member, { tenant, state, epoch, alias, link: at.newLink });
  }
  draft.putLink(at.newLink, { members, formed: true, ...(room ? { room } : {}) });
}

function unlist(draft: Draft, socketId: string, name: string, now: number): void {
  const waiting = draft.waiting(name);
  draft.putWaiting(
    name,
    waiting.filter(({ by, until }) => by !== socketId && until > now),
    now,
  );
}

/** A socket waits no more, neither for others nor for a group, nor keeps its place in one whose others have left. */
export function cancel(draft: Draft, socketId: string, now: number): void {
  const me = draft.socket(socketId)!;
  draft.need((me.want?.listed ?? []).map((name) => waitingKey(draft.tenant, name)));
  for (const name of me.want?.listed ?? []) unlist(draft, socketId, name, now);
  if (me.want) draft.putSocket(socketId, { ...me, want: undefined });
  if (me.link !== undefined && !isLinked(draft, me)) leave(draft, socketId);
}

/** A socket is in no link any more. A link of one ends with it, unless others may come to its group. */
export function leave(draft: Draft, socketId: string): void {
  const me = draft.socket(socketId)!;
  const linkId = me.link;
  if (linkId === undefined) return;
  draft.putSocket(socketId, { ...me, link: undefined, until: undefined });
  removeFrom(draft, linkId, socketId);
}

export function removeFrom(draft: Draft, linkId: string, socketId: string): void {
  const link = draft.link(linkId);
  if (!link?.members.includes(socketId)) return;
  const members = link.members.filter((member) => member !== socketId);
  if (members.length > 1 || (members.length === 1 && link.group !== undefined)) {
    draft.putLink(linkId, { ...link, members });
    return;
  }
  draft.putLink(linkId, undefined);
  for (const member of members) {
    const record = draft.socket(member);
    if (record?.link === linkId) draft.putSocket(member, { ...record, link: undefined });
  }
}
