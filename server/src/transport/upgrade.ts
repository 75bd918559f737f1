// An upgrade request between its arrival and its answer. It holds the bare descriptor, from which nothing is
// read meanwhile, so it can go to another process or be answered here.

import { Socket } from 'node:net';
import { connectionGone, handoffUnsupported } from '../errors.ts';
import type { PlainClient } from './client.ts';
import { type HeaderRecord, refusalResponse } from './handshake.ts';
import { type Kernel, whyNoKernel } from './kernel.ts';
import type { UpgradeRecord } from './record.ts';
import type { Target } from './target.ts';

/** An upgrade on its way to the host of its room. Exactly one of `done`, `reject` or a local answer ends it. */
export interface PendingUpgrade {
  readonly roomId: string;
  /** Path and query as the client sent them. */
  readonly url: string;
  /** How many processes had it before this one. */
  readonly hops: number;
  /**
   * What another process needs to answer it (`BatonTransport.acceptUpgrade`). The descriptor stays ours.
   * @throws handoffUnsupported, connectionGone when it has been answered already
   */
  detach(): { fd: number; record: UpgradeRecord };
  /** The other process does not have it after all: it may be answered here or handed over again. */
  undo(): void;
  /** The other process has it: closes our descriptor. */
  done(): void;
  /** Answers with an HTTP error and closes. */
  reject(status: number, reason: string): void;
}

/** An upgrade on a path that is not Colyseus' own, with its handshake and origin found good. */
export interface Arrival extends PendingUpgrade {
  readonly address: Target;
  readonly headers: HeaderRecord;
  /** Sub-protocols the client offers, in its order of preference. */
  readonly protocols: ReadonlySet<string>;
  readonly remoteAddress: string | undefined;
  /**
   * Completes the handshake; frames come as soon as the caller has returned.
   * @param protocol sub-protocol that was chosen; empty for none
   * @param held     the client is neither answered nor heard before its `ref.resume()`
   * @returns undefined when it was answered already
   */
  accept(sessionId: string, protocol: string, held?: boolean): PlainClient | undefined;
}

/** How long a refused client may take to read the answer. */
const LINGER_MS = 2_000;
const ignore = (): void => {};

export class Upgrade implements PendingUpgrade {
  roomId = '';
  readonly record: UpgradeRecord;
  private source: number | Socket | undefined;
  private away = false;
  private late = false;
  private readonly kernel: Kernel | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(source: number | Socket, record: UpgradeRecord, kernel: Kernel | undefined) {
    this.source = source;
    this.record = record;
    this.kernel = kernel;
    if (typeof source !== 'number') source.on('error', () => source.destroy());
  }

  get url(): string {
    return this.record.url;
  }

  get hops(): number {
    return this.record.hops;
  }

  /** Whether it still waits for its answer here. */
  get pending(): boolean {
    return this.source !== undefined && !this.away;
  }

  /** Unless it is answered by now, it must be within this time; then it is refused with 503. */
  limit(ms: number): void {
    if (this.source !== undefined) this.timer = setTimeout(() => this.expire(), ms).unref();
  }

  detach(): { fd: number; record: UpgradeRecord } {
    if (!this.kernel) throw handoffUnsupported({ platform: process.platform, reason: whyNoKernel() });
    if (!this.pending) throw connectionGone({ address: this.record.remoteAddress });
    this.away = true;
    return { fd: this.source as number, record: { ...this.record, hops: this.record.hops + 1 } };
  }

  undo(): void {
    this.away = false;
    if (this.late) this.expire();
  }

  done(): void {
    this.away = false;
    const source = this.take();
    if (typeof source === 'number') this.kernel!.close(source);
  }

  reject(status: number, reason: string): void {
    this.answer(refusalResponse({ status, reason }));
  }

  /** Sends a whole HTTP response and closes the connection. */
  answer(response: Buffer): void {
    const source = this.take();
    if (source === undefined) return;
    const socket = typeof source === 'number' ? new Socket({ fd: source }) : source;
    socket.on('error', ignore);
    socket.resume();
    socket.end(response);
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  /** The descriptor or socket, for whoever answers it; undefined when that has happened, or it is away. */
  take(): number | Socket | undefined {
    if (this.away) return undefined;
    const { source } = this;
    this.source = undefined;
    clearTimeout(this.timer);
    return source;
  }

  /** While it is with another process, that one's answer counts. */
  private expire(): void {
    this.late = true;
    if (this.pending) this.reject(503, 'The room could not be reached in time.');
  }
}
