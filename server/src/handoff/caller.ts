// The calling end of a connection: numbers calls, matches answers, and says of each call that fails whether it reached
// the peer.

import {
  type BatonError,
  handoffPeerGone,
  handoffProtocol,
  handoffTimeout,
  handoffTooLarge,
} from '../errors.ts';
import { Channel } from './channel.ts';
import type { Message, Refusal } from './inbox.ts';
import { decode, decodeFailure, encode } from './messages.ts';
import { type Fd, pinned } from './native.ts';
import { addressOf } from './packets.ts';
import { MAX_MESSAGE_FDS, TYPE } from './wire.ts';

interface Pending {
  method: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
  ms: number;
  delivered: boolean;
  timedOut: boolean;
}

export interface CallerOptions {
  /** The peer's path, for errors. */
  peer: string;
  /** Our own path: tells the peer who calls. */
  path: string;
  /** Bytes of one message, both ways; waiting calls together may have twice that. */
  limit: number;
  ended(byPeer: boolean): void;
}

const MAX_ID = 0xffff_ffff;

export class Caller {
  readonly #options: CallerOptions;
  readonly #channel: Channel;
  readonly #pending = new Map<number, Pending>();
  #id = 0;

  constructor(fd: Fd, options: CallerOptions) {
    this.#options = options;
    this.#channel = new Channel(fd, 'caller', options.limit, {
      message: (message) => this.#answered(message),
      refused: (refusal) => this.#refused(refusal),
      delivered: (id) => {
        const pending = this.#pending.get(id);
        if (pending) pending.delivered = true;
      },
      unsendable: (id) => {
        this.#take(id)?.reject(
          handoffProtocol({ reason: 'it names a descriptor that is not open', delivered: false }),
        );
      },
      ended: ({ byPeer, reason, error }) => this.#ended(byPeer, reason, error),
    });
    const hello = pinned(Buffer.byteLength(options.path));
    hello.write(options.path);
    this.#send(TYPE.hello, this.#nextId(), hello, []);
  }

  get open(): boolean {
    return this.#channel.open;
  }

  /** Whether the peer ever said anything. */
  get heard(): boolean {
    return this.#channel.heard;
  }

  /** Rejects at once when the message is over the limit or too much waits already. */
  call(method: string, payload: unknown, fds: readonly Fd[], ms: number): Promise<unknown> {
    const body = encode([method, payload]);
    const { limit } = this.#options;
    if (body.length > limit) throw handoffTooLarge({ bytes: body.length, limit, delivered: false });
    if (this.#channel.queuedBytes + body.length > 2 * limit) {
      const bytes = this.#channel.queuedBytes + body.length;
      throw handoffTooLarge({ bytes, limit: 2 * limit, delivered: false });
    }
    if (fds.length > MAX_MESSAGE_FDS)
      throw handoffProtocol({ reason: `${fds.length} descriptors`, delivered: false });
    const id = this.#nextId();
    return new Promise((resolve, reject) => {
      // In a process that was busy, what arrived meanwhile is read before the call is given up.
      const timer = setTimeout(() => setImmediate(() => this.#expire(id)), ms);
      this.#pending.set(id, { method, resolve, reject, timer, ms, delivered: false, timedOut: false });
      this.#send(TYPE.call, id, body, [...fds]);
    });
  }

  /** Ends the connection; calls in flight reject with what is known of them. */
  close(reason: string): void {
    this.#channel.sever(reason);
  }

  #send(type: typeof TYPE.hello | typeof TYPE.call, id: number, body: Buffer, fds: readonly Fd[]): void {
    this.#channel.send({ type, id, body, address: addressOf(body), fds });
  }

  #nextId(): number {
    do {
      this.#id = this.#id === MAX_ID ? 1 : this.#id + 1;
    } while (this.#pending.has(this.#id));
    return this.#id;
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (!pending) return undefined;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    return pending;
  }

  #answered(message: Message): void {
    // The peer may have refused a message of which it has only a part; nothing more of it needs to be sent.
    this.#channel.remove(message.id);
    const pending = this.#take(message.id);
    if (!pending) return; // It timed out meanwhile.
    try {
      if (message.type === TYPE.answer) pending.resolve(decode(message.body));
      else pending.reject(decodeFailure(message.body));
    } catch (error) {
      pending.reject(error as Error);
    }
  }

  /** The answer is larger than we take. */
  #refused({ id, refused }: Refusal): void {
    refused.details['delivered'] = true;
    this.#take(id)?.reject(refused);
  }

  #expire(id: number): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    pending.timedOut = true;
    // All of it is with the kernel and the peer may still read it: only ending the connection makes sure of either.
    if (this.#channel.remove(id) === 'sent' && !pending.delivered)
      this.#channel.sever('a call was not acknowledged');
    this.#take(id)?.reject(this.#timeout(pending));
  }

  #timeout({ method, ms, delivered }: Pending): BatonError {
    return handoffTimeout({ peer: this.#options.peer, method, ms, delivered });
  }

  #ended(byPeer: boolean, reason: string, error?: BatonError): void {
    for (const id of [...this.#pending.keys()]) {
      const pending = this.#take(id)!;
      const { method, delivered } = pending;
      const details = { peer: this.#options.peer, method, reason, delivered };
      pending.reject(pending.timedOut ? this.#timeout(pending) : handoffPeerGone(details, error));
    }
    this.#options.ended(byPeer);
  }
}
