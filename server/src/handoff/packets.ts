// One packet in, one packet out: sendmsg(2) and recvmsg(2) with SCM_RIGHTS (unix(7)). All structs live in memory of
// this file that never moves; the calls are synchronous, so one set of them serves every channel.

import { libc } from './libc.ts';
import { type Fd, native, pinned } from './native.ts';
import { HEADER_BYTES, MAX_PACKET, MAX_PACKET_FDS } from './wire.ts';

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_TRUNC = 0x20;
const MSG_CTRUNC = 0x08;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const CMSG_HEADER = 16;
const IOVEC = 16;

const message = pinned(56); // struct msghdr
const vectors = pinned(2 * IOVEC); // struct iovec[2]
const control = pinned(CMSG_HEADER + 4 * (MAX_PACKET_FDS + 1));
const incoming = pinned(MAX_PACKET);
/** The header of the packet that `sendPacket` sends next. */
export const outgoingHeader = pinned(HEADER_BYTES);

let addresses: { vectors: bigint; control: bigint; incoming: bigint; header: bigint } | undefined;
function addressesOf() {
  const { address } = native().koffi;
  return (addresses ??= {
    vectors: address(vectors),
    control: address(control),
    incoming: address(incoming),
    header: address(outgoingHeader),
  });
}

function prepare(vectorCount: number, controlBytes: number): void {
  const a = addressesOf();
  message.fill(0);
  message.writeBigUInt64LE(a.vectors, 16);
  message.writeBigUInt64LE(BigInt(vectorCount), 24);
  if (controlBytes > 0) {
    message.writeBigUInt64LE(a.control, 32);
    message.writeBigUInt64LE(BigInt(controlBytes), 40);
  }
}

function setVector(index: number, address: bigint, length: number): void {
  vectors.writeBigUInt64LE(address, index * IOVEC);
  vectors.writeBigUInt64LE(BigInt(length), index * IOVEC + 8);
}

/** Address of a Buffer off V8's heap, which what v8.serialize returns and `pinned` memory are. Hold on to the Buffer. */
export function addressOf(body: Buffer): bigint {
  return native().koffi.address(body);
}

/**
 * Sends `outgoingHeader`, `length` bytes at `address` and the descriptors `fds[from … from + count)` as one packet.
 * @returns 0, or a negative errno
 */
export function sendPacket(
  fd: Fd,
  address: bigint,
  length: number,
  fds: readonly Fd[],
  from: number,
  count: number,
): number {
  const c = native();
  let controlBytes = 0;
  if (count > 0) {
    const used = CMSG_HEADER + 4 * count;
    control.writeBigUInt64LE(BigInt(used), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    for (let i = 0; i < count; i++) control.writeInt32LE(fds[from + i]!, CMSG_HEADER + 4 * i);
    controlBytes = (used + 7) & ~7;
  }
  prepare(length > 0 ? 2 : 1, controlBytes);
  setVector(0, addressesOf().header, HEADER_BYTES);
  if (length > 0) setVector(1, address, length);
  return c.sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ? 0 : -c.koffi.errno();
}

export interface ReceivedPacket {
  /** The packet; shared memory, valid until the next `receivePacket`. */
  packet: Buffer;
  /** Descriptors that came with it: the caller's now. */
  fds: Fd[];
  /** The kernel cut off bytes or descriptors: those received are incomplete. */
  truncated: boolean;
}

/** @returns a packet, or 0 at the end of the connection, or a negative errno (`-libc.EAGAIN`: nothing there) */
export function receivePacket(fd: Fd): ReceivedPacket | number {
  const c = native();
  prepare(1, control.length);
  setVector(0, addressesOf().incoming, incoming.length);
  const bytes: number = c.recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (bytes < 0) return -c.koffi.errno();
  const fds = receivedDescriptors();
  const truncated = (message.readInt32LE(48) & (MSG_TRUNC | MSG_CTRUNC)) !== 0;
  // A packet of no bytes looks like the end of the connection; ours always have a header.
  if (bytes === 0 && fds.length === 0) return 0;
  return { packet: incoming.subarray(0, bytes), fds, truncated };
}

function receivedDescriptors(): Fd[] {
  const fds: Fd[] = [];
  const end = Number(message.readBigUInt64LE(40));
  for (let at = 0; at + CMSG_HEADER <= end; ) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < CMSG_HEADER) break;
    if (control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS) {
      for (let p = at + CMSG_HEADER; p + 4 <= at + length; p += 4) fds.push(control.readInt32LE(p));
    }
    at += (length + 7) & ~7;
  }
  return fds;
}

export function closeAll(fds: Iterable<Fd>): void {
  for (const fd of fds) libc.close(fd);
}
