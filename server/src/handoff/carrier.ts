// How connections change process. Migration speaks to a Carrier and never sees how they travel: as descriptors on one
// machine (here), as TCP state that is repaired on another, or not at all behind an edge process that re-points them.

import type { PeerInfo } from './callee.ts';
import { libc } from './libc.ts';
import type { Fd, Support } from './native.ts';
import { closeAll } from './packets.ts';
import type { Peers } from './peers.ts';
import { malformed } from './wire.ts';

/** A connection under way: its descriptor here, and what its owner must know to go on with it. */
export interface CarriedConnection {
  /**
   * Sender: stays the sender's, open until `send` settles. Receiver: its own, or a descriptor the carrier made.
   */
  fd: Fd;
  /** Opaque to the carrier; whatever structured clone takes. */
  record: unknown;
}

/**
 * @param connections the handler's own. If it throws or rejects, those still in the array are closed for it.
 * @returns the answer to the sender
 */
export type CarriedHandler = (
  payload: unknown,
  connections: CarriedConnection[],
  peer: PeerInfo,
) => unknown | Promise<unknown>;

/**
 * What every way of carrying connections does. A `send` that resolves means that the peer has taken them over: the
 * sender closes its own descriptors without a word to the clients. One that rejects with `details.delivered === false`
 * means that they are the sender's as before, and no other process touches them.
 */
export interface Carrier {
  /** `fd`, `tcp-repair`, `edge`. */
  readonly kind: string;
  /** Whether this process can carry that way. */
  available(): Support;
  /** Connections in the order given, in one message with `payload`. @param peer whom to send to, as the carrier names it */
  send<T>(
    peer: string,
    method: string,
    payload: unknown,
    connections: readonly CarriedConnection[],
    options?: { timeoutMs?: number },
  ): Promise<T>;
  /** Takes what peers send to `method`. */
  receive(method: string, handler: CarriedHandler): void;
}

/** Between processes of one machine: the descriptors themselves go over. */
export class FdCarrier implements Carrier {
  readonly kind = 'fd';
  readonly #handoff: Peers;

  constructor(handoff: Peers) {
    this.#handoff = handoff;
  }

  available(): Support {
    return libc.supported();
  }

  send<T>(
    peer: string,
    method: string,
    payload: unknown,
    connections: readonly CarriedConnection[],
    options: { timeoutMs?: number } = {},
  ): Promise<T> {
    const records = connections.map((connection) => connection.record);
    const fds = connections.map((connection) => connection.fd);
    return this.#handoff.call<T>(peer, method, { payload, records }, { ...options, fds });
  }

  receive(method: string, handler: CarriedHandler): void {
    this.#handoff.handle(method, async (message, fds, peer) => {
      const { payload, records } = parcel(message, fds.length);
      const connections = fds.splice(0).map((fd, index) => ({ fd, record: records[index] }));
      try {
        return await handler(payload, connections, peer);
      } catch (error) {
        closeAll(connections.map((connection) => connection.fd));
        throw error;
      }
    });
  }
}

function parcel(message: unknown, fds: number): { payload: unknown; records: unknown[] } {
  const value = message as { payload?: unknown; records?: unknown } | null;
  if (typeof value !== 'object' || value === null || !Array.isArray(value.records)) {
    throw malformed('connections without records');
  }
  if (value.records.length !== fds)
    throw malformed(`${fds} descriptors with ${value.records.length} records`);
  return { payload: value.payload, records: value.records };
}
