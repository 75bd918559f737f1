// What the store keeps of links. A socket's record says which link it is in, a link's record who its members are; they
// change together, in one commit, so the two never disagree. The others are ways to find a socket by what it is called.
import { z } from 'zod';

/** Sockets that may wait for the same one. */
export const MAX_WAITING = 64;

const roomSchema = z.object({
  name: z.string(),
  options: z.unknown().optional(),
  /** The room, once it is made. */
  id: z.string().optional(),
});

export const socketSchema = z.object({
  tenant: z.string(),
  /** `closed` is kept for a while, so that nobody waits for it. */
  state: z.enum(['open', 'closed']),
  /** Epoch of the owner that wrote last; one of an older epoch may not write. */
  epoch: z.number().optional(),
  alias: z.string().optional(),
  /** It waits for these, ids or aliases, all of them; Date.now() ms. */
  want: z
    .object({
      names: z.array(z.string()),
      until: z.number(),
      /** Those of them under which it is on the list of who waits. */
      listed: z.array(z.string()),
      room: roomSchema.optional(),
    })
    .optional(),
  /** The link it is in; also that of a group that still lacks members. */
  link: z.string().optional(),
  /** It waits for its group until then. */
  until: z.number().optional(),
  /** Why the wait came to nothing, until the next one. */
  failed: z.object({ code: z.string(), message: z.string() }).optional(),
  /** It was unlinked, rather than left. */
  unlinked: z.literal(true).optional(),
});
export type SocketRecord = z.infer<typeof socketSchema>;

export const linkSchema = z.object({
  members: z.array(z.string()),
  /** Its members are peers; `false` while a group lacks members. */
  formed: z.boolean(),
  group: z.string().optional(),
  size: z.number().optional(),
  /** The room its members are to get; the first one named counts. */
  room: roomSchema.optional(),
});
export type LinkRecord = z.infer<typeof linkSchema>;

/** Who waits for a socket that is not open, first come first. */
export const waitingSchema = z.array(z.object({ by: z.string(), until: z.number() }));
export type Waiting = z.infer<typeof waitingSchema>;

/** Ids of sockets are unique in the store; the record names the tenant. */
export const socketKey = (socketId: string) => `socket:${socketId}`;
export const linkKey = (tenant: string, linkId: string) => `link:${tenant}:${linkId}`;
export const aliasKey = (tenant: string, alias: string) => `alias:${tenant}:${alias}`;
/** @param name id or alias of the awaited socket */
export const waitingKey = (tenant: string, name: string) => `want:${tenant}:${name}`;
/** Ids of other links have no slash. */
export const groupLink = (group: string) => `group/${group}`;

/** What a function, or the control API, wants of a socket's links. */
export interface Wish {
  /** Ids or aliases. */
  peers?: string[];
  group?: { name: string; size: number };
  alias?: string;
  /** First leave the link there is. */
  unlink?: boolean;
  /** What the peers get when they are linked. */
  room?: z.infer<typeof roomSchema>;
  /** The link's room that everybody has left: another one may take its place. */
  past?: string;
}

/** The part of a function's answer, or of a request, that is about links. */
export interface LinkActions {
  peer?: string | undefined;
  peers?: string[] | undefined;
  group?: string | undefined;
  size?: number | undefined;
  alias?: string | undefined;
  unlink?: boolean | undefined;
  room?: Wish['room'] | undefined;
}

export function wishOf({ peer, peers, group, size, alias, unlink, room }: LinkActions): Wish {
  const wish: Wish = {};
  if (peer !== undefined) wish.peers = [peer];
  if (peers !== undefined) wish.peers = peers;
  if (group !== undefined && size !== undefined) wish.group = { name: group, size };
  if (alias !== undefined) wish.alias = alias;
  if (unlink) wish.unlink = true;
  if (room) wish.room = { name: room.name, options: room.options };
  return wish;
}

/** How it stands with a socket's links, as its room is told: derived from the records, and as old as they are. */
export interface Truth {
  version: number;
  link?: {
    id: string;
    peers: string[];
    group?: { name: string; size: number };
    room?: z.infer<typeof roomSchema>;
  };
  /** It waits for somebody. */
  wait?: { until: number; peers?: string[]; group?: { name: string; size: number } };
  alias?: string;
  failed?: { code: string; message: string };
  unlinked?: boolean;
}
