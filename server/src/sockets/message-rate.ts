// How fast a client speaks. What it said while it was not read, or kept until it was back, comes at once and later, and is
// not held against it.
import { registerMovable } from '../migration/index.ts';
import type { Connection } from '../transport/index.ts';

const WINDOW_MS = 1_000;
/** Of a longer time in which a client is not read, the rest does not count. */
const MAX_UNREAD_MS = 60_000;
/** How long what a client has kept may take to come once it is back. */
const CATCH_UP_MS = 30_000;

/** Moves with the socket. */
export class MessageRate {
  /** When the client was heard last, Date.now() ms; 0: it was not yet. */
  heardAt = 0;
  /** When the current second began. */
  private from = 0;
  private count = 0;
  /** Messages that it may have said while it was not read, or away, and until when they may come. */
  private credit = 0;
  private creditUntil = 0;

  /** @returns whether its client may say one more, with `limit` messages a second */
  admits(connection: Connection | undefined, limit: number, now = Date.now()): boolean {
    if (connection !== undefined && connection.unreadMs > 0) {
      if (now >= this.creditUntil) this.credit = 0;
      this.grant(connection.unreadMs, limit, now + WINDOW_MS);
      connection.unreadMs = 0;
    }
    this.heardAt = now;
    if (now - this.from >= WINDOW_MS) {
      this.from = now;
      this.count = 0;
    }
    if (this.count < limit) {
      this.count++;
      return true;
    }
    if (this.credit < 1 || now >= this.creditUntil) return false;
    this.credit--;
    return true;
  }

  /** Its client is back, and says now what it has kept since it was heard last: all at once, as fast as its network is. */
  returned(limit: number, now = Date.now()): void {
    this.heardAt = now;
    if (now - this.from < WINDOW_MS) return; // it is this second's still
    this.grant(now - this.from, limit, now + CATCH_UP_MS); // what did not come last time is said again
    this.from = now;
    this.count = 0;
  }

  private grant(ms: number, limit: number, until: number): void {
    const most = (limit * MAX_UNREAD_MS) / 1_000;
    this.credit = Math.min(most, this.credit + (limit * ms) / 1_000);
    this.creditUntil = Math.max(this.creditUntil, until);
  }
}

registerMovable(MessageRate);
