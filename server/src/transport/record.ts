// What travels with a descriptor when its owner changes. Plain, versioned, survives structured clone.

import { handoffProtocol } from '../errors.ts';
import type { ReaderState } from './codec/index.ts';

/** A WebSocket connection between two owners. The TCP connection itself is in the kernel, behind the descriptor. */
export interface ConnectionRecord {
  v: 1;
  /** WebSocket.readyState: 1 open, 2 closing, 3 closed. */
  readyState: number;
  reader: ReaderState;
  /** Bytes taken from the kernel that the reader has not seen. */
  input: Uint8Array;
  /** Frames the kernel has not accepted, oldest first; the first one may lack bytes that were accepted. */
  output: Uint8Array[];
  /** Bytes of this connection ever taken from the kernel, the HTTP request not counted. */
  bytesIn: number;
  /** Bytes ever accepted by the kernel, the 101 response counted. */
  bytesOut: number;
  close: {
    sent: boolean;
    received: boolean;
    /** The stream to the peer was ended (FIN), after both close frames. */
    ended: boolean;
    /** Code and reason the `close` event will have. */
    code: number;
    reason: Uint8Array;
    /** Milliseconds left of the time the closing handshake may take. */
    leftMs?: number;
  };
  /** Pings sent since the last pong. */
  pingCount: number;
  /** Bytes that wait in the room until the client says that it has joined. */
  kept: number;
  /** Since when it is not read, Date.now() ms; 0 while it is. */
  unreadFrom: number;
  remoteAddress?: string;
  /** The sub-protocol that was agreed on; empty when none. */
  protocol: string;
  /** The room to which it goes back when the one that it is in is done with it. */
  home?: string;
}

/** An upgrade request that another process is to answer. */
export interface UpgradeRecord {
  v: 1;
  method: string;
  /** Path and query as the client sent them. */
  url: string;
  httpVersion: string;
  /** Names and values in turn, as the client sent them. */
  rawHeaders: string[];
  /** Bytes that were read behind the request. */
  head: Uint8Array;
  remoteAddress?: string;
  /** How many processes had it before. */
  hops: number;
  /** The handshake was found valid, its origin allowed, and `beforeUpgrade` let it pass. */
  validated: boolean;
}

/** @throws handoffProtocol when a record was written by a version of Baton this one does not know */
export function assertVersion(record: { v: number }, what: string): void {
  if (record.v !== 1) throw handoffProtocol({ reason: `${what} has version ${record.v}, expected 1` });
}
