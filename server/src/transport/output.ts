// What one connection sends. Every byte goes to the kernel from here, so how many it accepted is always known;
// what it does not accept waits in a bounded queue of whole frames.

import { counters } from '../telemetry/index.ts';
import type { Corked, Outbox } from './outbox.ts';

/** The one system call of writing, and how to wait until it works again (see kernel.ts). */
export interface Sink {
  send(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  waitWritable(fd: number, callback: () => void): { cancel(): void };
  readonly EAGAIN: number;
}

export interface OutputOwner {
  /** More than the allowed bytes wait. */
  onSlowReader(): void;
  /** Writing failed for good; `errno` is positive. */
  onWriteFailed(errno: number): void;
  /** Nothing waits any more. */
  onDrained(): void;
}

type Done = (error?: Error) => void;

const GATHER_BYTES = 128 * 1024;
/** What a frame that waits costs besides its bytes: the objects around it. */
const FRAME_OVERHEAD = 160;
const gather = Buffer.allocUnsafeSlow(GATHER_BYTES);
const NONE: Uint8Array[] = [];

export class Output implements Corked {
  /** Bytes ever accepted by the kernel. */
  accepted = 0;
  private held = false;
  private closed = false;
  private sealed = false;

  /** Frames in the arena as start, size, start, size, … Only while corked, and only while the queue is empty. */
  private corked: number[] | undefined;
  private corkedCount = 0;
  private corkedBytes = 0;

  private frames: Uint8Array[] = NONE;
  private first = 0;
  /** Bytes of `frames[first]` that were accepted. */
  private skip = 0;
  private queued = 0;
  private wait: { cancel(): void } | undefined;

  private delayed: { frame: Uint8Array; timer: NodeJS.Timeout }[] | undefined;
  private dones: { at: number; done: Done }[] | undefined;

  private readonly sink: Sink;
  private readonly fd: number;
  private readonly outbox: Outbox;
  private readonly owner: OutputOwner;
  private readonly limit: number;

  /** @param limit bytes that may wait before the owner hears of a slow reader; one frame may exceed it */
  constructor(sink: Sink, fd: number, outbox: Outbox, owner: OutputOwner, limit: number) {
    this.sink = sink;
    this.fd = fd;
    this.outbox = outbox;
    this.owner = owner;
    this.limit = limit;
  }

  /** Bytes handed in and not accepted by the kernel. */
  get pending(): number {
    let delayed = 0;
    if (this.delayed) for (const { frame } of this.delayed) delayed += frame.byteLength;
    return this.queued + this.corkedBytes + delayed;
  }

  /** Whether the kernel takes no more at present. */
  get blocked(): boolean {
    return this.queued > 0;
  }

  /** Sends one frame; `data` may be overwritten by the caller afterwards. */
  send(opcode: number, data: Uint8Array): void {
    if (this.closed) return;
    const { outbox } = this;
    if (outbox.latencyMs > 0 || this.delayed) {
      this.delay(outbox.build(opcode, data));
      return;
    }
    if (outbox.isLarge(data)) {
      this.push(outbox.build(opcode, data));
      return;
    }
    const start = outbox.place(opcode, data);
    const size = outbox.size;
    // A full arena was written out for that, which may have found this connection gone.
    if (this.closed) return;
    if (this.held || this.queued > 0) this.enqueue(outbox.keep(start, size), 0);
    else if (outbox.corked) this.cork(start, size);
    else this.writeArena(start, size);
  }

  /** Sends bytes that are whole frames (or the response to the upgrade) and will not be changed. */
  push(bytes: Uint8Array): void {
    if (this.closed) return;
    if (this.corkedCount > 0) this.flushCorked();
    if (this.held || this.queued > 0) {
      this.enqueue(bytes, 0);
      return;
    }
    const sent = this.write(bytes, 0, bytes.byteLength);
    if (sent >= 0 && sent < bytes.byteLength) this.enqueue(bytes, sent);
  }

