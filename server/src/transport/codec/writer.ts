// Server frames (RFC 6455 §5.2): never masked, never fragmented, header and payload in one piece.

import { MAX_CLOSE_REASON } from './protocol.ts';

const FIN = 0x80;

/** Bytes of the header of an unmasked frame with `length` bytes of payload. */
export function headerSize(length: number): 2 | 4 | 10 {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

/** Writes the header at `at`. @returns where the payload begins */
export function putHeader(target: Buffer, at: number, opcode: number, length: number): number {
  target[at] = FIN | opcode;
  if (length < 126) {
    target[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    target[at + 1] = 126;
    target[at + 2] = length >>> 8;
    target[at + 3] = length & 0xff;
    return at + 4;
  }
  target[at + 1] = 127;
  target.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
  target.writeUInt32BE(length >>> 0, at + 6);
  return at + 10;
}

/** One whole frame in a buffer of its own. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerSize(payload.byteLength) + payload.byteLength);
  frame.set(payload, putHeader(frame, 0, opcode, payload.byteLength));
  return frame;
}

/** Payload of a close frame; empty without a code (RFC 6455 §5.5.1). @throws RangeError for a reason over 123 bytes */
export function closePayload(code?: number, reason: string | Uint8Array = ''): Buffer {
  if (code === undefined) return Buffer.alloc(0);
  const text = Buffer.from(reason);
  if (text.length > MAX_CLOSE_REASON) {
    throw new RangeError(`a close reason has at most ${MAX_CLOSE_REASON} bytes, this one has ${text.length}`);
  }
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code);
  text.copy(payload, 2);
  return payload;
}
