// Sockets that are closed when their clients say nothing for too long: only those are looked at, once a second.
import type { HostedSocket } from './service.ts';

/** How often silent sockets are looked for. */
const IDLE_LOOK_MS = 1_000;

export interface IdleSocketsOptions {
  /** The room is still of this process, whether or not it is about to move. */
  here(room: HostedSocket): boolean;
  /** … and runs. */
  runs(room: HostedSocket): boolean;
}

export class IdleSockets {
  private readonly options: IdleSocketsOptions;
  private readonly watched = new Set<HostedSocket>();
  private looks: NodeJS.Timeout | undefined;

  constructor(options: IdleSocketsOptions) {
    this.options = options;
  }

  start(): void {
    this.looks = setInterval(() => this.look(), IDLE_LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.looks);
  }

  /** A socket has opened or come here, or has another mapping. */
  watch(room: HostedSocket): void {
    if (room.mapping.idleTimeout > 0) this.watched.add(room);
  }

  private look(): void {
    const now = Date.now();
    for (const room of this.watched) {
      if (!this.options.here(room) || room.mapping.idleTimeout === 0) this.watched.delete(room);
      else if (this.options.runs(room)) room.closeIfIdle(now);
    }
  }
}