  /** Calls `done` when everything sent so far was accepted, or with an error when it never will be. */
  whenAccepted(done: Done): void {
    if (this.closed) process.nextTick(done, new Error('The connection is closed.'));
    else if (this.pending === 0) process.nextTick(done);
    else (this.dones ??= []).push({ at: this.accepted + this.pending, done });
  }

  flushCorked(): void {
    const count = this.corkedCount;
    const bytes = this.corkedBytes;
    if (count === 0) return;
    const list = this.corked!;
    this.corkedCount = 0;
    this.corkedBytes = 0;
    const start = list[0]!;
    if (list[count - 2]! + list[count - 1]! - start === bytes) {
      this.finishCorked(list, count, this.write(this.outbox.arena, start, bytes));
    } else this.gatherCorked(list, count);
    if (this.dones) this.settle();
  }

  /** Nothing is written from now on; frames that come wait in the queue. */
  hold(): void {
    this.flushCorked();
    this.held = true;
    this.wait?.cancel();
    this.wait = undefined;
    if (!this.delayed) return;
    for (const { frame, timer } of this.delayed) {
      clearTimeout(timer);
      this.enqueue(frame, 0);
    }
    this.delayed = undefined;
  }

  /** Writes what waited, and everything from now on. */
  release(): void {
    this.held = false;
    if (this.queued > 0) this.flushQueue();
  }

  /** Frames not accepted, oldest first, the first one without its accepted bytes. */
  unsent(): Uint8Array[] {
    return this.frames
      .slice(this.first)
      .map((frame, i) => new Uint8Array(i === 0 ? frame.subarray(this.skip) : frame));
  }

  /** Takes over what a previous owner could not send. */
  restore(frames: readonly Uint8Array[], accepted: number): void {
    this.accepted = accepted;
    for (const frame of frames) if (frame.byteLength > 0) this.append(frame, 0);
  }

  /** Forgets what waits, except the frame that was begun; `last` follows it, and nothing after that. */
  seal(last: Uint8Array): void {
    const begun = this.frames[this.first];
    this.frames = begun ? [begun, last] : [last];
    this.first = 0;
    this.queued = (begun ? begun.byteLength - this.skip : 0) + last.byteLength;
    this.sealed = true;
  }

  /** @param error told to those who wait for `whenAccepted`; none when another process sends the rest */
  close(error?: Error): void {
    this.closed = true;
    this.wait?.cancel();
    this.wait = undefined;
    if (this.delayed) for (const { timer } of this.delayed) clearTimeout(timer);
    this.delayed = undefined;
    this.frames = NONE;
    this.first = this.skip = this.queued = this.corkedCount = this.corkedBytes = 0;
    const dones = this.dones;
    this.dones = undefined;
    if (dones) for (const { done } of dones) process.nextTick(done, error);
  }

  /** @returns bytes accepted; -1 after the owner was told of a failure */
  private write(buffer: Uint8Array, start: number, length: number): number {
    // The descriptor's number may be somebody else's by now.
    if (this.closed) return -1;
    const sent = this.sink.send(this.fd, buffer, start, length);
    if (sent >= 0) {
      this.accepted += sent;
      counters.bytesOut += sent;
      return sent;
    }
    if (sent === -this.sink.EAGAIN) return 0;
    this.owner.onWriteFailed(-sent);
    return -1;
  }

  private writeArena(start: number, size: number): void {
    const sent = this.write(this.outbox.arena, start, size);
    if (sent >= 0 && sent < size) this.enqueue(this.outbox.keep(start, size), sent);
  }

  private cork(start: number, size: number): void {
    if (this.corkedCount === 0) this.outbox.await(this);
    const list = (this.corked ??= []);
    list[this.corkedCount++] = start;
    list[this.corkedCount++] = size;
    this.corkedBytes += size;
  }

  /** Frames that are not next to each other in the arena: put together, so that they go out in one call. */
  private gatherCorked(list: number[], count: number): void {
    const { arena } = this.outbox;
    let from = 0;
    let at = 0;
    for (let i = 0; i <= count; i += 2) {
      const size = i < count ? list[i + 1]! : 0;
      if (i === count || at + size > GATHER_BYTES) {
        const sent = this.queued > 0 ? 0 : this.write(gather, 0, at);
        this.finishCorked(list.slice(from, i), i - from, sent);
        if (sent < 0 || i === count) return;
        from = i;
        at = 0;
      }
      arena.copy(gather, at, list[i]!, list[i]! + size);
      at += size;
    }
  }

