// How fast a client speaks. What it said while it was not read comes at once and later, and is not held against it.
import { registerMovable } from '../migration/index.ts';
import type { Connection } from '../transport/index.ts';

const WINDOW_MS = 1_000;
/** Of a longer time in which a client is not read, the rest does not count. */
const MAX_UNREAD_MS = 60_000;

/** Moves with the socket. */
export class MessageRate {
  /** When the current second began, Date.now() ms: to the second, when the client was heard last. */
  from = 0;
  private count = 0;
  /** Messages that it may have said while it was not read, and until when they may come. */
  private credit = 0;
  private creditUntil = 0;

  /** @returns whether its client may say one more, with `limit` messages a second */
  admits(connection: Connection | undefined, limit: number, now = Date.now()): boolean {
    if (connection !== undefined && connection.unreadMs > 0) {
      const ms = Math.min(connection.unreadMs, MAX_UNREAD_MS);
      const most = (limit * MAX_UNREAD_MS) / 1_000;
      this.credit = Math.min(most, (now < this.creditUntil ? this.credit : 0) + (limit * ms) / 1_000);
      this.creditUntil = now + WINDOW_MS;
      connection.unreadMs = 0;
    }
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

  /** It begins anew, as if its client had just spoken. */
  restart(): void {
    this.from = Date.now();
    this.count = this.credit = 0;
  }
}

registerMovable(MessageRate);
