// When a socket's buffered messages become a call. A pure machine: bytes and times in, batches out; its state is a plain
// record, so that it moves with the socket between any two bytes.

/** What a mapping's `receive.when` says, compiled; a batch is due as soon as any of it holds. */
export interface Criteria {
  /** So many bytes are buffered. */
  bytes?: number;
  /** One of these was seen, also across messages. None is empty. */
  delimiters: readonly Uint8Array[];
  /** So many messages are buffered. */
  messages?: number;
  /** Milliseconds since the first buffered byte. */
  everyMs?: number;
  /** Bytes that may wait; more are flushed, or close the socket. */
  maxBuffer: number;
}

/** Which criterion a batch met; `overflow`: none of them in time. */
export type Reason = 'bytes' | 'delimiter' | 'messages' | 'every' | 'overflow';

export interface Batch {
  /** A copy: stays valid. */
  data: Uint8Array;
  reason: Reason;
}

/** State between two owners; survives structured clone. */
export interface ReceiveRecord {
  criteria: Criteria;
  data: Uint8Array;
  /** Where each buffered message ends in `data`, in ascending order; the last one is at its end. */
  ends: number[];
  /** Up to where `data` holds no delimiter. */
  searched: number;
  /** Milliseconds until `every` is due. */
  leftMs?: number;
}

const EMPTY = new Uint8Array(0);
const FIRST_CAPACITY = 256;
/** A message without bytes counts as a message; so many of them are an overflow by themselves. */
export const MAX_MESSAGES = 65_536;

export class ReceiveBuffer {
  private criteria: Criteria;
  private longest = 0;
  private memory: Buffer = Buffer.from(EMPTY);
  private start = 0;
  private end = 0;
  /** Ends of messages, as positions that only grow; `base` is that of `memory[start]`. */
  private ends: number[] = [];
  private base = 0;
  private searched = 0;
  private due: number | undefined;

  constructor(criteria: Criteria = { delimiters: [], maxBuffer: 0 }) {
    this.criteria = criteria;
    this.measure();
  }

  /** Bytes that wait. */
  get size(): number {
    return this.end - this.start;
  }

  /** Whether anything waits; a message may have no bytes. */
  get empty(): boolean {
    return this.ends.length === 0;
  }

  /** When `expire` has to be called, on the clock of `now`; undefined while nothing waits for it. */
  get deadline(): number | undefined {
    return this.due;
  }

  /** Whether more waits than may. The owner calls `overflow` or closes. */
  get overflown(): boolean {
    return this.size > this.criteria.maxBuffer || this.ends.length > MAX_MESSAGES;
  }

  /**
   * Takes a message, and gives out what is due, in order. Without any criterion every message is due by itself.
   * @param now milliseconds on any clock
   */
  push(message: Uint8Array, now: number): Batch[] {
    const { criteria } = this;
    this.append(message);
    this.due ??= criteria.everyMs === undefined ? undefined : now + criteria.everyMs;
    const batches: Batch[] = [];
    for (let cut = this.firstCut(); cut; cut = this.firstCut()) {
      batches.push({ data: this.take(cut.length), reason: cut.reason });
      // What is left begins to wait now.
      this.due = this.empty || criteria.everyMs === undefined ? undefined : now + criteria.everyMs;
    }
    return batches;
  }

  /** The `every` batch, once its time has come. */
  expire(now: number): Batch | undefined {
    if (this.due === undefined || now < this.due) return undefined;
    return { data: this.flush(), reason: 'every' };
  }

  /** Everything that waits. */
  flush(): Uint8Array {
    const data = this.take(this.size);
    this.ends = [];
    this.due = undefined;
    return data;
  }

  /** Gives out until no more waits than may: what came before the newest message, and that one if it is too long itself. */
  overflow(now: number): Batch[] {
    const batches: Batch[] = [];
    while (this.overflown) {
      const before = (this.ends.at(-2) ?? this.base) - this.base;
      const whole = before === 0;
      batches.push({ data: whole ? this.flush() : this.take(before), reason: 'overflow' });
      if (!whole) this.due = this.criteria.everyMs === undefined ? undefined : now + this.criteria.everyMs;
    }
    return batches;
  }

