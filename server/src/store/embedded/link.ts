import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError, invalidRequest, storeUnavailable } from '../../errors.ts';
import type { Log } from '../../telemetry/index.ts';
import { Availability, CLOSED } from '../availability.ts';
import { backoff, refuse, unawaited } from '../promises.ts';
import {
  FrameReader,
  FrameWriter,
  frame,
  type Push,
  protocolVersion,
  type Reply,
  type WireError,
  wireLimits,
} from './wire.ts';

interface Pending {
  resolve: (result: any) => void;
  reject: (error: Error) => void;
  method: string;
  timeoutMs: number;
  /** performance.now() by which the answer is to be here. */
  until: number;
}

const maxPending = 100_000;
/** Checks of the connection, and of what waits for an answer, within one `timeoutMs`. */
const checksPerTimeout = 4;
/** Checks without a byte received, after which the store is asked for a sign of life … */
const quietChecks = 2;
/** … and after which the connection is given up. Counted, not timed: this process may have been stopped. */
const hopelessChecks = 20;

export interface LinkOptions {
  path: string;
  timeoutMs: number;
  log: Log;
  /** A message on a subscribed topic. */
  onPush: (topic: string, json: string) => void;
  /** Topics to subscribe to again on a new connection. */
  topics: () => Iterable<string>;
}

/**
 * A host's connection to the embedded store: pipelined requests, answers in any order, reconnects by itself.
 * Requests fail at once while it is away, and all that follow one that got no answer in time do, until the
 * store is heard of again.
 */
export class EmbeddedLink {
  readonly availability: Availability;
  readonly #o: LinkOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #closing = new AbortController();
  #socket: Socket | undefined;
  #writer: FrameWriter | undefined;
  /** Whether the present connection has been greeted and counts. */
  #established = false;
  #lastId = 0;
  #silentChecks = 0;
  #checks: NodeJS.Timeout | undefined;

  constructor(o: LinkOptions) {
    this.#o = o;
    this.availability = new Availability(o.path, o.log);
  }

  /** Connects once. After it resolved, lost connections are made again until `close`. */
  async open(): Promise<void> {
    const pause = Math.max(10, this.#o.timeoutMs / checksPerTimeout);
    this.#checks = setInterval(() => this.#check(), pause).unref();
    try {
      await this.#connect();
    } catch (error) {
      clearInterval(this.#checks);
      throw error;
    }
  }

  /** @param timeoutMs overrides the default; 0 waits for as long as the connection lasts */
  request<T>(method: string, args: unknown[], timeoutMs = this.#o.timeoutMs): Promise<T> {
    if (!this.availability.up) return refuse(this.#unavailable(this.#closed ? CLOSED : 'not connected'));
    if (this.#pending.size >= maxPending) return refuse(this.#unavailable('too many requests at a time'));
    return this.#send(method, args, timeoutMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#closing.abort();
    clearInterval(this.#checks);
    const socket = this.#socket;
    this.#writer?.flush();
    this.#forget(CLOSED);
    socket?.end();
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  #send<T>(method: string, args: unknown[], timeoutMs: number): Promise<T> {
    const id = ++this.#lastId;
    const writer = this.#writer!;
    return unawaited(
      new Promise<T>((resolve, reject) => {
        const framed = frame([id, method, args]);
        // The store would end the connection, and with it every request that waits for an answer.
        if (framed.length > wireLimits.request) {
          throw invalidRequest({ reason: `store: ${method} has ${framed.length} bytes` });
        }
        const until = timeoutMs > 0 ? performance.now() + timeoutMs : Number.POSITIVE_INFINITY;
        this.#pending.set(id, { resolve, reject, method, timeoutMs, until });
        writer.send(framed);
      }),
    );
  }

  async #connect(): Promise<void> {
    const socket = connect(this.#o.path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (error) => reject(this.#unavailable(error.message)));
    });
    if (this.#closed) {
      socket.destroy();
      throw this.#unavailable(CLOSED);
    }
    this.#attach(socket);
    try {
      await this.#greet();
    } catch (error) {
      socket.destroy();
      throw error;
    }
    if (this.#socket !== socket) throw this.#unavailable('connection closed');
    this.#established = true;
    this.availability.set(true);
  }

  #attach(socket: Socket): void {
    const reader = new FrameReader(wireLimits.reply, (message) => this.#receive(message as Reply | Push));
    let reason = 'connection closed';
    socket.on('error', (error) => {
      reason = error.message;
    });
    socket.on('close', () => {
      if (socket !== this.#socket) return;
      const lost = this.#established;
      this.#forget(reason);
      if (lost) void this.#reconnect();
    });
    socket.on('data', (chunk) => {
      this.#silentChecks = 0;
      if (this.#established) this.availability.set(true);
      try {
        reader.push(chunk as Buffer);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    this.#socket = socket;
    this.#writer = new FrameWriter(socket);
  }

  /** A connection counts once it has answered and has its subscriptions again. */
  async #greet(): Promise<void> {
    const { timeoutMs } = this.#o;
    await this.#send('hello', [protocolVersion], timeoutMs);
    const topics = [...this.#o.topics()];
    await Promise.all(topics.map((topic) => this.#send('subscribe', [topic], timeoutMs)));
  }

  #receive(message: Reply | Push): void {
    if (isPush(message)) {
      this.#o.onPush(message[1], message[2]);
      return;
    }
    const [id, result, error] = message;
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    if (error) pending.reject(revive(error));
    else pending.resolve(result);
  }

  #forget(reason: string): void {
    this.#socket = undefined;
    this.#writer = undefined;
    this.#established = false;
    this.#silentChecks = 0;
    this.availability.set(false, reason);
    for (const pending of this.#pending.values()) pending.reject(this.#unavailable(reason));
    this.#pending.clear();
  }

  async #reconnect(): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt++) {
      try {
        await delay(backoff(attempt), undefined, { signal: this.#closing.signal });
        return await this.#connect();
      } catch (error) {
        if (!this.#closed) this.#o.log.debug({ err: error, attempt }, 'embedded store still away');
      }
    }
  }

  #check(): void {
    // a process that was itself stalled gets here before it has read what arrived meanwhile
    if (this.#pending.size > 0) setImmediate(() => this.#expire());
    if (!this.#established) return;
    this.#silentChecks++;
    if (this.#silentChecks >= hopelessChecks) this.#socket?.destroy(new Error('no sign of life'));
    else if (this.#silentChecks === quietChecks) void this.#send('ping', [], this.#o.timeoutMs);
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, { method, timeoutMs, until, reject }] of this.#pending) {
      if (until > now) continue;
      this.#pending.delete(id);
      this.availability.set(false, `no answer within ${timeoutMs} ms`);
      reject(this.#unavailable(`no answer to ${method} within ${timeoutMs} ms`));
    }
  }

  #unavailable(reason: string): BatonError {
    return storeUnavailable({ url: this.#o.path, reason });
  }
}

function isPush(message: Reply | Push): message is Push {
  return message[0] === 0;
}

function revive(error: WireError): Error {
  if (error.code === undefined) return new Error(error.message);
  return BatonError.fromJSON({ ...error, code: error.code, status: error.status ?? 500 });
}
