// Reads the connections of a process. Node would call into JavaScript once for each of them, with a turn of its queues
// each time; here one call reads all that have something to read, and a connection needs no object of Node's.
//
// To be woken costs more than to relay a message. When messages come one by one and fast, the poller is not woken for a
// while but looks by itself, as network cards and their drivers do (interrupt moderation, Linux' NAPI).

import { libc, type Watch } from '../handoff/index.ts';

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

/** What is sent while it is corked goes out together when it is uncorked. */
export interface Cork {
  cork(): void;
  uncork(): void;
}

/** Time, as the poller knows it. */
export interface Clock {
  /** Milliseconds. */
  now(): number;
  after(ms: number, callback: () => void): Alarm;
}

/** One call back. */
export interface Alarm {
  /** From the callback: once more, after the same time. */
  refresh(): void;
  cancel(): void;
}

const READ_BUFFER_BYTES = 64 * 1024;
/** Descriptors read in one turn of the event loop, so that timers and everything else get theirs. */
const MOST_AT_ONCE = 256;
/** Descriptors read before what their readers have sent goes out. */
const MOST_CORKED = 32;

/** So many times in a row it is woken … */
const WAKES = 16;
/** … within this time, which is 2,000 times a second … */
const WAKES_WITHIN_MS = 8;
/** … and finds on average no more than this: then waking it is what costs. */
const FEW = 8;
/** Looks that find nothing, one after the other, before it wants to be woken again. */
const EMPTY_LOOKS = 2;

const system: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return { refresh: () => timer.refresh(), cancel: () => clearTimeout(timer) };
  },
};

/** Level-triggered; each turn of the event loop gives each readable descriptor one read of at most 64 KiB. */
export class Poller {
  /** Every descriptor is read into this one. */
  private readonly buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  private readonly events = libc.epollEvents(MOST_AT_ONCE);
  private readonly slots: (Polled | undefined)[] = [];
  private readonly free: number[] = [];
  private readonly outbox: Cork;
  private readonly coalesceMs: number;
  private readonly clock: Clock;
  private epoll = -1;
  private watch: Watch | undefined;

  /** Since `countedFrom`. */
  private wakes = 0;
  private found = 0;
  private countedFrom = 0;
  /** While it looks by itself. */
  private alarm: Alarm | undefined;
  private emptyLooks = 0;

  /** @param coalesceMs how long what can be read may wait when it would be woken often; 0 for not at all */
  constructor(outbox: Cork, coalesceMs: number, clock = system) {
    this.outbox = outbox;
    this.coalesceMs = coalesceMs;
    this.clock = clock;
  }

  /** Whether it looks by itself at present. */
  get coalescing(): boolean {
    return this.alarm !== undefined;
  }

  /** @throws SystemError when descriptors or memory run out */
  add(polled: Polled): void {
    if (this.epoll < 0) this.epoll = libc.epollCreate();
    const slot = this.free.at(-1) ?? this.slots.length;
    libc.epollAdd(this.epoll, polled.fd, slot);
    this.free.pop();
    this.slots[slot] = polled;
    polled.slot = slot;
    try {
      this.watch ??= libc.watchReadable(this.epoll, () => this.woken());
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
    // Either keeps the process alive.
    this.alarm?.cancel();
    this.alarm = undefined;
    this.watch?.cancel();
    this.watch = undefined;
  }

  private woken(): void {
    const found = this.turn();
    if (this.coalesceMs === 0) return;
    this.found += found;
    if (++this.wakes < WAKES) return;
    const now = this.clock.now();
    const often = now - this.countedFrom <= WAKES_WITHIN_MS && this.found <= WAKES * FEW;
    this.countedFrom = now;
    this.wakes = this.found = 0;
    if (!often || !this.watch) return;
    this.watch.pause();
    this.emptyLooks = 0;
    this.alarm = this.clock.after(this.coalesceMs, () => this.look());
  }

  private look(): void {
    const { alarm } = this;
    const found = this.turn();
    // All were removed; others may have come.
    if (this.alarm !== alarm) return;
    this.emptyLooks = found > 0 ? 0 : this.emptyLooks + 1;
    if (this.emptyLooks < EMPTY_LOOKS && found < MOST_AT_ONCE) {
      alarm!.refresh();
      return;
    }
    this.alarm = undefined;
    this.watch!.resume();
  }

  /** @returns how many descriptors could be read */
  private turn(): number {
    const { events, outbox } = this;
    const count = libc.epollWait(this.epoll, events);
    for (let i = 0; i < count; i += MOST_CORKED) {
      outbox.cork();
      for (let j = i; j < count && j < i + MOST_CORKED; j++) {
        const polled = this.slots[libc.epollData(events, j)];
        // One that took the slot meanwhile finds nothing to read.
        if (polled) this.read(polled);
      }
      outbox.uncork();
    }
    return count;
  }

  private read(polled: Polled): void {
    const length = libc.recv(polled.fd, this.buffer);
    if (length > 0) polled.onRead(this.buffer, length);
    else if (length === 0) polled.onReadEnd();
    else if (length !== -libc.EAGAIN) polled.onReadFailed();
  }
}
