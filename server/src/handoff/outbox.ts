// What waits to be sent on one channel. Messages take turns packet by packet, so that a large one holds up a small
// one by a packet each, and a message counts as delivered when the peer has acknowledged its last packet.

import { libc } from './libc.ts';
import type { Fd } from './native.ts';
import { MAX_CHUNK, MAX_PACKET_FDS, malformed, type PacketType, TYPE, writeHeader } from './wire.ts';

/** Packets that may be on their way without an acknowledgement: at most 64 MiB in the peer's hands. */
export const WINDOW = 1024;
/** Packets sent in one go, before other work of the process gets its turn. */
const BURST = 8;
const EBADF = 9;
const ENOBUFS = 105;
const ENOMEM = 12;

export interface Outgoing {
  readonly type: PacketType;
  readonly id: number;
  readonly body: Buffer;
  /** Where `body` is in memory. */
  readonly address: bigint;
  /** Stay open and the caller's until the message is delivered. */
  readonly fds: readonly Fd[];
}

interface Turn extends Outgoing {
  offset: number;
  fdOffset: number;
  packets: number;
}

/** Sends the packet whose header is in `header`. @returns 0 or a negative errno */
export type SendPacket = (
  address: bigint,
  length: number,
  fds: readonly Fd[],
  from: number,
  count: number,
) => number;

/**
 * How a `pump` ended: everything is out; the socket takes no more now; acknowledgements must come first; the kernel
 * is short of something and says nothing when that ends; the burst is used up; or the connection failed.
 */
export type Pumped = 'idle' | 'full' | 'window' | 'retry' | 'more' | { errno: number };

/** What was left of a message that was taken out: nothing sent, a part sent (an abort follows), all sent, or unknown. */
export type Removed = 'unsent' | 'partial' | 'sent' | 'absent';

export class Outbox {
  readonly #header: Buffer;
  readonly #send: SendPacket;
  readonly #badDescriptor: (id: number) => void;
  #ring: Turn[] = [];
  #next = 0;
  #sent = 0;
  #acknowledged = 0;
  #queuedBytes = 0;
  /** Messages sent completely, by the number of their last packet, oldest first. */
  #unacknowledged: { id: number; lastPacket: number }[] = [];

  constructor(header: Buffer, send: SendPacket, badDescriptor: (id: number) => void) {
    this.#header = header;
    this.#send = send;
    this.#badDescriptor = badDescriptor;
  }

  /** Bytes not given to the kernel yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get idle(): boolean {
    return this.#ring.length === 0;
  }

  add(message: Outgoing): void {
    this.#queuedBytes += message.body.length;
    this.#ring.push({ ...message, offset: 0, fdOffset: 0, packets: 0 });
  }

  pump(): Pumped {
    for (let burst = 0; this.#ring.length > 0; burst++) {
      if (burst === BURST) return 'more';
      if (this.#sent - this.#acknowledged >= WINDOW) return 'window';
      if (this.#next >= this.#ring.length) this.#next = 0;
      const turn = this.#ring[this.#next]!;
      const errno = -this.#sendPart(turn);
      if (errno === 0) continue;
      if (errno === libc.EAGAIN) return 'full';
      if (errno === libc.ETOOMANYREFS || errno === ENOBUFS || errno === ENOMEM) return 'retry';
      if (errno !== EBADF || turn.fds.length === 0) return { errno };
      // A descriptor of this message is not open: its sender's mistake, nothing of the connection's.
      this.remove(turn.id);
      this.#badDescriptor(turn.id);
    }
    return 'idle';
  }

  #sendPart(turn: Turn): number {
    const length = Math.min(MAX_CHUNK, turn.body.length - turn.offset);
    const count = Math.min(MAX_PACKET_FDS, turn.fds.length - turn.fdOffset);
    writeHeader(this.#header, {
      type: turn.type,
      fds: count,
      id: turn.id,
      totalBytes: turn.body.length,
      totalFds: turn.fds.length,
      offset: turn.offset,
      length,
    });
    const result = this.#send(turn.address + BigInt(turn.offset), length, turn.fds, turn.fdOffset, count);
    if (result < 0) return result;
    this.#sent += 1;
    this.#queuedBytes -= length;
    turn.packets += 1;
    turn.offset += length;
    turn.fdOffset += count;
    if (turn.offset < turn.body.length || turn.fdOffset < turn.fds.length) {
      this.#next += 1;
    } else {
      this.#ring.splice(this.#next, 1);
      if (turn.type !== TYPE.abort) this.#unacknowledged.push({ id: turn.id, lastPacket: this.#sent });
    }
    return 0;
  }

  /** @returns the messages delivered by this @throws handoffProtocol for a number that cannot be */
  acknowledge(packets: number): number[] {
    if (packets > this.#sent || packets < this.#acknowledged) {
      throw malformed(`${packets} packets acknowledged of ${this.#sent}, after ${this.#acknowledged}`);
    }
    this.#acknowledged = packets;
    const waiting = this.#unacknowledged.findIndex((m) => m.lastPacket > packets);
    return this.#unacknowledged
      .splice(0, waiting < 0 ? this.#unacknowledged.length : waiting)
      .map((m) => m.id);
  }

  /** Sends no more of a message; if the peer has a part of it, it is told to drop that. */
  remove(id: number): Removed {
    const index = this.#ring.findIndex((turn) => turn.id === id && turn.type !== TYPE.abort);
    if (index < 0) return this.#unacknowledged.some((m) => m.id === id) ? 'sent' : 'absent';
    const [turn] = this.#ring.splice(index, 1) as [Turn];
    if (index < this.#next) this.#next -= 1;
    this.#queuedBytes -= turn.body.length - turn.offset;
    if (turn.packets === 0) return 'unsent';
    this.#ring.push({
      type: TYPE.abort,
      id,
      body: EMPTY,
      address: 0n,
      fds: [],
      offset: 0,
      fdOffset: 0,
      packets: 0,
    });
    return 'partial';
  }
}

const EMPTY = Buffer.alloc(0);
