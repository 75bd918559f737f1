// Reads client frames (RFC 6455 §5) out of chunks that end anywhere, and can be stopped, saved and taken up
// again between any two bytes. Knows no socket: bytes come in, events go to a sink.

import { isUtf8 } from 'node:buffer';
import { handoffProtocol } from '../../errors.ts';
import { unmask } from './mask.ts';
import { isSendableCode, MAX_CONTROL_PAYLOAD, Opcode, WireCode } from './protocol.ts';
import { Utf8Check, type Utf8State } from './utf8.ts';

/** What a reader found. `FrameReader.position` is right behind the frame whenever one of these runs. */
export interface FrameSink {
  /** A whole message, in memory of its own. */
  onMessage(data: Buffer, isBinary: boolean): void;
  onPing(data: Buffer): void;
  onPong(data: Buffer): void;
  /** The peer's close frame; 1005 when it had no code. Nothing is read after it. */
  onClose(code: number, reason: Buffer): void;
  /** The peer broke the protocol; `code` is the close code to answer with. Nothing is read after it. */
  onViolation(code: number, reason: string): void;
}

export interface ReaderLimits {
  /** Bytes of a whole message; 0 means no limit. */
  readonly maxPayload: number;
  /** Frames of one message; 0 means no limit. */
  readonly maxFragments: number;
}

/** Everything a reader knows, as a plain record that survives structured clone. */
export interface ReaderState {
  v: 1;
  /** A close frame or a violation was seen: the rest of the stream is ignored. */
  done: boolean;
  /** Bytes of a header that is not complete. */
  header: Uint8Array;
  /** The frame whose payload is being read; `mask` has the key's first byte in the highest bits. */
  frame?: { opcode: number; fin: boolean; length: number; read: number; mask: number };
  /** The message of which at least one frame began, unmasked as far as it came. */
  message?: { opcode: number; fragments: number; body: Uint8Array; utf8?: Utf8State };
  /** Unmasked beginning of a control frame's payload. */
  control?: Uint8Array;
}

type Violation = readonly [code: number, reason: string];

const NOT_MINIMAL: Violation = [WireCode.PROTOCOL_ERROR, 'the length is not minimally encoded'];
const NOT_UTF8: Violation = [WireCode.INVALID_TEXT, 'the text is not UTF-8'];
const EMPTY = Buffer.alloc(0);
const MAX_HEADER = 14;
/** A claimed length is not believed at once: memory grows with what came, and by this much at a time. */
const GROWTH = 65_536;

/** Length of a header by its second byte; an unmasked frame is refused by its first two bytes. */
function headerLength(second: number): number {
  if (second < 0x80) return 2;
  const short = second & 0x7f;
  return short < 126 ? 6 : short === 126 ? 8 : MAX_HEADER;
}

export class FrameReader {
  /** Index in the current chunk of the first byte not read yet. */
  position = 0;
  private end = 0;
  /** Changes at each `read` and `stop`, so that a loop further up the stack sees that it is over. */
  private turn = 0;
  private done = false;

  private header: Buffer | undefined;
  private headerRead = 0;

  private inFrame = false;
  private opcode = 0;
  private fin = false;
  private length = 0;
  private got = 0;
  private mask = 0;
  private control: Buffer | undefined;

  /** Opcode of the message in progress; 0 when there is none. */
  private messageOpcode = 0;
  private fragments = 0;
  private size = 0;
  private body: Buffer = EMPTY;
  private utf8: Utf8Check | undefined;

  private readonly limits: ReaderLimits;
  private readonly sink: FrameSink;

  constructor(limits: ReaderLimits, sink: FrameSink) {
    this.limits = limits;
    this.sink = sink;
  }

  /** Whether the stream is over: a close frame came, or a violation. */
  get finished(): boolean {
    return this.done;
  }

  /**
   * Reads `chunk[start, end)`, which is not changed, and calls the sink.
   * @returns index of the first byte not read: `end`, or less when `stop()` was called from the sink
   */
  read(chunk: Buffer, start: number, end: number): number {
    const turn = ++this.turn;
    this.position = start;
    this.end = end;
    while (this.position < end && this.turn === turn) {
      if (this.done) {
        this.position = end;
      } else if (!this.inFrame) {
        this.readHeader(chunk);
      } else {
        this.readPayload(chunk);
      }
    }
    return this.position;
  }

  /** Ends the `read` that is running, if one is, before its next byte. */
  stop(): void {
    this.turn++;
  }

  save(): ReaderState {
    const state: ReaderState = { v: 1, done: this.done, header: plain(this.header, this.headerRead) };
    if (this.inFrame) {
      state.frame = {
        opcode: this.opcode,
        fin: this.fin,
        length: this.length,
        read: this.got,
        mask: this.mask,
      };
      if (this.opcode >= Opcode.CLOSE) state.control = plain(this.control, this.got);
    }
    if (this.messageOpcode !== 0) {
      state.message = {
        opcode: this.messageOpcode,
        fragments: this.fragments,
        body: plain(this.body, this.size),
        utf8: this.utf8?.save(),
      };
    }
    return state;
  }

