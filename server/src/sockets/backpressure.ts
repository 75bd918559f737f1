// A client that reads slowly slows down those who send to it: their connections are not read while the kernel takes no
// more for the slow one, so that TCP holds them back and nothing piles up here.
import type { Connection } from '../transport/index.ts';

/** Why a socket's connection is not read, besides slow peers. */
export const Pause = {
  /** As much as may be is held back for peers that are on their way here, or whose clients are away. */
  held: 'held',
  /** As many calls wait as should. */
  calls: 'calls',
  /** The socket itself is not there yet. */
  early: 'early',
} as const;

/** Reads nothing more from `sender` until what was sent to `slow` is written, or never will be. */
export function waitFor(sender: Connection, slow: Connection): void {
  if (sender.pauseReading(slow)) slow.whenWritten(() => sender.resumeReading(slow));
}
