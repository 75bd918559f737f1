// Which rooms this host owns and at which epoch, kept in step with the registry. A stale epoch writes nothing.
import { BatonError } from '../../errors.ts';
import type { RoomOwner, Store } from '../../store/index.ts';
import type { Log } from '../../telemetry/index.ts';
import type { RoomRegistry } from '../room/driver-gate.ts';

const RECLAIM_EVERY_MS = 250;
const RECLAIM_MOST_MS = 2_000;

export class Ownership implements RoomRegistry {
  /** Rooms that arrived or left. */
  moves = 0;
  private readonly epochs = new Map<string, number>();
  /** Rooms that are gone, but the store did not take it yet. */
  private readonly unreleased = new Map<string, number>();
  private endRoom: (roomId: string) => boolean = () => true;
  private readonly store: Store;
  private readonly host: string;
  private readonly log: Log;

  constructor(store: Store, host: string, log: Log) {
    this.store = store;
    this.host = host;
    this.log = log;
  }

  /** Epoch at which this host owns the room, or undefined. */
  epoch(roomId: string): number | undefined {
    return this.epochs.get(roomId);
  }

  /** Rooms this host owns. */
  rooms(): string[] {
    return [...this.epochs.keys()];
  }

  /** @param end ends a room that runs here although another host owns it; false: not now, ask again */
  onLost(end: (roomId: string) => boolean): void {
    this.endRoom = end;
  }

  /** @throws BATON_OWNERSHIP_LOST when another host owns the id */
  async created(roomId: string): Promise<boolean> {
    this.unreleased.delete(roomId);
    const owner = await this.store.claim(roomId, this.host);
    const fresh = !this.epochs.has(roomId);
    this.epochs.set(roomId, owner.epoch);
    return fresh;
  }

  removed(roomId: string): void {
    const epoch = this.epochs.get(roomId);
    if (epoch === undefined) return;
    this.epochs.delete(roomId);
    this.release(roomId, epoch);
  }

  private async release(roomId: string, epoch: number): Promise<void> {
    try {
      await this.store.release(roomId, this.host, epoch);
    } catch (error) {
      this.log.warn({ roomId, err: error }, 'room is gone, but its ownership could not be released yet');
      if (this.unreleased.size === 0) this.whenStoreIsBack(() => this.releaseAgain());
      this.unreleased.set(roomId, epoch);
    }
  }

  private releaseAgain(): void {
    const rooms = [...this.unreleased];
    this.unreleased.clear();
    for (const [roomId, epoch] of rooms) if (!this.epochs.has(roomId)) this.release(roomId, epoch);
  }

  whenStoreIsBack(fn: () => void): void {
    if (this.store.connected) {
      setTimeout(fn, RECLAIM_EVERY_MS).unref();
      return;
    }
    const off = this.store.onConnectionChange((up) => {
      if (!up) return;
      off();
      fn();
    });
  }

  /**
   * After the store lost its data, or took this host for dead: claims this host's rooms again, at the epochs they
   * had. Those that another host has by now end here.
   * @throws BATON_STORE_UNAVAILABLE, BATON_HOST_NOT_FOUND, BATON_OWNERSHIP_LOST: not all is settled; try again
   */
  async restore(): Promise<void> {
    let undecided: BatonError | undefined;
    for (const [roomId, epoch] of this.epochs) {
      try {
        const owner = await this.store.claim(roomId, this.host, epoch);
        if (this.epochs.has(roomId)) this.epochs.set(roomId, owner.epoch);
        else await this.release(roomId, owner.epoch); // it ended or left while we asked
      } catch (error) {
        if (!(error instanceof BatonError) || error.code !== 'BATON_OWNERSHIP_LOST') throw error;
        if (!this.lose(roomId)) undecided = error;
      }
    }
    if (undecided) throw undecided;
  }

  /** @returns false when the room cannot be ended now, because a move holds it */
  private lose(roomId: string): boolean {
    if (!this.epochs.has(roomId)) return true;
    if (!this.endRoom(roomId)) return false;
    this.epochs.delete(roomId);
    this.log.error({ roomId }, 'another host owns the room: the one that ran here ends');
    return true;
  }

  /** The room arrived here. */
  take(roomId: string, epoch: number): void {
    this.moves++;
    this.epochs.set(roomId, epoch);
  }

  /** The room left. */
  give(roomId: string): void {
    this.moves++;
    this.epochs.delete(roomId);
  }

  /**
   * Makes any switch that is still under way fail: raises the epoch while this host is the owner.
   * @returns 'kept' with a new epoch, or 'lost' when the target owns the room already
   */
  async fence(roomId: string): Promise<'kept' | 'lost'> {
    const epoch = this.epochs.get(roomId);
    if (epoch === undefined) return 'lost';
    const [result] = await this.store.transfer([{ roomId, from: this.host, epoch, to: this.host }]);
    if (result?.ok) {
      this.epochs.set(roomId, epoch + 1);
      return 'kept';
    }
    return 'lost';
  }

  /**
   * The target gave the room up but the registry may name it as owner: puts this host back, as soon as the store
   * answers. Runs in the background; the room goes on meanwhile.
   */
  async reclaim(roomId: string, target: string): Promise<void> {
    for (
      let pause = RECLAIM_EVERY_MS;
      this.epochs.has(roomId);
      pause = Math.min(pause * 2, RECLAIM_MOST_MS)
    ) {
      try {
        if (await this.settle(roomId, target, await this.store.owner(roomId))) return;
      } catch (error) {
        if (!(error instanceof BatonError)) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
    }
  }

  /**
   * A switch that the store never answered may still be on its way to it: a new epoch makes it fail, even where the
   * registry names this host now.
   */
  private async settle(roomId: string, target: string, owner: RoomOwner | undefined): Promise<boolean> {
    if (owner === undefined) {
      const { epoch } = await this.store.claim(roomId, this.host, (this.epochs.get(roomId) ?? 0) + 1);
      if (this.epochs.has(roomId)) this.epochs.set(roomId, epoch);
      return true;
    }
    if (owner.host !== this.host && owner.host !== target) {
      return this.lose(roomId);
    }
    const [result] = await this.store.transfer([
      { roomId, from: owner.host, epoch: owner.epoch, to: this.host },
    ]);
    if (result?.ok && this.epochs.has(roomId)) this.epochs.set(roomId, owner.epoch + 1);
    return result?.ok === true;
  }
}