  /** Takes up a saved state. @throws handoffProtocol when its version is not 1 */
  restore(state: ReaderState): void {
    if (state.v !== 1) throw handoffProtocol({ reason: `codec state has version ${state.v}, expected 1` });
    this.done = state.done;
    this.headerRead = state.header.byteLength;
    if (this.headerRead > 0) {
      this.header = Buffer.alloc(MAX_HEADER);
      this.header.set(state.header);
    }
    const { frame, message } = state;
    if (message) {
      this.messageOpcode = message.opcode;
      this.fragments = message.fragments;
      this.body = Buffer.from(message.body);
      this.size = message.body.byteLength;
      this.utf8 = message.utf8 && new Utf8Check(message.utf8);
    }
    if (frame) {
      this.inFrame = true;
      this.opcode = frame.opcode;
      this.fin = frame.fin;
      this.length = frame.length;
      this.got = frame.read;
      this.mask = frame.mask;
      if (state.control) {
        this.control = Buffer.alloc(MAX_CONTROL_PAYLOAD);
        this.control.set(state.control);
      }
    }
  }

  private readHeader(chunk: Buffer): void {
    const at = this.position;
    if (this.headerRead === 0 && this.end - at >= 2) {
      const length = headerLength(chunk[at + 1]!);
      if (this.end - at >= length) {
        this.position = at + length;
        this.begin(chunk, at);
        return;
      }
    }
    this.header ??= Buffer.alloc(MAX_HEADER);
    this.header[this.headerRead++] = chunk[this.position++]!;
    if (this.headerRead >= 2 && this.headerRead === headerLength(this.header[1]!)) {
      const header = this.header;
      this.header = undefined;
      this.headerRead = 0;
      this.begin(header, 0);
    }
  }

  private begin(header: Buffer, at: number): void {
    const violation =
      this.takeHeader(header, at) ?? (this.opcode < Opcode.CLOSE ? this.takeData() : this.takeControl());
    if (violation) {
      this.fail(violation[0], violation[1]);
      return;
    }
    this.inFrame = true;
    if (this.length > 0) return;
    if (this.opcode < Opcode.CLOSE) this.endData();
    else this.endControl(EMPTY);
  }

  /** What every frame must keep to (§5.2). */
  private takeHeader(header: Buffer, at: number): Violation | undefined {
    const first = header[at]!;
    const second = header[at + 1]!;
    this.opcode = first & 0x0f;
    this.fin = first >= 0x80;
    if ((first & 0x70) !== 0) return [WireCode.PROTOCOL_ERROR, 'reserved bits are set'];
    if (second < 0x80) return [WireCode.PROTOCOL_ERROR, 'a client frame is not masked'];
    let length = second & 0x7f;
    let key = at + 2;
    if (length === 126) {
      length = header.readUInt16BE(at + 2);
      key = at + 4;
      if (length < 126) return NOT_MINIMAL;
    } else if (length === 127) {
      const high = header.readUInt32BE(at + 2);
      length = high * 2 ** 32 + header.readUInt32BE(at + 6);
      key = at + 10;
      if (high > 0x7fffffff) return [WireCode.PROTOCOL_ERROR, 'the highest bit of the length is set'];
      if (length < 65_536) return NOT_MINIMAL;
      if (high > 0x1fffff) return [WireCode.TOO_BIG, 'the length exceeds 2^53 - 1'];
    }
    this.mask = header.readInt32BE(key);
    this.length = length;
    this.got = 0;
    return undefined;
  }

  /** §5.5 */
  private takeControl(): Violation | undefined {
    if (this.opcode > Opcode.PONG) return [WireCode.PROTOCOL_ERROR, 'the opcode is reserved'];
    if (!this.fin) return [WireCode.PROTOCOL_ERROR, 'a control frame is fragmented'];
    if (this.length > MAX_CONTROL_PAYLOAD) return [WireCode.PROTOCOL_ERROR, 'a control frame is too long'];
    return undefined;
  }

  /** §5.4 and the limits. */
  private takeData(): Violation | undefined {
    const { maxPayload, maxFragments } = this.limits;
    if (this.opcode === Opcode.CONTINUATION) {
      if (this.messageOpcode === 0) return [WireCode.PROTOCOL_ERROR, 'there is no message to continue'];
    } else {
      if (this.opcode > Opcode.BINARY) return [WireCode.PROTOCOL_ERROR, 'the opcode is reserved'];
      if (this.messageOpcode !== 0) return [WireCode.PROTOCOL_ERROR, 'a message begins inside another'];
      this.messageOpcode = this.opcode;
      this.fragments = 0;
      this.size = 0;
    }
    if (++this.fragments > maxFragments && maxFragments > 0) {
      return [WireCode.POLICY, `a message has more than ${maxFragments} fragments`];
    }
    if (this.size + this.length > maxPayload && maxPayload > 0) {
      return [WireCode.TOO_BIG, `a message exceeds ${maxPayload} bytes`];
    }
    return undefined;
  }

