// How the clients of hosted sockets speak: in Colyseus' frames, or in plain WebSocket messages. Data passes between
// clients of one kind as it came; between the two kinds it is translated here.
import { getMessageBytes, Protocol } from '@colyseus/core';
import { decode } from '@colyseus/schema';
import { unpack } from 'msgpackr';
import { z } from 'zod';

/**
 * `colyseus`: frames of the unmodified SDK. `baton.v1`: data are text and binary messages; events of the service are
 * text messages that begin with U+0001 and go on with JSON, and data that begin with U+0001 get one more in front.
 * `baton.raw.v1`: data and close codes, nothing else. `baton.resume.v1`: as `baton.v1`, and the client says things to the
 * service in the same form, too; both count what they hear, so that it goes on with another connection.
 */
export type Speech = 'colyseus' | 'baton.v1' | 'baton.raw.v1' | 'baton.resume.v1';

/** Sub-protocols of plain clients, as they are offered and chosen in the handshake (RFC 6455 §1.9). */
export const PLAIN_SPEECH: ReadonlySet<string> = new Set<Speech>([
  'baton.resume.v1',
  'baton.v1',
  'baton.raw.v1',
]);

/** Whose clients hear events as text. */
export const hearsEvents = (speech: Speech): boolean => speech === 'baton.v1' || speech === 'baton.resume.v1';
/** Whose clients can enter the room of their link on the connection that they have. */
export const entersRooms = (speech: Speech): boolean => speech === 'colyseus' || speech === 'baton.resume.v1';

const RESUME_VERSIONS = /^baton\.resume\.v(\d{1,6})$/;
/** The version of `baton.resume` that is spoken here. */
const RESUME_VERSION = 1;

/**
 * Which other version of `baton.resume` a client speaks, when it speaks none that is known here.
 * @returns what it offered, and which side is the older one
 */
export function otherVersion(offered: Iterable<string>): { protocol: string; newer: boolean } | undefined {
  for (const protocol of offered) {
    const version = RESUME_VERSIONS.exec(protocol)?.[1];
    if (version !== undefined) return { protocol, newer: Number(version) > RESUME_VERSION };
  }
  return undefined;
}

/** What a client said, or is to hear. The bytes may be lent: valid until the next turn only. */
export interface SocketMessage {
  data: Uint8Array;
  /** Whether `data` is UTF-8 text. */
  text: boolean;
}

/** How bytes on their way between clients are to be read. */
export const Form = {
  /** A whole frame of Colyseus' protocol. */
  colyseus: 0,
  text: 1,
  binary: 2,
} as const;
export type Form = (typeof Form)[keyof typeof Form];

const EVENT = 0x01;
const EVENT_MARK = Buffer.of(EVENT);
/** The message type under which plain clients' data travels in Colyseus' frames. */
const DATA_TYPE = 'data';

/** A text message of baton.v1: data, or what is said to the service. */
export function isForService(bytes: Uint8Array): boolean {
  return bytes[0] === EVENT && bytes[1] !== EVENT;
}

/** Text data as baton.v1 sends it. */
export function marked(text: Uint8Array): Uint8Array {
  return text[0] === EVENT ? Buffer.concat([EVENT_MARK, text]) : text;
}

/** The data in a text message of baton.v1 that is not for the service. */
export function unmarked(bytes: Uint8Array): Uint8Array {
  return bytes[0] === EVENT ? bytes.subarray(1) : bytes;
}

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const controlSchema = z.union([
  /** So many messages were heard; with `ask`, the same is to be said of the client's. */
  z.strictObject({ ack: count, ask: z.literal(true).optional() }),
  /** The next message is a request, under this number. */
  z.strictObject({ request: count }),
  /** The client enters the room in which it has this seat, and says nothing more before it is back. */
  z.strictObject({ enter: z.string().max(64) }),
  /** It has heard that it is out of the room. */
  z.strictObject({ back: z.literal(true) }),
]);
type Control = z.infer<typeof controlSchema>;

/** What a client of baton.resume.v1 says to the service. @returns undefined for what is not understood */
export function controlIn(bytes: Uint8Array): Control | undefined {
  try {
    return controlSchema.safeParse(JSON.parse(Buffer.from(bytes.subarray(1)).toString())).data;
  } catch {
    return undefined;
  }
}

/** An event of the service to a plain client. */
export function eventText(event: string, payload: object): Buffer {
  return Buffer.from(`\u0001${JSON.stringify({ event, ...payload })}`);
}

/** @returns undefined when the frame is of another type than `data`, or broken: plain clients cannot hear it */
export function fromColyseus(frame: Uint8Array): SocketMessage | undefined {
  try {
    return dataIn(frame);
  } catch {
    return undefined; // no msgpack, or what JSON cannot say
  }
}

function dataIn(frame: Uint8Array): SocketMessage | undefined {
  const at = { offset: 1 };
  if (!decode.stringCheck(frame as Buffer, at)) return undefined;
  if (decode.string(frame as Buffer, at) !== DATA_TYPE) return undefined;
  const rest = frame.subarray(at.offset);
  if (frame[0] === Protocol.ROOM_DATA_BYTES) return { data: rest, text: false };
  const value: unknown = rest.length > 0 ? unpack(rest as Buffer) : undefined;
  if (value instanceof Uint8Array) return { data: value, text: false };
  return { data: Buffer.from(typeof value === 'string' ? value : (JSON.stringify(value) ?? '')), text: true };
}

/** Plain data as a Colyseus client hears it: a message `data` of a string, or of bytes. */
export function toColyseus(data: Uint8Array, text: boolean): Uint8Array {
  const { buffer, byteOffset, byteLength } = data;
  return frameOf(DATA_TYPE, text ? Buffer.from(buffer, byteOffset, byteLength).toString('utf8') : data);
}

/** A message as `client.send()` and `client.sendBytes()` make it. */
export function frameOf(type: string, value: unknown): Uint8Array {
  return value instanceof Uint8Array
    ? getMessageBytes.raw(Protocol.ROOM_DATA_BYTES, type, undefined, value)
    : getMessageBytes.raw(Protocol.ROOM_DATA, type, value);
}
