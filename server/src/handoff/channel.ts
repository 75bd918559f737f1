// One connection between two processes: packets of a Unix socket become whole messages both ways.
//
// What "delivered" means: a call is passed on only after the kernel took its acknowledgement, and whoever gives up on
// a call shuts the socket down before looking for that acknowledgement a last time. The kernel orders the two, so both
// ends agree: either the sender sees the acknowledgement, or the receiver never passes the call on.

import { BatonError } from '../errors.ts';
import { Inbox, type Message, type Refusal } from './inbox.ts';
import { libc } from './libc.ts';
import { errnoName, type Fd } from './native.ts';
import { Outbox, type Outgoing, type Removed } from './outbox.ts';
import { closeAll, outgoingHeader, type ReceivedPacket, receivePacket, sendPacket } from './packets.ts';
import type { Wait } from './waits.ts';
import { malformed, type PacketType, readAck, readHeader, TYPE, writeAck } from './wire.ts';

/** The caller opened the connection and gets answers; the callee gets calls. */
export type Role = 'caller' | 'callee';

const EXPECTED: Record<Role, ReadonlySet<PacketType>> = {
  caller: new Set<PacketType>([TYPE.answer, TYPE.failure, TYPE.abort]),
  callee: new Set<PacketType>([TYPE.hello, TYPE.call, TYPE.abort]),
};
/** Packets read in one go (512 KiB), before other work of the process gets its turn. */
const READ_BURST = 8;
const RETRY_MS = 5;
/** What the kernel holds (it doubles the number) delays every message behind it; more of it made nothing faster. */
const SEND_BUFFER = 100 << 10;
const NONE: readonly Fd[] = [];

export interface ChannelEvents {
  /** A whole message; its descriptors are the receiver's. */
  message(message: Message): void;
  /** A message over the limit is being thrown away. */
  refused(refusal: Refusal): void;
  /** The peer's process has the whole message. */
  delivered(id: number): void;
  /** A message names a descriptor that is not open, and is not sent. */
  unsendable(id: number): void;
  /** Once, last. `byPeer`: the other end closed or died; `error`: why this end closed. */
  ended(end: { byPeer: boolean; reason: string; error?: BatonError }): void;
}

export class Channel {
  readonly #fd: Fd;
  readonly #role: Role;
  readonly #events: ChannelEvents;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #watch: Wait;
  #writable: Wait | undefined;
  #retry: NodeJS.Timeout | undefined;
  #again: NodeJS.Immediate | undefined;
  #received = 0;
  #ackSent = 0;
  #heardAck = false;
  /** Calls whose acknowledgement the kernel has not taken yet. */
  #ready: Message[] = [];
  #open = true;

