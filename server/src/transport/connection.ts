// One client's WebSocket. It stands where Colyseus expects a `ws` WebSocket (`client.ref`), and can be taken off
// its socket and put on again elsewhere between any two bytes.

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { connectionGone, handoffUnsupported } from '../errors.ts';
import { counters } from '../telemetry/index.ts';
import {
  closePayload,
  encodeFrame,
  FrameReader,
  type FrameSink,
  isSendableCode,
  Opcode,
  WireCode,
} from './codec/index.ts';
import type { Endpoint } from './endpoint.ts';
import { type Inlet, type InletOwner, KernelInlet, StreamInlet } from './inlet.ts';
import { whyNoKernel } from './kernel.ts';
import { Output, type OutputOwner } from './output.ts';
import { assertVersion, type ConnectionRecord } from './record.ts';
import { StreamSink } from './stream-sink.ts';

/** WebSocket.readyState; a connection begins open, because it begins after its handshake. */
export const ReadyState = { OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;

export interface SendOptions {
  /** Whether the frame is binary; by default it is unless `data` is a string. */
  binary?: boolean;
}

/** What may be sent; an array has one number per byte. */
export type Data = Uint8Array | ArrayBuffer | string | readonly number[];
type Done = (error?: Error) => void;

/** Takes messages before any listener does. */
export interface Shortcut {
  /** @param data valid until the next turn only @returns whether it has taken the message */
  take(data: Buffer, isBinary: boolean): boolean;
}

const EMPTY = Buffer.alloc(0);
/** A peer that broke the protocol or reads too slowly has this long to take notice of its close frame. */
const HURRIED_CLOSE_MS = 5_000;

export class Connection extends EventEmitter implements FrameSink, OutputOwner, InletOwner {
  /** Colyseus keeps its listener for `close` here. */
  onleave: ((code: number) => void) | undefined;
  readyState: number = ReadyState.OPEN;
  /** The sub-protocol that was agreed on; empty when none. */
  protocol = '';
  remoteAddress: string | undefined;
  /** Id of the room to which it goes back when the one that it was lent to is done with it. */
  home: string | undefined;
  /** Of the process only; does not move. */
  shortcut: Shortcut | undefined;
  /** How long the peer was not read although it may have spoken, in milliseconds; whoever counts that sets it back. */
  unreadMs = 0;
  /** Pings sent since the last pong. */
  pingCount = 0;
  /** Bytes taken from the kernel since the upgrade. */
  bytesIn = 0;

  private readonly endpoint: Endpoint;
  private readonly reader: FrameReader;
  private inlet: Inlet | undefined;
  private output: Output | undefined;

  /** Neither read nor written: detached, or not resumed yet. */
  private held = true;
  /** Detached: another process may have a copy of the descriptor, or be about to get one. */
  private away = false;
  /** Ended while it was away: its descriptor is closed once it is back. */
  private ending = false;
  /** Why it is not read for a while; written all the same. */
  private pauses: Set<unknown> | undefined;
  /** Since when it is not read, Date.now() ms; 0 while it is. */
  private unreadFrom = 0;
  /** The chunk being read, as far as `chunkEnd`. */
  private chunk: Buffer | undefined;
  private chunkEnd = 0;
  /** Bytes taken from the kernel that the reader has not seen. */
  private input: Buffer = EMPTY;
  private endSeen = false;

  /** Bytes the room keeps for a client that has not said yet that it joined. */
  private kept = 0;
  /** The last of the pings that came while the peer did not read. */
  private unansweredPing: Buffer | undefined;

  private closeSent = false;
  private closeReceived = false;
  private ended = false;
  private closeCode: number = WireCode.ABNORMAL;
  private closeReason: Buffer = EMPTY;
  private closeTimer: NodeJS.Timeout | undefined;
  /** Milliseconds left for the closing handshake when `held`, else the time (performance.now) it ends at. */
  private closeLimit: number | undefined;

  private constructor(endpoint: Endpoint) {
    super();
    this.endpoint = endpoint;
    this.reader = new FrameReader(endpoint.limits, this);
  }

  /**
   * A connection that is about to be upgraded. Neither reads nor writes before `resume`.
   * @param head bytes that came behind the upgrade request
   */
  static open(endpoint: Endpoint, source: number | Socket, head: Uint8Array): Connection {
    const connection = new Connection(endpoint);
    connection.attach(source);
    connection.input = Buffer.from(head);
    connection.bytesIn = head.byteLength;
    counters.connectionsOpened++;
    return connection;
  }

  /** A connection that another process detached. Neither reads nor writes before `resume`. */
  static adopt(endpoint: Endpoint, fd: number, record: ConnectionRecord): Connection {
    assertVersion(record, 'a connection record');
    const connection = new Connection(endpoint);
    connection.restore(record);
    if (record.readyState !== ReadyState.CLOSED) connection.attach(fd);
    connection.output?.restore(record.output, record.bytesOut);
    return connection;
  }

  /** A connection that is over, for a client that is away. */
  static absent(endpoint: Endpoint): Connection {
    const connection = new Connection(endpoint);
    connection.readyState = ReadyState.CLOSED;
    return connection;
  }

  get OPEN(): number {
    return ReadyState.OPEN;
  }
  get CLOSING(): number {
    return ReadyState.CLOSING;
  }
  get CLOSED(): number {
    return ReadyState.CLOSED;
  }
  /** Bytes handed in and not accepted by the kernel. */
  get bufferedAmount(): number {
    return this.output?.pending ?? 0;
  }
  /** Whether the kernel takes no more of what is sent at present. */
  get blocked(): boolean {
    return this.output?.blocked ?? false;
  }
  /** Bytes accepted by the kernel, the response to the upgrade counted. */
  get bytesOut(): number {
    return this.output?.accepted ?? 0;
  }
  /** Whether `detach` would succeed: the socket is there, and the peer has not ended its side. */
  get detachable(): boolean {
    return this.endpoint.kernel !== undefined && !this.held && !this.endSeen && (this.inlet?.fd ?? -1) >= 0;
  }

  /** Sends one message. `data` may be overwritten afterwards. When not open it is dropped, as `ws` does. */
  send(data: Data, options?: SendOptions | Done, done?: Done): void {
    if (typeof options === 'function') {
      done = options;
      options = undefined;
    }
    if (this.readyState !== ReadyState.OPEN) {
      if (done) process.nextTick(done, new Error(`WebSocket is not open: readyState ${this.readyState}`));
      return;
    }
    counters.messagesOut++;
    const isText = options?.binary === undefined ? typeof data === 'string' : !options.binary;
    this.output!.send(isText ? Opcode.TEXT : Opcode.BINARY, toBytes(data));
    if (done) this.whenWritten(done);
  }

  /**
   * Whether the room may keep `bytes` more until the client says that it has joined; one that never does is closed
   * like a slow reader.
   */
  mayKeep(bytes: number): boolean {
    if (this.readyState !== ReadyState.OPEN) return false;
    const first = this.kept === 0;
    this.kept += bytes;
    if (first || this.kept <= this.endpoint.maxBufferedOutput) return true;
    if (this.endpoint.slowReader === 'terminate') this.terminate();
    else {
      this.closeCode = WireCode.TRY_AGAIN_LATER;
      this.sendClose(closePayload(WireCode.TRY_AGAIN_LATER, 'joins too slowly'), HURRIED_CLOSE_MS);
    }
    return false;
  }

  /** Another room's client has it from now on: reasons of the last one not to read it do not count any more. */
  lend(home: string | undefined): void {
    this.home = home;
    this.kept = 0;
    this.shortcut = undefined;
    if (!this.pauses) return;
    this.pauses = undefined;
    this.isRead();
    if (!this.held && !this.endSeen && this.readyState !== ReadyState.CLOSED) this.inlet?.start();
  }

  /** The client's room closes it. @returns whether it went back to its home instead */
  goHome(client: object, code: number | undefined, reason: string | undefined): boolean {
    return this.home !== undefined && this.endpoint.onLentLeft(client, code, reason);
  }

  /** Begins the closing handshake (RFC 6455 §7.1.2). @throws TypeError for a code that may not be sent */
  close(code?: number, reason?: string | Uint8Array): void {
    if (code !== undefined && !isSendableCode(code)) throw new TypeError(`${code} is not a valid close code`);
    if (this.readyState === ReadyState.OPEN) this.sendClose(closePayload(code, reason));
  }

  /** Sends a ping; the peer's pong resets `pingCount`. */
  ping(data: Data = EMPTY): void {
    if (this.readyState === ReadyState.OPEN) this.output!.send(Opcode.PING, toBytes(data));
  }

  pong(data: Data = EMPTY): void {
    if (this.readyState === ReadyState.OPEN) this.output!.send(Opcode.PONG, toBytes(data));
  }

  /** Calls back when the kernel has taken all that was sent so far, or when it never will. */
  whenWritten(done: Done): void {
    if (this.output) this.output.whenAccepted(done);
    else process.nextTick(done);
  }

  /** Ends the connection without a handshake; `close` follows, with 1006. */
  terminate(): void {
    if (this.readyState === ReadyState.CLOSED) return;
    this.drop();
  }

  /** One beat of the transport's interval: a ping, or the end of a peer that left `retries` of them unanswered. */
  beat(retries: number): void {
    if (this.held || this.pauses) return; // pongs are not read either
    if (this.readyState !== ReadyState.OPEN) return; // the closing handshake has a time of its own
    if (this.pingCount >= retries) {
      this.terminate();
      return;
    }
    this.pingCount++;
    this.ping();
  }

  /** Sends bytes that are no frame: the response to the upgrade. */
  sendResponse(bytes: Buffer): void {
    this.output!.push(bytes);
  }

  /** Reads and writes from now on; first what was read before, but not seen. */
  resume(): void {
    if (!this.held || this.readyState === ReadyState.CLOSED) return;
    this.held = false;
    this.pauses = undefined;
    this.isRead();
    this.away = false;
    if (this.ending) {
      this.inlet!.destroy();
      return;
    }
    this.output!.release();
    if (this.closeLimit !== undefined) this.limitClosing(this.closeLimit);
    const { input } = this;
    this.input = EMPTY;
    if (input.byteLength > 0) this.deliver(input, input.byteLength);
    if (this.held || this.readyState === ReadyState.CLOSED) return;
    if (this.endSeen) this.drop();
    else this.inlet!.start();
    this.finishClosing();
  }

  /**
   * Takes nothing more from the kernel until `resumeReading` was called for each reason, or the connection was moved or
   * reattached; messages that were read already still come.
   * @returns whether the reason is a new one
   */
  pauseReading(reason: unknown): boolean {
    if (this.held || this.readyState === ReadyState.CLOSED || this.pauses?.has(reason)) return false;
    if (!this.pauses) {
      this.inlet?.stop();
      this.unreadFrom = Date.now();
    }
    (this.pauses ??= new Set()).add(reason);
    return true;
  }

  /** Whether what the peer sends is left in the kernel for now. */
  get paused(): boolean {
    return this.pauses !== undefined;
  }

  resumeReading(reason: unknown): void {
    if (!this.pauses?.delete(reason) || this.pauses.size > 0) return;
    this.pauses = undefined;
    this.isRead();
    if (!this.held && !this.endSeen && this.readyState !== ReadyState.CLOSED) this.inlet?.start();
  }

  /**
   * Stops reading and writing at once, also from inside a `message` listener.
   * @returns the descriptor, which stays this connection's until `forget`, and everything that is not in the kernel
   * @throws handoffUnsupported, connectionGone
   */
  detach(): { fd: number; record: ConnectionRecord } {
    if (!this.endpoint.kernel) {
      throw handoffUnsupported({ platform: process.platform, reason: whyNoKernel() });
    }
    this.answerPing();
    if (!this.detachable) throw connectionGone({ address: this.remoteAddress });
    this.held = true;
    this.inlet!.stop();
    this.reader.stop();
    if (this.chunk) this.input = Buffer.from(this.chunk.subarray(this.reader.position, this.chunkEnd));
    this.chunk = undefined;
    this.output!.hold();
    // Writing what was corked may have found the peer gone.
    if (this.inlet!.fd < 0) throw connectionGone({ address: this.remoteAddress });
    this.away = true;
    this.unreadFrom ||= Date.now();
    if (this.closeLimit !== undefined) this.closeLimit = Math.max(0, this.closeLimit - performance.now());
    clearTimeout(this.closeTimer);
    return { fd: this.inlet!.fd, record: this.save() };
  }

  /** Another process has the connection: closes this one's descriptor without a word to the peer or listeners. */
  forget(): void {
    this.removeAllListeners();
    this.readyState = ReadyState.CLOSED;
    this.output?.close();
    this.inlet?.forget();
    this.inlet = undefined;
    this.endpoint.onGone(this);
  }

  // --- what the socket reads

  onBytes(chunk: Buffer, length: number): void {
    this.bytesIn += length;
    counters.bytesIn += length;
    this.deliver(chunk, length);
  }

  onEnd(): void {
    this.endSeen = true;
    if (!this.held) this.drop();
  }

  onFailed(): void {
    this.drop();
  }

  onClosed(): void {
    if (this.readyState === ReadyState.CLOSED) return;
    this.drop();
    this.readyState = ReadyState.CLOSED;
    this.endpoint.onGone(this);
    this.emit('close', this.closeCode, this.closeReason);
    if (this.home !== undefined) this.endpoint.onLentClosed(this, this.closeCode);
  }

  // --- what the reader finds in it

  onMessage(data: Buffer, isBinary: boolean): void {
    counters.messagesIn++;
    if (this.shortcut?.take(data, isBinary)) return;
    this.emit('message', data, isBinary);
  }

  /** RFC 6455 §5.5.3: of pings that came before the answer, only the last one has to be answered. */
  onPing(data: Buffer): void {
    if (this.output!.blocked) this.unansweredPing = data;
    else this.pong(data);
    this.emit('ping', data);
  }

  onPong(data: Buffer): void {
    this.pingCount = 0;
    this.emit('pong', data);
  }

  /** RFC 6455 §5.5.1: answered with the same code; the server then closes the TCP connection (§7.1.1). */
  onClose(code: number, reason: Buffer): void {
    this.closeReceived = true;
    this.closeCode = code;
    this.closeReason = reason;
    if (!this.closeSent) this.sendClose(closePayload(code === WireCode.NO_CODE ? undefined : code, reason));
    this.finishClosing();
  }

  onViolation(code: number, reason: string): void {
    this.closeCode = code;
    if (!this.closeSent) this.sendClose(closePayload(code, reason), HURRIED_CLOSE_MS);
    const error = new Error(`Invalid WebSocket frame: ${reason}`);
    this.endpoint.onViolation(error);
    if (this.listenerCount('error') > 0) this.emit('error', error);
    this.finishClosing();
  }

  // --- what the output finds

  onSlowReader(): void {
    if (this.endpoint.slowReader === 'terminate' || this.closeSent) {
      this.terminate();
      return;
    }
    this.closeCode = WireCode.TRY_AGAIN_LATER;
    this.closeSent = true;
    this.readyState = ReadyState.CLOSING;
    this.output!.seal(encodeFrame(Opcode.CLOSE, closePayload(WireCode.TRY_AGAIN_LATER, 'reads too slowly')));
    this.limitClosing(HURRIED_CLOSE_MS);
  }

  onWriteFailed(): void {
    this.drop();
  }

  onDrained(): void {
    this.answerPing();
    this.finishClosing();
  }

  private isRead(): void {
    if (this.unreadFrom === 0) return;
    this.unreadMs += Math.max(0, Date.now() - this.unreadFrom);
    this.unreadFrom = 0;
  }

  private answerPing(): void {
    const data = this.unansweredPing;
    this.unansweredPing = undefined;
    if (data) this.pong(data);
  }

  private attach(source: number | Socket): void {
    const { kernel, outbox, maxBufferedOutput } = this.endpoint;
    const bare = typeof source === 'number';
    this.inlet = bare ? new KernelInlet(source, kernel!, this) : new StreamInlet(source, this);
    const sink = bare ? kernel! : new StreamSink(source);
    this.output = new Output(sink, this.inlet.fd, outbox, this, maxBufferedOutput);
    this.output.hold();
  }

  /** Frames that listeners send meanwhile go out together at the end. */
  private deliver(chunk: Buffer, length: number): void {
    const { outbox } = this.endpoint;
    this.chunk = chunk;
    this.chunkEnd = length;
    outbox.cork();
    let at = 0;
    while (this.chunk === chunk) {
      try {
        this.reader.read(chunk, at, length);
        break;
      } catch (error) {
        // A listener threw. That is the process' affair, and no reason to lose the frames behind.
        process.nextTick(rethrow, error);
        at = this.reader.position;
      }
    }
    if (this.chunk === chunk) this.chunk = undefined;
    outbox.uncork();
    if (!this.closeSent) return;
    // The answer to a close frame leaves the cork now, whoever else still holds it.
    this.output?.flushCorked();
    this.finishClosing();
  }

  private sendClose(payload: Buffer, withinMs = this.endpoint.closeTimeoutMs): void {
    this.readyState = ReadyState.CLOSING;
    this.closeSent = true;
    this.output!.send(Opcode.CLOSE, payload);
    this.limitClosing(withinMs);
  }

  /** Both sides said what they had to say, and the kernel has it: ends our side, and waits for the peer's end. */
  private finishClosing(): void {
    if (this.ended || this.held || !this.closeSent || !(this.closeReceived || this.reader.finished)) return;
    if (this.output!.pending > 0 || !this.inlet) return;
    this.ended = true;
    this.inlet.end();
  }

  private limitClosing(ms: number): void {
    ms = Math.min(ms, this.endpoint.closeTimeoutMs);
    this.closeLimit = this.held ? ms : performance.now() + ms;
    clearTimeout(this.closeTimer);
    if (!this.held) this.closeTimer = setTimeout(() => this.terminate(), ms).unref();
  }

  /** Closes the descriptor; nothing is read, written or delivered any more. `onClosed` follows. */
  private drop(): void {
    if (this.readyState === ReadyState.OPEN) this.readyState = ReadyState.CLOSING;
    clearTimeout(this.closeTimer);
    this.chunk = undefined;
    this.reader.stop();
    this.output?.close(new Error('The connection was closed.'));
    if (this.away) this.ending = true;
    else this.inlet?.destroy();
  }

  private save(): ConnectionRecord {
    const record: ConnectionRecord = {
      v: 1,
      readyState: this.readyState,
      reader: this.reader.save(),
      input: new Uint8Array(this.input),
      output: this.output!.unsent(),
      bytesIn: this.bytesIn,
      bytesOut: this.output!.accepted,
      close: {
        sent: this.closeSent,
        received: this.closeReceived,
        ended: this.ended,
        code: this.closeCode,
        reason: new Uint8Array(this.closeReason),
        leftMs: this.closeLimit,
      },
      pingCount: this.pingCount,
      kept: this.kept,
      unreadFrom: this.unreadFrom && this.unreadFrom - this.unreadMs,
      remoteAddress: this.remoteAddress,
      protocol: this.protocol,
      home: this.home,
    };
    return record;
  }

  private restore(record: ConnectionRecord): void {
    const { close } = record;
    this.reader.restore(record.reader);
    this.readyState = record.readyState;
    this.input = Buffer.from(record.input);
    this.bytesIn = record.bytesIn;
    this.closeSent = close.sent;
    this.closeReceived = close.received;
    this.ended = close.ended;
    this.closeCode = close.code;
    this.closeReason = Buffer.from(close.reason);
    this.closeLimit = close.leftMs;
    this.pingCount = record.pingCount;
    this.kept = record.kept;
    this.unreadFrom = record.unreadFrom;
    this.remoteAddress = record.remoteAddress;
    this.protocol = record.protocol;
    this.home = record.home;
  }
}

function toBytes(data: Data): Uint8Array {
  return data instanceof Uint8Array ? data : Buffer.from(data as ArrayBuffer);
}

function rethrow(error: unknown): never {
  throw error;
}
