// Sockets of this host about whose counting of messages something is to be said, or looked at, before long. One timer for
// all of them, which runs only while there are any.
import { CONFIRM_MS } from './resume.ts';
import type { HostedSocket } from './service.ts';

export class Beats {
  private readonly rooms = new Set<HostedSocket>();
  private readonly isHere: (room: HostedSocket) => boolean;
  private timer: NodeJS.Timeout | undefined;

  /** @param isHere whether the socket runs on this host and is not just leaving it */
  constructor(isHere: (room: HostedSocket) => boolean) {
    this.isHere = isHere;
  }

  add(room: HostedSocket): void {
    this.rooms.add(room);
    this.timer ??= setTimeout(() => this.beat(), CONFIRM_MS).unref();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.rooms.clear();
  }

  private beat(): void {
    this.timer = undefined;
    const now = Date.now();
    for (const room of this.rooms) {
      // one that has moved is looked after where it is; one that only tried to is here again when it says more
      if (!this.isHere(room) || !room.beat(now)) this.rooms.delete(room);
    }
    if (this.rooms.size > 0) this.timer = setTimeout(() => this.beat(), CONFIRM_MS).unref();
  }
}
