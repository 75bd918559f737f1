// The frames in which a Colyseus client's data comes, looked at without decoding them.
import { decode } from '@colyseus/schema';

/** First byte (core's Protocol): a message of any value, a message of bytes. What is sent to a client has the same form. */
const ROOM_DATA = 13;
const ROOM_DATA_BYTES = 17;

export const isData = (frame: Uint8Array): boolean => frame[0] === ROOM_DATA || frame[0] === ROOM_DATA_BYTES;

/** Message types under which the service itself speaks to a client: a peer may not use them. */
const RESERVED = new Set(['linked', 'peer-drop', 'peer-back', 'peer-left', 'error', 'room']);
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
