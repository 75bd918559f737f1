// One client's WebSocket. It stands where Colyseus expects a `ws` WebSocket (`client.ref`), and can be taken off
// its socket and put on again elsewhere between any two bytes.

import type { Socket } from 'node:net';
import { connectionGone, handoffUnsupported } from '../errors.ts';
import { counters } from '../telemetry/index.ts';
import { Closing, HURRIED_CLOSE_MS } from './closing.ts';
import { closePayload, FrameReader, type FrameSink, Opcode, WireCode } from './codec/index.ts';
import type { Endpoint } from './endpoint.ts';
import { type Inlet, type InletOwner, KernelInlet, StreamInlet } from './inlet.ts';
import { whyNoKernel } from './kernel.ts';
import { Output, type OutputOwner } from './output.ts';
import { assertVersion, type ConnectionRecord } from './record.ts';
import { EMPTY, ReadyState } from './state.ts';
import { StreamSink } from './stream-sink.ts';

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

export class Connection extends Closing implements FrameSink, OutputOwner, InletOwner {
  /** Colyseus keeps its listener for `close` here. */
  onleave: ((code: number) => void) | undefined;
  /** Of the process only; does not move. */
  shortcut: Shortcut | undefined;

  protected readonly endpoint: Endpoint;
  protected readonly reader: FrameReader;
  protected inlet: Inlet | undefined;
  protected output: Output | undefined;

  /** Neither read nor written: detached, or not resumed yet. */
  protected held = true;
  /** Detached: another process may have a copy of the descriptor, or be about to get one. */
  private away = false;
  /** Ended while it was away: its descriptor is closed once it is back. */
  private ending = false;
  /** Why it is not read for a while; written all the same. */
  private pauses: Set<unknown> | undefined;
  /** The chunk being read, as far as `chunkEnd`. */
  private chunk: Buffer | undefined;
  private chunkEnd = 0;
  private endSeen = false;
  /** The last of the pings that came while the peer did not read. */
  private unansweredPing: Buffer | undefined;

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
    this.speaker = undefined;
    if (!this.pauses) return;
    this.pauses = undefined;
    this.isRead();
    if (!this.held && !this.endSeen && this.readyState !== ReadyState.CLOSED) this.inlet?.start();
  }

  /** The client's room closes it. @returns whether it went back to its home instead */
  goHome(client: object, code: number | undefined, reason: string | undefined): boolean {
    return this.home !== undefined && this.endpoint.onLentLeft(client, code, reason);
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
    this.speaker = undefined;
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

  // --- what the output finds

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
}

function toBytes(data: Data): Uint8Array {
  return data instanceof Uint8Array ? data : Buffer.from(data as ArrayBuffer);
}

function rethrow(error: unknown): never {
  throw error;
}
