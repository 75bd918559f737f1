// What a socket's functions are yet to be told, and what of its messages is yet to become a call. All of it moves with the
// socket's room.
import { isUtf8 } from 'node:buffer';
import type { Endpoint } from '../calls/index.ts';
import type { ReceiveEntry } from '../mappings/index.ts';
import { type Batch, type Criteria, ReceiveBuffer } from './receive/criteria.ts';

/** Past either of them a socket's client is not read until some calls are made … */
const MAX_WAITING_CALLS = 64;
const MAX_WAITING_BYTES = 64 * 1024;
/** … and what was read all the same may be so much; more closes it. One read brings 64 KiB: 10,922 empty messages. */
const MAX_OVERRUN_CALLS = 16_384;
const MAX_OVERRUN_BYTES = 1024 * 1024;

const TEXT_TYPE = 'text/plain; charset=utf-8';
const BINARY_TYPE = 'application/octet-stream';

/** A call that waits for those before it. */
export interface WaitingCall {
  type: 'receive' | 'linked' | 'unlinked' | 'close';
  endpoint: Endpoint;
  /** Which entry of the mapping's `receive` it is. */
  route?: number;
  /** Number of the client's request that it answers. */
  request?: number | undefined;
  contentType: string;
  body: Uint8Array;
}

/** Messages that wait for a criterion of their entry. */
interface Inbox {
  entry: ReceiveEntry;
  route: number;
  buffer: ReceiveBuffer;
  /** All of them are text. */
  text: boolean;
}

export class CallLine {
  /** Calls made so far, on whichever host. */
  made = 0;
  /** Of the mapping by which messages are sorted. */
  version = 0;
  private waiting: WaitingCall[] = [];
  private bytes = 0;
  private readonly inboxes: Inbox[] = [];

  /** Nothing waits for its turn. */
  get empty(): boolean {
    return this.waiting.length === 0;
  }

  /** As much waits as should. */
  get full(): boolean {
    return this.waiting.length >= MAX_WAITING_CALLS || this.bytes >= MAX_WAITING_BYTES;
  }

  /** More waits than may. */
  get overrun(): boolean {
    return this.waiting.length > MAX_OVERRUN_CALLS || this.bytes > MAX_OVERRUN_BYTES;
  }

  /** When `expire` is to be called, Date.now() ms. */
  get deadline(): number | undefined {
    let first: number | undefined;
    for (const { buffer } of this.inboxes) {
      if (buffer.deadline !== undefined && (first === undefined || buffer.deadline < first))
        first = buffer.deadline;
    }
    return first;
  }

  push(call: WaitingCall): void {
    this.waiting.push(call);
    this.bytes += call.body.length;
  }

  next(): WaitingCall | undefined {
    const call = this.waiting.shift();
    if (call) this.bytes -= call.body.length;
    return call;
  }

  /** Calls that were not made yet will not be. */
  clear(): void {
    this.waiting = [];
    this.bytes = 0;
    this.inboxes.length = 0;
  }

  /**
   * A message whose entry has criteria.
   * @returns false when more waits than may, and the mapping says that this closes the socket
   */
  receive(
    entry: ReceiveEntry,
    route: number,
    criteria: Criteria,
    message: { data: Uint8Array; text: boolean },
  ): boolean {
    const now = Date.now();
    let inbox = this.inboxes.find((known) => known.route === route);
    if (!inbox) {
      inbox = { entry, route, buffer: new ReceiveBuffer(criteria), text: true };
      this.inboxes.push(inbox);
    }
    const { buffer } = inbox;
    inbox.text = message.text && (inbox.text || buffer.empty);
    this.pushAll(inbox, buffer.push(message.data, now));
    if (buffer.overflown) {
      if (entry.overflow === 'close') return false;
      this.pushAll(inbox, buffer.overflow(now));
    }
    this.tidy();
    return true;
  }

  /** The time of those whose `every` is over has come. */
  expire(now: number): void {
    for (const inbox of this.inboxes) {
      const batch = inbox.buffer.expire(now);
      if (batch) this.pushAll(inbox, [batch]);
    }
    this.tidy();
  }

  /** What waits becomes calls; at the end of a socket only where the mapping says so. */
  flush(closing: boolean): void {
    for (const inbox of this.inboxes) {
      if (closing && inbox.entry.onClose === 'drop') continue;
      this.pushAll(inbox, [{ data: inbox.buffer.flush(), reason: 'overflow' }]);
    }
    this.inboxes.length = 0;
  }

  private pushAll({ entry, route, text }: Inbox, batches: Batch[]): void {
    for (const { data } of batches)
      this.push(receiveCall(entry, route, { data, text: text && isUtf8(data) }));
  }

  private tidy(): void {
    for (let i = this.inboxes.length - 1; i >= 0; i--) {
      if (this.inboxes[i]!.buffer.empty) this.inboxes.splice(i, 1);
    }
  }
}

/** @param message a copy */
export function receiveCall(
  entry: ReceiveEntry,
  route: number,
  { data, text }: { data: Uint8Array; text: boolean },
): WaitingCall {
  const contentType = entry.contentType ?? (text ? TEXT_TYPE : BINARY_TYPE);
  return { type: 'receive', endpoint: entry, route, contentType, body: data };
}
