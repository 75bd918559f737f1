// Bringing linked sockets to one host, so that what they say to each other never leaves the process. Until they are
// together, their rooms hold messages back in order.
import { matchMaker } from '@colyseus/core';
import type { Migrator } from '../migration/index.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { HostedSocket } from './service.ts';

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;
const CLAIM_MS = 1_000;
/** Looks after which an operator is told that a pair is still apart. */
const PATIENCE = 12;
/** Looks after which the peer is asked with each one whether it means to be linked, too. */
const DOUBT = 6;

export interface GatheringOptions {
  host: string;
  store: Store;
  log: Log;
  local(socketId: string): HostedSocket | undefined;
  /** Whether the peer, which is elsewhere, agrees; if not, one of them has been told. */
  confirm(room: HostedSocket, peer: string): Promise<boolean>;
  /** Its peer is no more, and nobody told it. */
  bereaved(room: HostedSocket, peer: string): Promise<void>;
}

export class Gathering {
  private readonly options: GatheringOptions;
  private readonly running = new Set<string>();
  private migrator: Migrator | undefined;
  private stopped = false;

  constructor(options: GatheringOptions) {
    this.options = options;
  }

  useMigrator(migrator: Migrator): void {
    this.migrator = migrator;
  }

  stop(): void {
    this.stopped = true;
  }

  /** Goes on in the background until the socket is with its peer, elsewhere or without one. */
  begin(room: HostedSocket): void {
    if (room.peer === undefined || this.reunite(room) || this.running.has(room.roomId)) return;
    const { roomId, peer } = room;
    this.running.add(roomId);
    this.run(roomId, peer)
      .catch((error) => this.options.log.error({ socketId: roomId, err: error }, 'gathering failed'))
      .finally(() => {
        this.running.delete(roomId);
        const now = this.options.local(roomId);
        if (now?.peer !== undefined && now.peer !== peer) this.begin(now);
      });
  }

  /** Both are here: what was held back flows. */
  reunite(room: HostedSocket): boolean {
    const peer = room.peer === undefined ? undefined : this.options.local(room.peer);
    if (!peer || peer.peer !== room.roomId) return false;
    peer.flush();
    room.flush();
    return true;
  }

  private async run(socketId: string, peer: string): Promise<void> {
    const { options } = this;
    let pause = FIRST_PAUSE_MS;
    await new Promise(setImmediate); // sockets that move together arrive one after the other in one tick
    for (let look = 1; !this.stopped; look++) {
      const room = options.local(socketId);
      if (!room) {
        if (!matchMaker.getLocalRoomById(socketId)) return; // its arrival elsewhere goes on from there
      } else {
        if (room.peer !== peer || this.reunite(room)) return;
        if ((await this.step(room, peer, look > DOUBT)) === 'over') return;
      }
      if (look === PATIENCE)
        options.log.warn({ socketId, peer }, 'linked sockets are still apart; their messages wait');
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  /** The side with the greater id goes to the other one's host; the other one looks whether it is still there. */
  private async step(room: HostedSocket, peer: string, doubt: boolean): Promise<'over' | 'again'> {
    const { options } = this;
    const { roomId } = room;
    try {
      const owner = await options.store.owner(peer);
      if (!owner) {
        if (!(await this.isGone(peer))) return 'again';
        await options.bereaved(room, peer);
        return 'over';
      }
      if (doubt && !(await options.confirm(room, peer))) return 'over';
      if (roomId > peer && owner.host !== options.host) {
        const [outcome] = await this.migrator!.moveTogether([roomId], owner.host);
        if (outcome && 'error' in outcome) throw outcome.error;
      }
    } catch (error) {
      options.log.debug({ socketId: roomId, peer, err: error }, 'the sockets are not together yet');
    }
    return 'again';
  }

  /** Looks again: hosts need a moment to claim their rooms from a store that lost its data. */
  private async isGone(socketId: string): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, CLAIM_MS).unref());
    return !(await this.options.store.owner(socketId));
  }
}