  /** Queues the frames of `list` behind the first `sent` bytes of them. */
  private finishCorked(list: number[], count: number, sent: number): void {
    if (sent < 0) return;
    for (let i = 0; i < count; i += 2) {
      const size = list[i + 1]!;
      if (sent < size) this.enqueue(this.outbox.keep(list[i]!, size), sent);
      sent = Math.max(0, sent - size);
    }
  }

  private append(frame: Uint8Array, skip: number): void {
    if (this.frames === NONE) this.frames = [];
    if (this.queued === 0) this.skip = skip;
    this.frames.push(frame);
    this.queued += frame.byteLength - skip;
  }

  private enqueue(frame: Uint8Array, skip: number): void {
    if (this.closed || this.sealed) return;
    const waited = this.queued > 0;
    this.append(frame, skip);
    const overhead = (this.frames.length - this.first) * FRAME_OVERHEAD;
    if (waited && this.queued + overhead > this.limit) this.owner.onSlowReader();
    if (!this.held && !this.wait && !this.closed) this.awaitWritable();
  }

  private awaitWritable(): void {
    try {
      this.wait = this.sink.waitWritable(this.fd, () => {
        this.wait = undefined;
        this.flushQueue();
      });
    } catch (error) {
      this.owner.onWriteFailed((error as { errno?: number }).errno ?? 0);
    }
  }

  private flushQueue(): void {
    while (this.queued > 0) {
      const asked = this.writeQueue();
      if (asked.sent < 0) return;
      this.advance(asked.sent);
      if (asked.sent < asked.bytes) {
        this.awaitWritable();
        break;
      }
    }
    if (this.dones) this.settle();
    if (this.queued === 0 && !this.closed) this.owner.onDrained();
  }

  /** Offers the queue's first frame, or as many small ones as fit together, to the kernel. */
  private writeQueue(): { sent: number; bytes: number } {
    const head = this.frames[this.first]!;
    const left = head.byteLength - this.skip;
    const next = this.frames[this.first + 1];
    if (!next || left + next.byteLength > GATHER_BYTES) {
      return { sent: this.write(head, this.skip, left), bytes: left };
    }
    let bytes = 0;
    let skip = this.skip;
    for (let i = this.first; i < this.frames.length; i++) {
      const frame = this.frames[i]!;
      if (bytes + frame.byteLength - skip > GATHER_BYTES) break;
      gather.set(skip > 0 ? frame.subarray(skip) : frame, bytes);
      bytes += frame.byteLength - skip;
      skip = 0;
    }
    return { sent: this.write(gather, 0, bytes), bytes };
  }

  private advance(sent: number): void {
    this.queued -= sent;
    this.skip += sent;
    while (this.first < this.frames.length && this.skip >= this.frames[this.first]!.byteLength) {
      this.skip -= this.frames[this.first]!.byteLength;
      this.frames[this.first++] = EMPTY;
    }
    if (this.first === this.frames.length) {
      this.frames = NONE;
      this.first = 0;
    } else if (this.first > 1024 && this.first * 2 > this.frames.length) {
      this.frames = this.frames.slice(this.first);
      this.first = 0;
    }
  }

  private settle(): void {
    const dones = this.dones!;
    while (dones.length > 0 && dones[0]!.at <= this.accepted) process.nextTick(dones.shift()!.done);
    if (dones.length === 0) this.dones = undefined;
  }

  private delay(frame: Uint8Array): void {
    const delayed = (this.delayed ??= []);
    const timer = setTimeout(() => {
      const oldest = delayed.shift()!.frame;
      if (delayed.length === 0) this.delayed = undefined;
      this.push(oldest);
      if (this.pending === 0) this.owner.onDrained();
    }, this.outbox.latencyMs);
    delayed.push({ frame, timer });
  }
}

const EMPTY = new Uint8Array(0);
