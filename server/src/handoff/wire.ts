// The packets of a channel as pure data: 32 bytes of header, little-endian, then at most 65,504 bytes of payload.
//
//   0  u32 magic      4  u8 version   5  u8 type   6  u16 descriptors in this packet
//   8  u32 message   12  u32 bytes of the whole message    16  u32 descriptors of the whole message
//  20  u32 offset    24  u32 bytes in this packet          28  u32 zero
//
// An acknowledgement carries the number of packets received so far (48 bits) in the fields at 8 and 12.

import { handoffProtocol } from '../errors.ts';

export const VERSION = 1;
export const HEADER_BYTES = 32;
export const MAX_PACKET = 65_536;
export const MAX_CHUNK = MAX_PACKET - HEADER_BYTES;
/** SCM_MAX_FD of Linux: a packet with more is refused by the kernel. */
export const MAX_PACKET_FDS = 253;
/** Far more than a process may have open; keeps a broken length from being believed. */
export const MAX_MESSAGE_FDS = 1 << 20;
const MAGIC = 0x4e_4f_54_42; // "BTON"

/** Packet types. `hello` opens a connection; `abort` takes back a message that was not sent completely. */
export const TYPE = { hello: 1, call: 2, answer: 3, failure: 4, abort: 5, ack: 6 } as const;
export type PacketType = (typeof TYPE)[keyof typeof TYPE];

export interface Header {
  type: PacketType;
  /** Descriptors in this packet. */
  fds: number;
  id: number;
  totalBytes: number;
  totalFds: number;
  offset: number;
  /** Bytes of payload in this packet. */
  length: number;
}

export function writeHeader(into: Buffer, h: Header): void {
  into.writeUInt32LE(MAGIC, 0);
  into[4] = VERSION;
  into[5] = h.type;
  into.writeUInt16LE(h.fds, 6);
  into.writeUInt32LE(h.id, 8);
  into.writeUInt32LE(h.totalBytes, 12);
  into.writeUInt32LE(h.totalFds, 16);
  into.writeUInt32LE(h.offset, 20);
  into.writeUInt32LE(h.length, 24);
  into.writeUInt32LE(0, 28);
}

/** @param packets received since the connection was opened, acknowledgements not counted */
export function writeAck(into: Buffer, packets: number): void {
  writeHeader(into, { type: TYPE.ack, fds: 0, id: 0, totalBytes: 0, totalFds: 0, offset: 0, length: 0 });
  into.writeUIntLE(packets, 8, 6);
}

export function readAck(packet: Buffer): number {
  return packet.readUIntLE(8, 6);
}

/**
 * @param packet the whole packet
 * @param fds    descriptors that came with it
 * @throws handoffProtocol when any field contradicts another, the packet or the limits
 */
export function readHeader(packet: Buffer, fds: number): Header {
  if (packet.length < HEADER_BYTES) throw malformed(`a packet of ${packet.length} bytes`);
  if (packet.readUInt32LE(0) !== MAGIC) throw malformed('it does not begin with the magic number');
  if (packet[4] !== VERSION) throw malformed(`version ${packet[4]}, expected ${VERSION}`);
  const h: Header = {
    type: packet[5] as PacketType,
    fds: packet.readUInt16LE(6),
    id: packet.readUInt32LE(8),
    totalBytes: packet.readUInt32LE(12),
    totalFds: packet.readUInt32LE(16),
    offset: packet.readUInt32LE(20),
    length: packet.readUInt32LE(24),
  };
  if (h.type < TYPE.hello || h.type > TYPE.ack) throw malformed(`packet type ${h.type}`);
  if (packet.readUInt32LE(28) !== 0) throw malformed('the reserved field is not zero');
  if (h.fds !== fds) throw malformed(`${fds} descriptors came with a packet of ${h.fds}`);
  if (h.length !== packet.length - HEADER_BYTES)
    throw malformed(`${packet.length} bytes came for a chunk of ${h.length}`);
  if (h.type === TYPE.ack) {
    if (h.totalBytes > 0xffff || h.totalFds || h.offset || h.length || fds)
      throw malformed('an acknowledgement with payload');
    return h;
  }
  checkMessage(h);
  return h;
}

function checkMessage(h: Header): void {
  if (h.id === 0) throw malformed('message number 0');
  if (h.type === TYPE.abort) {
    if (h.totalBytes || h.totalFds || h.offset || h.length || h.fds) throw malformed('an abort with payload');
    return;
  }
  if (h.totalBytes === 0) throw malformed('an empty message');
  if (h.offset + h.length > h.totalBytes)
    throw malformed(`a chunk at ${h.offset} ends after the message's ${h.totalBytes} bytes`);
  if (h.totalFds > MAX_MESSAGE_FDS) throw malformed(`a message of ${h.totalFds} descriptors`);
  if (h.fds > h.totalFds) throw malformed(`${h.fds} descriptors in a message of ${h.totalFds}`);
  if (h.length === 0 && h.fds === 0) throw malformed('a packet that carries nothing');
  if (h.type !== TYPE.call && h.totalFds > 0) throw malformed('descriptors in a message that may have none');
}

export function malformed(reason: string) {
  return handoffProtocol({ reason });
}
