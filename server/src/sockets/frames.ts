// The frames in which a client's data comes, looked at without decoding them, and those by which a connection goes to a
// room and back.
import { decode } from '@colyseus/schema';
import { unpack } from 'msgpackr';

/** First byte (core's Protocol): a message of any value, a message of bytes. What is sent to a client has the same form. */
const LEAVE_ROOM = 12;
const ROOM_DATA = 13;
const ROOM_DATA_BYTES = 17;

export const isData = (frame: Uint8Array): boolean => frame[0] === ROOM_DATA || frame[0] === ROOM_DATA_BYTES;

/** Type of the message by which a client enters a room: its last one to the socket. */
export const ENTER = 'enter';

/** Message types under which the service itself speaks to a client: a peer may not use them. */
const RESERVED = new Set(['linked', 'peer-drop', 'peer-back', 'peer-left', 'error', 'room', ENTER]);
const SHORTEST = 4;
/** Bytes of the longest of them, were each character spelt with four. */
const LONGEST = 36;

/** @returns the message's type if it is one of the service's */
export function reservedType(frame: Uint8Array): string | undefined {
  const length = typeLength(frame);
  if (length < SHORTEST || length > LONGEST) return undefined;
  const type = decode.string(frame as Buffer, { offset: 1 }); // exactly as the peer's SDK will read it
  return RESERVED.has(type) ? type : undefined;
}

/** Bytes of a message's type, 0 for a number. Strings as in msgpack, but with lengths in little-endian order. */
function typeLength(frame: Uint8Array): number {
  const head = frame[1] ?? 0;
  if (head > 0xa0 && head < 0xc0) return head & 0x1f;
  if (head === 0xd9) return frame[2] ?? 0;
  if (head === 0xda) return (frame[2] ?? 0) | ((frame[3] ?? 0) << 8);
  if (head === 0xdb) return (((frame[3] ?? 0) | (frame[4] ?? 0) | (frame[5] ?? 0)) > 0 ? 256 : frame[2]) ?? 0;
  return 0;
}

/** @returns id of the room that a message of the type `enter` is about */
export function enteredRoom(frame: Uint8Array): unknown {
  const at = { offset: 1 };
  decode.string(frame as Buffer, at);
  try {
    return frame[0] === ROOM_DATA ? unpack(frame.subarray(at.offset) as Buffer) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The last frame a client hears from a room: Colyseus' own for leaving, which it has no use for in this direction, and
 * close code (big-endian) and reason as in a close frame. Whatever follows is the socket's.
 */
export function leftFrame(code: number, reason: string): Buffer {
  return Buffer.concat([Buffer.of(LEAVE_ROOM, code >> 8, code & 0xff), Buffer.from(reason)]);
}

/** The client has heard that, and speaks to its socket again. One that leaves a room sends the first byte alone. */
export const isBack = (frame: Uint8Array): boolean =>
  frame.length === 2 && frame[0] === LEAVE_ROOM && frame[1] === 1;