  private readPayload(chunk: Buffer): void {
    const at = this.position;
    const left = this.length - this.got;
    const whole = this.end - at >= left;
    const taken = whole ? left : this.end - at;
    this.position = at + taken;
    if (this.opcode >= Opcode.CLOSE) {
      this.control ??= Buffer.allocUnsafe(MAX_CONTROL_PAYLOAD);
      unmask(chunk, at, this.control, this.got, taken, this.mask, this.got);
      this.got += taken;
      if (whole) this.endControl(copy(this.control, this.length));
      return;
    }
    if (whole && this.fin && this.size === 0) {
      const data = Buffer.allocUnsafe(taken);
      unmask(chunk, at, data, 0, taken, this.mask, 0);
      this.endWhole(data);
      return;
    }
    this.append(chunk, at, taken);
    if (whole && !this.done) this.endData();
  }

  /** A message that was in one frame, all of it in one chunk. */
  private endWhole(data: Buffer): void {
    const isBinary = this.messageOpcode === Opcode.BINARY;
    this.inFrame = false;
    this.messageOpcode = 0;
    if (isBinary || isUtf8(data)) this.sink.onMessage(data, isBinary);
    else this.fail(...NOT_UTF8);
  }

  private append(chunk: Buffer, at: number, taken: number): void {
    const need = this.size + taken;
    if (need > this.body.length) {
      const doubled = Math.max(need, 2 * this.size);
      const claimed = this.size + this.length - this.got;
      const grown = Buffer.allocUnsafe(this.fin ? Math.min(claimed, doubled + GROWTH) : doubled);
      this.body.copy(grown, 0, 0, this.size);
      this.body = grown;
    }
    unmask(chunk, at, this.body, this.size, taken, this.mask, this.got);
    this.got += taken;
    const before = this.size;
    this.size = need;
    if (this.messageOpcode !== Opcode.TEXT) return;
    this.utf8 ??= new Utf8Check();
    if (!this.utf8.push(this.body, before, need)) this.fail(...NOT_UTF8);
  }

  private endData(): void {
    this.inFrame = false;
    if (!this.fin) return;
    const data = this.body.length === this.size ? this.body : this.body.subarray(0, this.size);
    const isBinary = this.messageOpcode === Opcode.BINARY;
    const complete = this.utf8 === undefined || this.utf8.complete;
    this.messageOpcode = 0;
    this.size = 0;
    this.body = EMPTY;
    this.utf8 = undefined;
    if (complete) this.sink.onMessage(data, isBinary);
    else this.fail(WireCode.INVALID_TEXT, 'the text ends inside a character');
  }

  private endControl(data: Buffer): void {
    this.inFrame = false;
    this.control = undefined;
    if (this.opcode === Opcode.PING) this.sink.onPing(data);
    else if (this.opcode === Opcode.PONG) this.sink.onPong(data);
    else this.endClose(data);
  }

  /** §5.5.1: empty, or a code followed by a reason. */
  private endClose(data: Buffer): void {
    const code = data.length < 2 ? WireCode.NO_CODE : data.readUInt16BE(0);
    const reason = data.subarray(2);
    if (data.length === 1) this.fail(WireCode.PROTOCOL_ERROR, 'a close frame has one byte');
    else if (data.length > 0 && !isSendableCode(code))
      this.fail(WireCode.PROTOCOL_ERROR, `${code} is no close code`);
    else if (!isUtf8(reason)) this.fail(WireCode.INVALID_TEXT, 'the close reason is not UTF-8');
    else {
      this.finish();
      this.sink.onClose(code, reason);
    }
  }

  private fail(code: number, reason: string): void {
    this.finish();
    this.sink.onViolation(code, reason);
  }

  private finish(): void {
    this.done = true;
    this.inFrame = false;
    this.messageOpcode = 0;
    this.size = 0;
    this.body = EMPTY;
    this.utf8 = undefined;
    this.control = undefined;
  }
}

/** The first `length` bytes in memory of their own. */
function copy(bytes: Buffer | undefined, length: number): Buffer {
  return bytes === undefined || length === 0 ? EMPTY : Buffer.from(bytes.subarray(0, length));
}

/** The same, as it goes into a record: without the rest of the pool that a Buffer is cut from. */
function plain(bytes: Buffer | undefined, length: number): Uint8Array {
  return new Uint8Array(bytes?.subarray(0, length) ?? EMPTY);
}
