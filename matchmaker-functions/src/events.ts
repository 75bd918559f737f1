/** What happened to a socket, as Baton tells it: the CloudEvents attributes of the call, by the names studios use. */
export interface SocketEvent {
  /** `open`, `receive`, `close`, `linked` or `unlinked`; the part of `ce-type` after `baton.socket.`. */
  kind: string;
  /** `ce-id`. A repeated delivery carries the same one, so a function can be idempotent. */
  id: string;
  /** `ce-subject`: the socket the event is about. */
  socketId: string;
  /** `ce-playerid`: taken from the player's token by the service, never from the client's own words. */
  playerId: string;
  /** `ce-tenant`; empty when not given. */
  tenant: string;
  /** `ce-mapping`. */
  mapping: string;
  /** `ce-mappingversion`; 0 when not given. */
  mappingVersion: number;
  /** `ce-epoch`: rises by one with every move of the socket; 0 when not given. */
  epoch: number;
  /** `ce-sequence`: which call for this socket it is, from 1; 0 when not given. */
  sequence: number;
  /** `ce-attributes`: what earlier answers said should be kept on the socket; empty when nothing. */
  attributes: Record<string, unknown>;
  /** The body: parsed when its content type is JSON, otherwise the bytes as they came. */
  data: unknown;
}

/** What a client sent. */
export interface ReceiveEvent extends SocketEvent {
  /** Content type of the body: `text/plain` or `application/octet-stream`, unless the mapping says another. */
  contentType: string;
  /** The body as it came. */
  bytes: Uint8Array;
  /** The body as UTF-8 text. */
  readonly text: string;
}

/** The socket was linked with these. */
export interface LinkedEvent extends SocketEvent {
  data: { peers: string[] };
}

/** These are no longer its peers; it may have others. */
export interface UnlinkedEvent extends SocketEvent {
  data: { peers: string[] };
}

/** What a function answers, as far as it has something to say; nothing or `{}` leaves everything as it is. */
export interface Actions {
  /** Sent to the client at once, before anything else: text as it is, anything else as its JSON. */
  send?: unknown;
  /** Kept on the socket over what is there and passed to every later call; `null` takes one away. 4 KiB in all. */
  attributes?: Record<string, unknown>;
  /** Link with this socket, by id or alias; the service waits for it when it is not open yet. */
  peer?: string;
  /** Link with these. */
  peers?: string[];
  /** Link with whoever names this group, once `size` have come. */
  group?: string;
  size?: number;
  /** A name for this socket, unique while it is open. */
  alias?: string;
  /** End its link. */
  unlink?: true;
  /** Where linked sockets go on: a room of the studio's own. */
  room?: { name: string; options?: Record<string, unknown> };
  /** Close the socket with this code (4000 to 4999) and reason. */
  close?: { code: number; reason: string };
}

export interface OpenAnswer extends Actions {
  /** Refuse the player: the client's connection ends with this code (4000 to 4999) and reason. */
  reject?: { code: number; reason: string };
}

/** Actions, or what the client gets at once: text as a text message, bytes as a binary one. */
export type Answer<A extends Actions = Actions> = A | string | Uint8Array | undefined;
type Result<A> = A | Promise<A>;

export interface FunctionSet {
  /** Called when a player's socket opens. May be called again for the same socket when an answer got lost. */
  open(event: SocketEvent): Result<Answer<OpenAnswer>>;
  /** Called with what the client sent, one call after the other, on mappings that `forward` to an endpoint. */
  receive?(event: ReceiveEvent): Result<Answer>;
  /** Called when the socket was linked. */
  linked?(event: LinkedEvent): Result<Answer>;
  /** Called when a peer has left, or the link has ended. */
  unlinked?(event: UnlinkedEvent): Result<Answer>;
  /** Called once when a socket has closed, for whatever reason, after all other calls for it. */
  close?(event: SocketEvent): void | Promise<void>;
}

/** Why a call could not be understood; the adapter answers it with status 400. */
export class MalformedEvent extends Error {
  override readonly name = 'MalformedEvent';
}

const PREFIX = 'baton.socket.';
/** Longest id or name taken from a header, in characters once it is decoded. */
const LONGEST_ID = 256;

type Header = (name: string) => string | undefined;

/**
 * Reads a CloudEvents 1.0 call in binary mode (HTTP binding, section 3.1).
 *
 * @param header looks up a header by its lower-case name
 * @param body   the request's body, at most what the adapter accepts
 * @throws MalformedEvent naming the header or body that is wrong
 */
export function readEvent(header: Header, body: Uint8Array): SocketEvent {
  const required = (name: string) => {
    const value = header(name);
    if (!value) throw new MalformedEvent(`header ${name} is missing`);
    const decoded = decodeHeader(value, name);
    if (decoded.length > LONGEST_ID) throw new MalformedEvent(`header ${name} is longer than ${LONGEST_ID}`);
    return decoded;
  };
  const optional = (name: string) => (header(name) ? required(name) : '');

  const type = required('ce-type');
  if (!type.startsWith(PREFIX)) throw new MalformedEvent(`ce-type ${type} does not begin with ${PREFIX}`);
  const number = (name: string) => {
    const value = Number(header(name) ?? 0);
    if (!Number.isSafeInteger(value) || value < 0) throw new MalformedEvent(`${name} is not a whole number`);
    return value;
  };

  return {
    kind: type.slice(PREFIX.length),
    id: optional('ce-id'),
    socketId: required('ce-subject'),
    playerId: required('ce-playerid'),
    tenant: optional('ce-tenant'),
    mapping: optional('ce-mapping'),
    mappingVersion: number('ce-mappingversion'),
    epoch: number('ce-epoch'),
    sequence: number('ce-sequence'),
    attributes: readAttributes(header),
    data: readBody(header('content-type') ?? '', body),
  };
}

/** The body of a receive event as it came, beside what it was read as. */
export function asReceived(event: SocketEvent, contentType: string, bytes: Uint8Array): ReceiveEvent {
  return {
    ...event,
    contentType,
    bytes,
    get text() {
      return new TextDecoder().decode(bytes);
    },
  };
}

/** CloudEvents HTTP binding, section 3.1.3.2: values outside printable ASCII are percent-encoded. */
function decodeHeader(value: string, name: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    throw new MalformedEvent(`header ${name} is not percent-encoded UTF-8`);
  }
}

function readAttributes(header: Header): Record<string, unknown> {
  const name = 'ce-attributes';
  const value = header(name);
  if (!value) return {};
  const decoded = decodeHeader(value, name);
  try {
    const parsed: unknown = JSON.parse(decoded);
    if (parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new MalformedEvent(`header ${name} is no JSON object`);
}

function readBody(contentType: string, body: Uint8Array): unknown {
  if (body.byteLength === 0) return undefined;
  if (!/^application\/([\w.-]+\+)?json\b/i.test(contentType)) return body;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new MalformedEvent('the body is not the JSON its content type says it is');
  }
}
