// What all connections of a transport share.

import type { ReaderLimits } from './codec/index.ts';
import type { Kernel } from './kernel.ts';
import type { Outbox } from './outbox.ts';

/** What happens to a peer for which more than `maxBufferedOutput` bytes wait. */
export type SlowReaderPolicy =
  /** It gets a close frame with 1013 behind what was begun, and five seconds to read it. */
  | 'close'
  /** Its connection ends at once. */
  | 'terminate';

export interface Endpoint {
  readonly kernel: Kernel | undefined;
  readonly outbox: Outbox;
  readonly limits: ReaderLimits;
  /** Bytes that may wait for one peer, one frame more at most. */
  readonly maxBufferedOutput: number;
  readonly slowReader: SlowReaderPolicy;
  /** Milliseconds the closing handshake may take. */
  readonly closeTimeoutMs: number;
  /** A peer broke the protocol. Told here, so that not every connection needs a listener of its own. */
  onViolation(error: Error): void;
  /** The connection is over or forgotten. */
  onGone(connection: object): void;
  /** A room closes its client on a connection that is lent. @returns whether that went home instead */
  onLentLeft(client: object, code: number | undefined, reason: string | undefined): boolean;
  /** A connection that is lent is closed, and its listeners have heard of it. */
  onLentClosed(connection: object, code: number): void;
}