  save(now: number): ReceiveRecord {
    return {
      criteria: this.criteria,
      data: Uint8Array.from(this.memory.subarray(this.start, this.end)),
      ends: this.ends.map((end) => end - this.base),
      searched: this.searched - this.base,
      ...(this.due === undefined ? {} : { leftMs: Math.max(0, this.due - now) }),
    };
  }

  restore(record: ReceiveRecord, now: number): void {
    this.criteria = record.criteria;
    this.measure();
    this.memory = Buffer.from(record.data);
    this.start = this.base = 0;
    this.end = record.data.length;
    this.ends = [...record.ends];
    this.searched = record.searched;
    this.due = record.leftMs === undefined ? undefined : now + record.leftMs;
  }

  /** How it moves with its socket; see docs/migration.md. */
  toBaton(): ReceiveRecord {
    return this.save(Date.now());
  }

  fromBaton(record: ReceiveRecord): void {
    this.restore(record, Date.now());
  }

  private measure(): void {
    this.longest = Math.max(0, ...this.criteria.delimiters.map((delimiter) => delimiter.length));
  }

  /** The criterion that is met by the fewest bytes. */
  private firstCut(): { length: number; reason: Reason } | undefined {
    if (this.empty) return undefined;
    const { bytes, messages, everyMs, delimiters } = this.criteria;
    const found = this.afterDelimiter();
    if (bytes !== undefined && this.size >= bytes && (found === undefined || bytes < found)) {
      return { length: bytes, reason: 'bytes' };
    }
    if (found !== undefined) return { length: found, reason: 'delimiter' };
    const alone = bytes === undefined && everyMs === undefined && delimiters.length === 0;
    const enough = messages ?? (alone ? 1 : Number.POSITIVE_INFINITY);
    return this.ends.length >= enough ? { length: this.size, reason: 'messages' } : undefined;
  }

  /** Bytes up to and with the delimiter that ends first. */
  private afterDelimiter(): number | undefined {
    if (this.longest === 0) return undefined;
    // One that ends in new bytes may begin in old ones.
    const from = Math.max(this.start, this.start + (this.searched - this.base) - (this.longest - 1));
    const view = this.memory.subarray(0, this.end);
    let first: number | undefined;
    for (const delimiter of this.criteria.delimiters) {
      const at = view.indexOf(delimiter, from);
      if (at < 0) continue;
      const length = at + delimiter.length - this.start;
      if (first === undefined || length < first) first = length;
    }
    if (first === undefined) this.searched = this.base + this.size;
    return first;
  }

  private append(message: Uint8Array): void {
    const size = this.size + message.length;
    if (this.end + message.length > this.memory.length) {
      const roomy = size <= this.memory.length / 2 ? this.memory : this.grown(size);
      this.memory.copy(roomy, 0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
      this.memory = roomy;
    }
    this.memory.set(message, this.end);
    this.end += message.length;
    this.ends.push(this.base + size);
  }

  private grown(size: number): Buffer {
    return Buffer.allocUnsafeSlow(Math.max(FIRST_CAPACITY, 2 * size));
  }

  /** Takes the first `length` bytes away, and the messages that end in them. */
  private take(length: number): Uint8Array {
    const data = Buffer.from(this.memory.subarray(this.start, this.start + length));
    this.start += length;
    this.base += length;
    this.searched = Math.max(this.searched, this.base);
    let gone = 0;
    while (gone < this.ends.length && this.ends[gone]! <= this.base) gone++;
    this.ends.splice(0, gone);
    if (this.size > 0) return data;
    this.start = this.end = this.base = this.searched = 0;
    this.ends = [];
    this.memory = Buffer.from(EMPTY);
    return data;
  }
}
