// The answering end of a connection: runs handlers and sends back what they return or throw.

import { BatonError, handoffProtocol, handoffTooLarge } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import { Channel } from './channel.ts';
import type { Message } from './inbox.ts';
import type { Credentials } from './libc.ts';
import { decodeCall, encode, encodeFailure } from './messages.ts';
import type { Fd } from './native.ts';
import { addressOf, closeAll } from './packets.ts';
import { checkPath } from './socket-file.ts';
import { TYPE } from './wire.ts';

export interface PeerInfo {
  pid: number;
  uid: number;
  /** Where the peer itself listens. */
  path?: string;
}

/**
 * @param fds the handler's own. If it throws or rejects, the descriptors still in this array are closed for it: take
 *            those out that it has closed or given away before.
 */
export type PeerHandler = (payload: unknown, fds: Fd[], peer: PeerInfo) => unknown | Promise<unknown>;

export interface CalleeOptions {
  handlers: ReadonlyMap<string, PeerHandler>;
  log: Log;
  /** Bytes of one message, both ways; answers that wait together may have twice that. */
  limit: number;
  ended(byPeer: boolean): void;
}

export class Callee {
  readonly #options: CalleeOptions;
  readonly #channel: Channel;
  readonly #peer: PeerInfo;
  #running = 0;

  constructor(fd: Fd, credentials: Credentials, options: CalleeOptions) {
    this.#options = options;
    this.#peer = { pid: credentials.pid, uid: credentials.uid };
    this.#channel = new Channel(fd, 'callee', options.limit, {
      message: (message) => this.#received(message),
      refused: ({ id, refused }) => this.#fail(id, '', refused),
      delivered: () => {},
      unsendable: () => {},
      ended: ({ byPeer, reason, error }) => {
        if (error)
          options.log.warn({ peer: this.#peer, code: error.code, reason }, 'closed a handoff connection');
        options.ended(byPeer);
      },
    });
  }

  /** Where the peer listens, once it has said so. */
  get path(): string | undefined {
    return this.#peer.path;
  }

  /** No handler runs and every answer is with the kernel. */
  get idle(): boolean {
    return !this.#channel.open || (this.#running === 0 && this.#channel.idle);
  }

  close(reason: string): void {
    this.#channel.sever(reason);
  }

  #received(message: Message): void {
    if (message.type === TYPE.hello) this.#hello(message.body);
    else void this.#run(message);
  }

  #hello(body: Buffer): void {
    try {
      const path = body.toString();
      checkPath(path);
      if (this.#peer.path !== undefined) throw handoffProtocol({ reason: 'a second hello' });
      this.#peer.path = path;
    } catch (error) {
      this.#channel.sever('a bad hello', error as BatonError);
    }
  }

  async #run({ id, body, fds }: Message): Promise<void> {
    this.#running += 1;
    let method = '';
    try {
      const call = decodeCall(body);
      method = call.method;
      const handler = this.#options.handlers.get(method);
      if (!handler)
        throw handoffProtocol({ reason: `no handler for ${JSON.stringify(method.slice(0, 100))}` });
      this.#answer(id, method, await handler(call.payload, fds, this.#peer));
    } catch (error) {
      closeAll(fds);
      if (!(error instanceof BatonError))
        this.#options.log.error({ err: error, method }, 'a handoff handler failed');
      this.#fail(id, method, error);
    } finally {
      this.#running -= 1;
    }
  }

  /** The handler succeeded: an answer that cannot be sent is an error, but its descriptors are not ours any more. */
  #answer(id: number, method: string, value: unknown): void {
    try {
      const body = encode(value);
      const { limit } = this.#options;
      if (body.length > limit || this.#channel.queuedBytes + body.length > 2 * limit) {
        throw handoffTooLarge({ bytes: body.length, limit, delivered: true });
      }
      this.#channel.send({ type: TYPE.answer, id, body, address: addressOf(body), fds: [] });
    } catch (error) {
      this.#fail(id, method, error);
    }
  }

  #fail(id: number, method: string, error: unknown): void {
    const body = encodeFailure(error, method);
    this.#channel.send({ type: TYPE.failure, id, body, address: addressOf(body), fds: [] });
  }
}
