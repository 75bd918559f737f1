import type { HostRecord, Move, MoveOutcome, RoomOwner } from '../types.ts';

interface Lease {
  record: HostRecord;
  /** On the registry's clock, ms. */
  expiresAt: number;
  term: number;
  /** Whether the lease was prolonged once because the store was away. */
  graced: boolean;
  rooms: Set<string>;
}

interface Owner {
  host: string;
  epoch: number;
}

/** Why a step was refused; the caller makes the error. */
export type Refusal =
  | { refused: 'unknown host' }
  | { refused: 'owned'; owner: RoomOwner }
  | { refused: 'id taken'; processId: string };

/**
 * Hosts with their leases and the owners of rooms, in memory. Every method is one atomic step: the same steps
 * that the Redis store takes in its scripts.
 */
export class Registry {
  readonly #now: () => number;
  readonly #hosts = new Map<string, Lease>();
  readonly #owners = new Map<string, Owner>();
  #lastHostNumber = 0;
  #lastBeat: number;

  /** @param now monotonic milliseconds: a step of the wall clock must not end a lease */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#lastBeat = now();
  }

  nextHostId(): string {
    return `h${++this.#lastHostNumber}`;
  }

  /** Returns whether the host is new. */
  putHost(record: HostRecord, leaseMs: number): boolean | Refusal {
    const now = this.#beat();
    const known = this.#hosts.get(record.id);
    if (known && known.record.processId !== record.processId && known.expiresAt > now) {
      return { refused: 'id taken', processId: known.record.processId };
    }
    // A store that lost its data must not give out the ids of hosts that outlived it.
    const number = /^h(\d{1,15})$/.exec(record.id)?.[1];
    if (number) this.#lastHostNumber = Math.max(this.#lastHostNumber, Number(number));
    const lease = { record, expiresAt: now + leaseMs, term: leaseMs, graced: false };
    this.#hosts.set(record.id, { ...lease, rooms: known?.rooms ?? new Set() });
    return known === undefined;
  }

  removeHost(id: string): void {
    const lease = this.#hosts.get(id);
    if (!lease) return;
    for (const roomId of lease.rooms) this.#owners.delete(roomId);
    this.#hosts.delete(id);
  }

  hosts(): HostRecord[] {
    const now = this.#beat();
    const live = [...this.#hosts.values()].filter((lease) => lease.expiresAt > now);
    return live.map((lease) => lease.record);
  }

  expireHosts(gone: string[]): HostRecord[] {
    const now = this.#beat();
    const dead = [...this.#hosts.values()].filter(
      ({ expiresAt, record }) => expiresAt <= now || gone.includes(record.id),
    );
    for (const lease of dead) this.removeHost(lease.record.id);
    return dead.map((lease) => lease.record);
  }

  claim(roomId: string, host: string, epoch: number): RoomOwner | Refusal {
    const now = this.#beat();
    if (!this.#lives(host, now)) return { refused: 'unknown host' };
    const owner = this.#owners.get(roomId);
    if (!owner) return this.#own(roomId, host, epoch);
    if (owner.host === host) return { roomId, ...owner };
    if (this.#lives(owner.host, now)) return { refused: 'owned', owner: { roomId, ...owner } };
    return this.#own(roomId, host, owner.epoch + 1);
  }

  owner(roomId: string): RoomOwner | undefined {
    const owner = this.#owners.get(roomId);
    return owner && { roomId, ...owner };
  }

  roomsOf(host: string): RoomOwner[] {
    const rooms = this.#hosts.get(host)?.rooms ?? [];
    return [...rooms].map((roomId) => this.owner(roomId)!);
  }

  transfer(moves: Move[]): MoveOutcome[] {
    const now = this.#beat();
    return moves.map(({ roomId, from, epoch, to }) => {
      const owner = this.#owners.get(roomId);
      const ok = owner?.host === from && owner.epoch === epoch && this.#lives(to, now);
      return { roomId, ok, owner: ok ? this.#own(roomId, to, epoch + 1) : this.owner(roomId) };
    });
  }

  release(roomId: string, host: string, epoch: number): boolean {
    const owner = this.#owners.get(roomId);
    if (owner?.host !== host || owner.epoch !== epoch) return false;
    this.#owners.delete(roomId);
    this.#hosts.get(host)?.rooms.delete(roomId);
    return true;
  }

  #own(roomId: string, host: string, epoch: number): RoomOwner {
    const before = this.#owners.get(roomId);
    if (before) this.#hosts.get(before.host)?.rooms.delete(roomId);
    this.#hosts.get(host)?.rooms.add(roomId);
    this.#owners.set(roomId, { host, epoch });
    return { roomId, host, epoch };
  }

  #lives(host: string, now: number): boolean {
    return (this.#hosts.get(host)?.expiresAt ?? Number.NEGATIVE_INFINITY) > now;
  }

  /**
   * Notes that the store runs. When it had been silent for more than half a lease, it was the store that was
   * away, not the host that could not renew: such a lease runs once more, so that a stopped and continued store
   * does not declare every host dead. Once only: with nobody left to renew, silence is normal.
   */
  #beat(): number {
    const now = this.#now();
    const silence = now - this.#lastBeat;
    for (const lease of this.#hosts.values()) {
      const aliveBefore = lease.expiresAt > this.#lastBeat;
      if (silence * 2 > lease.term && aliveBefore && !lease.graced) {
        lease.expiresAt = now + lease.term;
        lease.graced = true;
      }
    }
    this.#lastBeat = now;
    return now;
  }
}
