// Which rooms this host owns and at which epoch, kept in step with the registry. A stale epoch writes nothing.
import { setTimeout as wait } from 'node:timers/promises';
import { BatonError } from '../../errors.ts';
import type { Store } from '../../store/index.ts';
import type { Log } from '../../telemetry/index.ts';
import type { RoomRegistry } from '../room/driver-gate.ts';

const RECLAIM_EVERY_MS = 250;
const RECLAIM_MOST_MS = 2_000;

/**
 * What the registry says of a room that was to be switched: `kept`: this host has it, at a new epoch; `target`: the
 * switch was made; `elsewhere`: a third host has it; `nobody`: the owner's lease ran out, or the registry lost its
 * data; `undecided`: this host has it, but must renew its own lease first.
 */
export type Fence = 'kept' | 'target' | 'elsewhere' | 'nobody' | 'undecided';

export class Ownership implements RoomRegistry {
  /** Rooms that arrived or left. */
  moves = 0;
  private readonly epochs = new Map<string, number>();
  /** Rooms that are gone, but the store did not take it yet. */
  private readonly unreleased = new Map<string, number>();
  private endRoom: (roomId: string) => boolean = () => true;
  /** Rooms that run here while the registry may say otherwise. */
  private readonly reclaims = new Map<string, Promise<void>>();
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

  /** Makes any switch that is still under way fail: raises the epoch while this host is the owner. */
  async fence(roomId: string, target: string): Promise<Fence> {
    const epoch = this.epochs.get(roomId);
    if (epoch === undefined) return 'elsewhere';
    const [result] = await this.store.transfer([{ roomId, from: this.host, epoch, to: this.host }]);
    const owner = result?.owner;
    if (owner?.host === target) return 'target';
    if (owner && owner.host !== this.host) return 'elsewhere';
    // a higher epoch that is not of this attempt is of an earlier one, whose answer did not come
    if (!owner) return 'nobody';
    if (owner.epoch <= epoch) return 'undecided';
    this.epochs.set(roomId, owner.epoch);
    return 'kept';
  }

  /**
   * The target gave the room up but the registry may name it as owner, or will: puts this host back, as soon as the
   * store answers. Runs in the background; the room goes on meanwhile, but does not move before that is done.
   */
  reclaim(roomId: string, target: string): void {
    const epoch = this.epochs.get(roomId);
    if (epoch === undefined || this.reclaims.has(roomId)) return;
    const done = this.putRight(roomId, target, epoch)
      .catch((err) => this.log.error({ roomId, err }, 'the registry could not be put right'))
      .finally(() => this.reclaims.delete(roomId));
    this.reclaims.set(roomId, done);
  }

  reclaiming(roomId: string): boolean {
    return this.reclaims.has(roomId);
  }

  /** Waits until the registry is right about these rooms, at most so long. */
  async reclaimed(roomIds: string[], ms: number): Promise<void> {
    const pending = roomIds.flatMap((roomId) => this.reclaims.get(roomId) ?? []);
    if (pending.length === 0) return;
    const over = new AbortController();
    await Promise.race([Promise.all(pending), wait(ms, undefined, over).catch(() => {})]);
    over.abort();
  }

  /** @param epoch of this host before the switch that failed */
  private async putRight(roomId: string, target: string, epoch: number): Promise<void> {
    for (let pause = RECLAIM_EVERY_MS; ; pause = Math.min(pause * 2, RECLAIM_MOST_MS)) {
      try {
        if (await this.settle(roomId, target, epoch)) return;
      } catch (error) {
        if (!(error instanceof BatonError)) throw error;
      }
      await wait(pause, undefined, { ref: false });
    }
  }

  /**
   * A switch that the store never answered may still be on its way to it: a new epoch makes it fail, even where the
   * registry names this host now.
   */
  private async settle(roomId: string, target: string, epoch: number): Promise<boolean> {
    const owner = await this.store.owner(roomId);
    if (owner === undefined) {
      this.adopt(roomId, (await this.store.claim(roomId, this.host, epoch + 1)).epoch);
      return true;
    }
    if (owner.host === this.host && owner.epoch > epoch) {
      this.adopt(roomId, owner.epoch);
      return true;
    }
    const ofThatSwitch = owner.host === target && owner.epoch === epoch + 1;
    if (owner.host !== this.host && !ofThatSwitch) {
      return this.lose(roomId);
    }
    const [result] = await this.store.transfer([
      { roomId, from: owner.host, epoch: owner.epoch, to: this.host },
    ]);
    if (!result?.ok) return false;
    this.adopt(roomId, owner.epoch + 1);
    return true;
  }

  /** The registry names this host; a room that ended meanwhile is given up there, too. */
  private adopt(roomId: string, epoch: number): void {
    const ended = !this.epochs.has(roomId);
    this.epochs.set(roomId, epoch);
    if (ended) this.removed(roomId);
  }
}
