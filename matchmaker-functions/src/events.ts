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
  /** `ce-tenant`; empty when the service runs for one studio only. */
  tenant: string;
  /** `ce-mapping`. */
  mapping: string;
  /** `ce-epoch`: rises by one with every move of the socket; 0 when not given. */
  epoch: number;
  /** `ce-sequence`: which call for this socket it is, from 1; 0 when not given. */
  sequence: number;
  /** The body: parsed when its content type is JSON, otherwise the bytes as they came. */
  data: unknown;
}

/** What an open function answers. Nothing or `{}` leaves the socket open and unlinked. */
export interface OpenAnswer {
  /** Link with this socket; the service waits for it when it is not open yet. */
  peer?: string;
  /** Refuse the player: the client's connection ends with this code (4000 to 4999) and reason. */
  reject?: { code: number; reason: string };
  /** Sent to the client at once, before anything else. */
  send?: unknown;
  /** Kept on the socket and passed to every later call. */
  attributes?: Record<string, unknown>;
}

export interface FunctionSet {
  /** Called when a player's socket opens. May be called again for the same socket when an answer got lost. */
  open(event: SocketEvent): OpenAnswer | undefined | Promise<OpenAnswer | undefined>;
  /** Called once when a socket has closed, for whatever reason. */
  close?(event: SocketEvent): void | Promise<void>;
}

/** Why a call could not be understood; the adapter answers it with status 400. */
export class MalformedEvent extends Error {
  override readonly name = 'MalformedEvent';
}

const PREFIX = 'baton.socket.';
/** Longest id or name taken from a header, in characters once it is decoded. */
const LONGEST_ID = 256;

/**
 * Reads a CloudEvents 1.0 call in binary mode (HTTP binding, section 3.1).
 *
 * @param header looks up a header by its lower-case name
 * @param body   the request's body, at most what the adapter accepts
 * @throws MalformedEvent naming the header or body that is wrong
 */
export function readEvent(header: (name: string) => string | undefined, body: Uint8Array): SocketEvent {
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
    epoch: number('ce-epoch'),
    sequence: number('ce-sequence'),
    data: readBody(header('content-type') ?? '', body),
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

function readBody(contentType: string, body: Uint8Array): unknown {
  if (body.byteLength === 0) return undefined;
  if (!/^application\/([\w.-]+\+)?json\b/i.test(contentType)) return body;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new MalformedEvent('the body is not the JSON its content type says it is');
  }
}
