// What a function answers: actions as JSON, or data for the client. What is not known here is refused, not ignored.
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { MAX_MEMBERS } from '../link-size.ts';
import { MAX_NESTING, tooDeep } from '../nesting.ts';

const socketName = z.string().min(1).max(128);

/** What may be wanted of a socket's link, by a function or over the control API. */
export const wishFields = {
  /** The socket to link with, by its id or alias. */
  peer: socketName,
  /** The sockets to link with. */
  peers: z
    .array(socketName)
    .min(1)
    .max(MAX_MEMBERS - 1),
  /** The group to link with, which forms when `size` members have come. */
  group: socketName,
  size: z.number().int().min(2).max(MAX_MEMBERS),
  /** A name for this socket, unique in its tenant. */
  alias: socketName.optional(),
  /** Ends its link. */
  unlink: z.literal(true).optional(),
  /** The room of the studio's own that linked sockets enter. */
  room: z
    .strictObject({
      name: z.string().min(1).max(64),
      options: z.record(z.string(), z.unknown()).default({}),
    })
    .optional(),
};
const { peer, peers, group, size } = wishFields;

/** Where answers may be given: all events but `close`, whose answer does not matter. */
const actions = {
  /** Sent to the client at once: text as it is, anything else as its JSON. */
  send: z.unknown().optional(),
  /** Kept on the socket over what is there, passed to every later call; null takes one away. */
  attributes: z.record(z.string(), z.unknown()).optional(),
  ...wishFields,
  peer: peer.optional(),
  peers: peers.optional(),
  group: group.optional(),
  size: size.optional(),
  /** Ends the socket with this close code and reason. */
  close: z
    .strictObject({ code: z.number().int().min(4000).max(4999), reason: z.string().max(120) })
    .optional(),
};

const wishes = ({ peer, peers, group }: { peer?: unknown; peers?: unknown; group?: unknown }) =>
  [peer, peers, group].filter((wish) => wish !== undefined).length <= 1;
const sized = ({ group, size }: { group?: unknown; size?: unknown }) =>
  (group === undefined) === (size === undefined);
const ONE_WISH = 'expected only one of peer, peers and group';
const SIZED = 'group and size belong together';

export const replySchema = z.strictObject(actions).refine(wishes, ONE_WISH).refine(sized, SIZED);
export const openReplySchema = z
  .strictObject({
    ...actions,
    /** The player is turned away with this close code and reason. */
    reject: actions.close,
  })
  .refine(wishes, ONE_WISH)
  .refine(sized, SIZED);

export type Actions = z.infer<typeof openReplySchema>;

/** Data for a client, as it goes over the wire. */
export interface SocketMessage {
  data: Uint8Array;
  text: boolean;
}

/** A function's answer. Both are empty when it has nothing to say. */
export interface Reply {
  actions: Actions;
  message?: SocketMessage;
}

const NOTHING: Reply = Object.freeze({ actions: Object.freeze({}) });

/** Why an answer is of no use. */
export class InvalidReply extends Error {
  override readonly name = 'InvalidReply';
}

/**
 * Reads the body of an answer of success.
 * @param open whether it answers an open call
 * @throws InvalidReply
 */
export function readReply(contentType: string | undefined, body: Buffer, open: boolean): Reply {
  if (body.length === 0) return NOTHING;
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type === 'application/octet-stream') return { actions: {}, message: { data: body, text: false } };
  if (type === 'text/plain') {
    if (!isUtf8(body)) throw new InvalidReply('it answered with text that is not UTF-8');
    return { actions: {}, message: { data: body, text: true } };
  }
  if (type !== '' && type !== 'application/json') {
    throw new InvalidReply(
      'it answered with none of application/json, application/octet-stream and text/plain',
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw new InvalidReply('it answered with something that is not JSON');
  }
  if (isEmpty(json)) return NOTHING;
  if (tooDeep(json)) throw new InvalidReply(`its answer is nested more than ${MAX_NESTING} levels deep`);
  const parsed = (open ? openReplySchema : replySchema).safeParse(json);
  if (parsed.success) return { actions: parsed.data };
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? `${issue.path.join('.')}: ` : '';
  throw new InvalidReply(`its answer is invalid: ${where}${issue?.message ?? ''}`);
}

const isEmpty = (json: unknown): boolean => {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return false;
  for (const _ in json) return false;
  return true;
};
