// Where frames are built before they are written: one stretch of memory for all connections of a process, so
// that a small frame costs no allocation and a frame for a hundred clients is built once.

import { encodeFrame, headerSize, putHeader } from './codec/index.ts';

const ARENA_BYTES = 256 * 1024;
/** Payloads from this size on get memory of their own. */
const LARGE = 32 * 1024;

/** A connection's output, as the outbox sees it. */
export interface Corked {
  /** Writes or keeps what it has in the arena; afterwards the arena may be overwritten. */
  flushCorked(): void;
}

export class Outbox {
  readonly arena: Buffer = Buffer.allocUnsafeSlow(ARENA_BYTES);
  /** Size of the frame `place` returned last. */
  size = 0;
  /** Milliseconds by which frames are held back; for simulated latency only. */
  latencyMs = 0;
  private used = 0;
  private depth = 0;
  private waiting: Corked[] = [];
  private count = 0;

  private last: Uint8Array | undefined;
  private lastOpcode = 0;
  private lastStart = 0;
  private lastSize = 0;
  private kept: Buffer | undefined;

  private large: Uint8Array | undefined;
  private largeFrame: Buffer | undefined;

  /** Whether frames wait for the end of the read that is being handled. */
  get corked(): boolean {
    return this.depth > 0;
  }

  cork(): void {
    this.depth++;
  }

  uncork(): void {
    if (this.depth === 1) {
      if (this.count > 0) this.flush();
      this.last = undefined;
    }
    this.depth--;
  }

  /** `output` has frames in the arena until its `flushCorked` runs. */
  await(output: Corked): void {
    this.waiting[this.count++] = output;
  }

  /**
   * Puts a frame into the arena unless it is the one that was put there last. `SchemaSerializer` sends views of
   * a buffer that its next patch overwrites, hence the copy; it sends the same view to every client, hence one
   * copy only. The same object may have new content, so content decides.
   *
   * @returns where the frame starts; its size is in `size`. Valid until the next `place`, or while awaited
   */
  place(opcode: number, data: Uint8Array): number {
    const length = data.byteLength;
    if (data === this.last && opcode === this.lastOpcode && this.holds(data)) {
      this.size = this.lastSize;
      return this.lastStart;
    }
    const size = headerSize(length) + length;
    if (this.count === 0) this.used = 0;
    else if (this.used + size > ARENA_BYTES) this.flush();
    const start = this.used;
    this.arena.set(data, putHeader(this.arena, start, opcode, length));
    this.used = start + size;
    this.last = data;
    this.lastOpcode = opcode;
    this.lastStart = start;
    this.lastSize = this.size = size;
    this.kept = undefined;
    return start;
  }

  /** A frame of the arena in memory of its own; the frame placed last is copied once for all who ask. */
  keep(start: number, size: number): Buffer {
    if (start === this.lastStart && this.kept?.length === size) return this.kept;
    // From Node's pool when it is small: memory of its own costs 400 bytes more.
    const frame = Buffer.allocUnsafe(size);
    this.arena.copy(frame, 0, start, start + size);
    if (start === this.lastStart && size === this.lastSize) this.kept = frame;
    return frame;
  }

  isLarge(data: Uint8Array): boolean {
    return data.byteLength >= LARGE;
  }

  /** A large frame, built once for those who ask for the same payload in one synchronous run. */
  build(opcode: number, data: Uint8Array): Buffer {
    if (this.largeFrame && data === this.large && isFrameOf(this.largeFrame, opcode, data))
      return this.largeFrame;
    if (!this.largeFrame) queueMicrotask(() => (this.large = this.largeFrame = undefined));
    this.large = data;
    this.largeFrame = encodeFrame(opcode, data);
    return this.largeFrame;
  }

  private holds(data: Uint8Array): boolean {
    const end = this.lastStart + this.lastSize;
    const start = end - data.byteLength;
    return (
      this.lastSize === headerSize(data.byteLength) + data.byteLength &&
      this.arena.compare(data, 0, data.byteLength, start, end) === 0
    );
  }

  private flush(): void {
    for (let i = 0; i < this.count; i++) this.waiting[i]!.flushCorked();
    this.count = 0;
    this.used = 0;
  }
}

function isFrameOf(frame: Buffer, opcode: number, data: Uint8Array): boolean {
  const header = headerSize(data.byteLength);
  return (
    frame.length === header + data.byteLength &&
    (frame[0]! & 0x0f) === opcode &&
    frame.compare(data, 0, data.byteLength, header) === 0
  );
}
