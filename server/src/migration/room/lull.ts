// A room whose handlers are always in flight never rests by itself: while it is to move, its clients' messages wait
// in the kernel for a while, so that those handlers finish. A handler may be waiting for a client, so the lulls are
// bounded; between them messages flow, and each lull is twice as long as the one before.
import type { Client, Room } from '@colyseus/core';
import { trackOf } from './track.ts';

/** Rooms that rest by themselves do so within this time. */
const PATIENCE_MS = 250;
const FIRST_LULL_MS = 250;
const LONGEST_LULL_MS = 4_000;

export interface Reading<C> {
  pauseReading(client: C): void;
  resumeReading(client: C): void;
}

export class Lull<C> {
  private readonly room: Room;
  private readonly reading: Reading<C>;
  private paused: C[] = [];
  private timer: NodeJS.Timeout | undefined;
  private ms = FIRST_LULL_MS;

  constructor(room: Room, reading: Reading<C>) {
    this.room = room;
    this.reading = reading;
  }

  /** The room is to rest from now on. */
  start(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.begin(), PATIENCE_MS);
  }

  /** It rests, or need not any more. Connections that were detached meanwhile are left alone. */
  end(): void {
    clearTimeout(this.timer);
    for (const client of this.paused.splice(0)) this.reading.resumeReading(client);
  }

  private begin(): void {
    if (!trackOf(this.room).busy.has('message handler')) {
      this.start();
      return;
    }
    for (const client of this.room.clients as Iterable<Client>) {
      this.paused.push(client as C);
      this.reading.pauseReading(client as C);
    }
    this.timer = setTimeout(() => {
      this.end();
      this.start();
    }, this.ms);
    this.ms = Math.min(LONGEST_LULL_MS, this.ms * 2);
  }
}
