// A player's client as rooms see it: same fields and behaviour as ws-transport's WebSocketClient.

import {
  type Client,
  type ClientPrivate,
  ClientState,
  debugMessage,
  enqueueClientRaw,
  getMessageBytes,
  type ISendOptions,
  logger,
  Protocol,
} from '@colyseus/core';
import { MAX_CLOSE_REASON } from './codec/index.ts';
import type { Connection } from './connection.ts';

const BINARY = { binary: true };

export class BatonClient implements Client, ClientPrivate {
  '~messages': any;

  id: string;
  ref: Connection;
  sessionId: string;
  state: ClientState;
  // Set by the room's seat reservation before anyone reads it.
  reconnectionToken!: string;
  auth: any;
  userData: any;
  view: any;

  _reconnectionToken!: string;
  _joinedAt!: number;
  _numMessagesLastSecond: number;
  _messageCountResetsAt: number;
  _lastMessageTime: number;
  _pendingFrames: Uint8Array[] | undefined;
  _pendingFrameClients: any[] | undefined;
  _input: any;
  _inputDecoder: any;
  _inputBuffer: any;
  _inputAccessor: any;
  _reckonBaseline: number | undefined;
  private queue: any[] | undefined;

  /** Everything a room sets on a client has its place from the start. */
  constructor(id: string, ref: Connection) {
    this.id = id;
    this.ref = ref;
    this.sessionId = id;
    this.state = ClientState.JOINING;
    this.reconnectionToken = undefined!;
    this.auth = undefined;
    this.userData = undefined;
    this.view = undefined;
    this._reconnectionToken = undefined!;
    this._joinedAt = undefined!;
    this._numMessagesLastSecond = 0;
    this._messageCountResetsAt = 0;
    this._lastMessageTime = 0;
    this._pendingFrames = undefined;
    this._pendingFrameClients = undefined;
    this._input = undefined;
    this._inputDecoder = undefined;
    this._inputBuffer = undefined;
    this._inputAccessor = undefined;
    this._reckonBaseline = undefined;
    this.queue = [];
  }

  /**
   * What was sent before the client has joined. The room sends it then, and deletes it: of an accessor nothing can be
   * deleted, so the object does not become a hash table, which would cost every access and 800 bytes a client.
   */
  get _enqueuedMessages(): any[] | undefined {
    if (this.state === ClientState.JOINED && this.queue) queueMicrotask(() => this.joined());
    return this.queue;
  }

  set _enqueuedMessages(queue: any[] | undefined) {
    this.queue = queue;
  }

  sendBytes(type: string | number, bytes: Buffer | Uint8Array, options?: ISendOptions): void {
    debugMessage("send bytes(to %s): '%s' -> %j", this.sessionId, type, bytes);
    this.enqueueRaw(getMessageBytes.raw(Protocol.ROOM_DATA_BYTES, type, undefined, bytes), options);
  }

  send(messageOrType: any, messageOrOptions?: any, options?: ISendOptions): void {
    debugMessage("send(to %s): '%s' -> %j", this.sessionId, messageOrType, messageOrOptions);
    this.enqueueRaw(getMessageBytes.raw(Protocol.ROOM_DATA, messageOrType, messageOrOptions), options);
  }

  enqueueRaw(data: Uint8Array | Buffer, options?: ISendOptions): void {
    if (this.state !== ClientState.JOINED && !this.ref.mayKeep(data.byteLength)) return;
    enqueueClientRaw(this, data, options);
  }

  raw(data: Uint8Array | Buffer, _options?: ISendOptions, cb?: (err?: Error) => void): void {
    this.ref.send(data, BINARY, cb);
  }

  error(code: number, message = '', cb?: (err?: Error) => void): void {
    this.raw(getMessageBytes[Protocol.ERROR](code, message), undefined, cb);
  }

  get readyState(): number {
    return this.ref.readyState;
  }

  /**
   * Rooms put what a client sent into the reason, so one that is too long is cut and no error. A connection that was
   * lent to the room goes back instead of being closed.
   */
  leave(code?: number, data?: string): void {
    const reason = data && fitting(data);
    if (!this.ref.goHome(this, code, reason)) this.ref.close(code, reason);
  }

  /** @deprecated use `leave()` */
  close(code?: number, data?: string): void {
    logger.warn('DEPRECATION WARNING: use client.leave() instead of client.close()');
    this.leave(code, data);
  }

  /** The room has sent the queue. */
  private joined(): void {
    this.queue = undefined;
  }

  toJSON(): { sessionId: string; readyState: number } {
    return { sessionId: this.sessionId, readyState: this.readyState };
  }
}

/**
 * A client that does not speak Colyseus' protocol: what a room says by itself, such as the confirmation of a join, is not
 * for it. Its room writes to `ref`.
 */
export class PlainClient extends BatonClient {
  override enqueueRaw(): void {}

  override raw(): void {}
}

/** As much of a close reason as a close frame holds, whole characters only. */
function fitting(reason: string): string {
  const bytes = new Uint8Array(MAX_CLOSE_REASON);
  const { read } = new TextEncoder().encodeInto(reason, bytes);
  return read < reason.length ? reason.slice(0, read) : reason;
}
