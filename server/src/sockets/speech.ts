// How the clients of hosted sockets speak: in Colyseus' frames, or in plain WebSocket messages. Data passes between
// clients of one kind as it came; between the two kinds it is translated here.
import { getMessageBytes, Protocol } from '@colyseus/core';
import { decode } from '@colyseus/schema';
import { unpack } from 'msgpackr';

/**
 * `colyseus`: frames of the unmodified SDK. `baton.v1`: data are text and binary messages; events of the service are
 * text messages that begin with U+0001 and go on with JSON, and data that begin with U+0001 get one more in front.
 * `baton.raw.v1`: data and close codes, nothing else.
 */
export type Speech = 'colyseus' | 'baton.v1' | 'baton.raw.v1';

/** Sub-protocols of plain clients, as they are offered and chosen in the handshake (RFC 6455 §1.9). */
export const PLAIN_SPEECH: ReadonlySet<string> = new Set<Speech>(['baton.v1', 'baton.raw.v1']);

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

/** An event of the service in baton.v1. */
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
