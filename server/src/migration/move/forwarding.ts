// What still comes to a host for rooms that have left it: calls, which are passed on until the new host lists the room.
import type { HostRecord } from '../../store/index.ts';
import type { RoomCall } from '../room/gates.ts';
import type { MoveContext } from './context.ts';
import { METHODS } from './protocol.ts';

/** Calls that still reach the old host are passed on for this long after the room is listed at its new one. */
const FORWARD_MS = 3_000;

export class Forwarding {
  private readonly context: MoveContext;
  private readonly diversions = new Map<string, { end(): void }>();
  /** Rooms that left and are not listed at their new host yet → where that host listens. */
  private readonly unlisted = new Map<string, string>();

  constructor(context: MoveContext) {
    this.context = context;
    context.handoff.onPeerGone((path) => {
      for (const [roomId, at] of this.unlisted) {
        if (at !== path) continue;
        this.unlisted.delete(roomId);
        this.unlist(roomId);
      }
    });
  }

  /** Calls that were or will be sent here reach the room at its new host. */
  begin(roomId: string, target: HostRecord, held: RoomCall[]): void {
    const { context } = this;
    const send = (call: RoomCall) => {
      context.tell(target.handoffPath, METHODS.call, { roomId, call });
    };
    this.diversions.set(roomId, context.gates.presence.divert(roomId, send));
    this.unlisted.set(roomId, target.handoffPath);
    for (const call of held) send(call);
    // in case the target never says that it listed the room
    setTimeout(() => this.end([roomId]), FORWARD_MS * 4).unref();
  }

  /** The new host lists the rooms: calls need not be passed on much longer. */
  published(roomIds: string[]): void {
    for (const roomId of roomIds) this.unlisted.delete(roomId);
    this.end(roomIds);
  }

  private end(roomIds: string[]): void {
    for (const roomId of roomIds) {
      const diversion = this.diversions.get(roomId);
      this.diversions.delete(roomId);
      if (diversion) setTimeout(() => diversion.end(), FORWARD_MS).unref();
    }
  }

  /** Takes the row of a room that this host does not run any more off the listings, as soon as the store is there. */
  async unlist(roomId: string): Promise<void> {
    const { gates, store, log } = this.context;
    try {
      await gates.driver.unlist(roomId);
    } catch (error) {
      log.debug({ roomId, err: error }, 'a room that is gone stays listed until the store answers');
      const off = store.onConnectionChange((up) => {
        if (!up) return;
        off();
        this.unlist(roomId);
      });
    }
  }
}
