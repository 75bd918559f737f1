// Reads the connections of a process. Node would call into JavaScript once for each of them, with a turn of its queues
// each time; here one call reads all that have something to read, and a connection needs no object of Node's.

import { libc, type Wait } from '../handoff/index.ts';

/** One descriptor and its reader. None of the methods may throw. */
export interface Polled {
  readonly fd: number;
  /** Where the poller has it; -1 while it has not. Written by the poller alone. */
  slot: number;
  /** `buffer[0, length)` was read; valid until this returns. */
  onRead(buffer: Buffer, length: number): void;
  /** The peer will send nothing more. Comes again until `remove`. */
  onReadEnd(): void;
  /** Reading failed for good. Comes again until `remove`. */
  onReadFailed(): void;
}

const READ_BUFFER_BYTES = 64 * 1024;
/** Descriptors read in one turn of the event loop, so that timers and everything else get theirs. */
const MOST_AT_ONCE = 256;

/** Level-triggered; each turn of the event loop gives each readable descriptor one read of at most 64 KiB. */
export class Poller {
  /** Every descriptor is read into this one. */
  private readonly buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  private readonly events = libc.epollEvents(MOST_AT_ONCE);
  private readonly slots: (Polled | undefined)[] = [];
  private readonly free: number[] = [];
  private epoll = -1;
  private wait: Wait | undefined;

  /** @throws SystemError when descriptors or memory run out */
  add(polled: Polled): void {
    if (this.epoll < 0) this.epoll = libc.epollCreate();
    const slot = this.free.at(-1) ?? this.slots.length;
    libc.epollAdd(this.epoll, polled.fd, slot);
    this.free.pop();
    this.slots[slot] = polled;
    polled.slot = slot;
    try {
      this.wait ??= libc.watchReadable(this.epoll, () => this.turn());
    } catch (error) {
      this.remove(polled);
      throw error;
    }
  }

  /** Before the descriptor is closed. */
  remove(polled: Polled): void {
    libc.epollRemove(this.epoll, polled.fd);
    this.slots[polled.slot] = undefined;
    this.free.push(polled.slot);
    polled.slot = -1;
    if (this.free.length < this.slots.length) return;
    // The watch keeps the process alive.
    this.wait?.cancel();
    this.wait = undefined;
  }

  private turn(): void {
    const { events } = this;
    const count = libc.epollWait(this.epoll, events);
    for (let i = 0; i < count; i++) {
      const polled = this.slots[libc.epollData(events, i)];
      // One that took the slot meanwhile finds nothing to read.
      if (polled) this.read(polled);
    }
  }

  private read(polled: Polled): void {
    const length = libc.recv(polled.fd, this.buffer);
    if (length > 0) polled.onRead(this.buffer, length);
    else if (length === 0) polled.onReadEnd();
    else if (length !== -libc.EAGAIN) polled.onReadFailed();
  }
}