  /** @param fd a connected socket, the channel's from now on @param limit bytes of one incoming message */
  constructor(fd: Fd, role: Role, limit: number, events: ChannelEvents) {
    this.#fd = fd;
    this.#role = role;
    this.#events = events;
    this.#inbox = new Inbox(limit);
    this.#outbox = new Outbox(
      outgoingHeader,
      (address, length, fds, from, count) => sendPacket(fd, address, length, fds, from, count),
      (id) => events.unsendable(id),
    );
    libc.setSendBuffer(fd, SEND_BUFFER);
    this.#watch = libc.watchReadable(fd, () => this.#read());
  }

  get open(): boolean {
    return this.#open;
  }

  /** Whether the peer was ever heard of: a connection nobody accepted is silent. */
  get heard(): boolean {
    return this.#received > 0 || this.#heardAck;
  }

  /** Bytes that wait for the kernel to take them. */
  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  /** Everything was given to the kernel, acknowledgements included. */
  get idle(): boolean {
    return !this.#open || (this.#outbox.idle && this.#ackSent === this.#received);
  }

  send(message: Outgoing): void {
    if (!this.#open) return;
    this.#outbox.add(message);
    // While something waits for the socket, the new message waits for its turn.
    if (!this.#writable && !this.#retry && !this.#again) this.#flush();
  }

  /** Takes a message back as far as that goes. */
  remove(id: number): Removed {
    const removed = this.#outbox.remove(id);
    if (removed === 'partial') this.#flush();
    return removed;
  }

  /**
   * Ends the connection at once. What the peer acknowledged or answered until now still comes as events; what it has
   * not acknowledged it will never pass on.
   */
  sever(reason: string, error?: BatonError): void {
    if (!this.#open) return;
    libc.shutdown(this.#fd);
    this.#drain();
    this.#end(false, reason, error);
  }

  #read(): void {
    for (let n = 0; n < READ_BURST && this.#open; n++) {
      const got = receivePacket(this.#fd);
      if (typeof got !== 'number') this.#take(got);
      else if (got === -libc.EAGAIN) break;
      // ECONNRESET says that the peer died with our packets unread; its own last packets are still to come.
      else if (got !== -libc.ECONNRESET)
        this.#end(true, got === 0 ? 'it closed the connection' : errnoName(got));
    }
    this.#flush();
  }

  /** Takes what is there, without acknowledging it. */
  #drain(): void {
    while (this.#open) {
      const got = receivePacket(this.#fd);
      if (typeof got !== 'number') this.#take(got);
      else if (got !== -libc.ECONNRESET) return;
    }
  }

  #take({ packet, fds, truncated }: ReceivedPacket): void {
    try {
      if (truncated) throw malformed('the kernel cut it off; is this process out of descriptors?');
      const header = readHeader(packet, fds.length);
      if (header.type === TYPE.ack) {
        this.#heardAck = true;
        for (const id of this.#outbox.acknowledge(readAck(packet))) this.#events.delivered(id);
        return;
      }
      if (!EXPECTED[this.#role].has(header.type))
        throw malformed(`packet type ${header.type} in this direction`);
      this.#received += 1;
      const result = this.#inbox.take(header, packet, fds);
      if (!result) return;
      if ('refused' in result) this.#events.refused(result);
      else if (result.type === TYPE.call) this.#ready.push(result);
      else this.#events.message(result);
    } catch (error) {
      closeAll(fds.splice(0));
      if (!(error instanceof BatonError)) throw error;
      this.#end(false, error.message, error);
    }
  }

  #flush(): void {
    if (!this.#open || !this.#acknowledge()) return;
    for (const message of this.#ready.splice(0)) {
      if (this.#open) this.#events.message(message);
      else closeAll(message.fds);
    }
    if (this.#open) this.#pump();
  }

  /** @returns whether the kernel has the acknowledgement of everything received */
  #acknowledge(): boolean {
    if (this.#ackSent === this.#received) return true;
    writeAck(outgoingHeader, this.#received);
    const result = sendPacket(this.#fd, 0n, 0, NONE, 0, 0);
    if (result === 0) this.#ackSent = this.#received;
    else if (result === -libc.EAGAIN) this.#awaitWritable();
    else this.#hangUp(-result);
    return result === 0;
  }

  #pump(): void {
    const pumped = this.#outbox.pump();
    if (pumped === 'full') this.#awaitWritable();
    else if (pumped === 'retry') this.#retryLater();
    else if (pumped === 'more') this.#again ??= setImmediate(() => this.#resume());
    else if (typeof pumped === 'object') this.#hangUp(pumped.errno);
  }

  #resume(): void {
    this.#writable = undefined;
    this.#retry = undefined;
    this.#again = undefined;
    this.#flush();
  }

  #awaitWritable(): void {
    try {
      this.#writable ??= libc.waitWritable(this.#fd, () => this.#resume());
    } catch {
      // No descriptor is left for the wait.
      this.#retryLater();
    }
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => this.#resume(), RETRY_MS);
  }

  /** Sending failed: the peer is gone, but its last acknowledgements and answers may wait here. */
  #hangUp(errno: number): void {
    this.#drain();
    this.#end(true, errnoName(errno));
  }

  #end(byPeer: boolean, reason: string, error?: BatonError): void {
    if (!this.#open) return;
    this.#open = false;
    this.#watch.cancel();
    this.#writable?.cancel();
    clearTimeout(this.#retry);
    clearImmediate(this.#again);
    this.#inbox.clear();
    // Their sender was told nothing, so it counts them as not delivered.
    for (const message of this.#ready.splice(0)) closeAll(message.fds);
    libc.close(this.#fd);
    this.#events.ended({ byPeer, reason, ...(error && { error }) });
  }
}
