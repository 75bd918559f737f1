import type { MatchMakerDriver, Presence } from '@colyseus/core';

/** A host process as its peers see it. Plain JSON. */
export interface HostRecord {
  /** `h1`, `h2`, … from `nextHostId`. */
  id: string;
  /** Colyseus' `matchMaker.processId` of the host. */
  processId: string;
  pid: number;
  /** Name of the machine; descriptors can be handed over between hosts of one machine only. */
  machine: string;
  /** Unix socket on which the host takes rooms over. */
  handoffPath: string;
  /** A draining host takes no rooms; one in standby takes none yet, but builds shells for a rehearsal. */
  state: 'up' | 'standby' | 'draining';
  /** Generation of the code it runs: start and reload of any service draw the next number from the store. */
  generation: number;
  rooms: number;
  clients: number;
  /** Milliseconds since 1970. */
  startedAt: number;
  /** Share of one core the host uses, 0 … 1; absent when not measured. */
  load?: number;
  /** Resident memory in bytes. */
  memory?: number;
  /** Rooms that arrived or left since the host started. */
  moves?: number;
}

/** Who may run a room. Only the named host at exactly this epoch may write it. */
export interface RoomOwner {
  roomId: string;
  /** Host id. */
  host: string;
  /** Starts at 1 and grows by one with each change of owner. */
  epoch: number;
}

/** One compare-and-set of `transfer`: from (`from`, `epoch`) to (`to`, `epoch + 1`). */
export interface Move {
  roomId: string;
  from: string;
  epoch: number;
  to: string;
}

/** `owner` is the owner after the step: the new one if `ok`, else whoever holds the room now, if anyone. */
export interface MoveOutcome {
  roomId: string;
  ok: boolean;
  owner?: RoomOwner;
}

/** A small shared record: versions grow with every `commit`; what one commit wrote has one version. */
export interface VersionedValue {
  value: string;
  version: number;
}

/** One record's part in a `commit`. */
export interface Change {
  key: string;
  /** Version the record must have, 0 = it must not exist, absent = whatever. */
  expect?: number | undefined;
  /** What is written; without it the record is deleted, unless `check` is set. */
  value?: string | undefined;
  /** Milliseconds after which the record is gone; absent = it stays. */
  ttlMs?: number | undefined;
  /** The entry is a condition only: nothing is written or deleted. */
  check?: true | undefined;
}

/**
 * What the hosts of a service share: who is there, who owns which room, Colyseus' presence and room listings,
 * and small versioned records. Redis and the embedded store behave the same; one conformance suite runs on both.
 *
 * Every method rejects with `BATON_STORE_UNAVAILABLE` at once while the store is away, and after `timeoutMs`
 * (default 2 s) when it does not answer. In the second case the step may still have been taken:
 * read the owner again before acting on it. Arguments beyond `storeLimits` reject with `BATON_INVALID_REQUEST`.
 *
 * After the store lost its data (a restart without persistence) `putHost` answers `true`; the host then claims
 * its rooms again and persists their listings.
 */
export interface Store {
  readonly kind: 'redis' | 'embedded';

  /** A new host id, `h1`, `h2`, …, never given twice. */
  nextHostId(): Promise<string>;

  /**
   * Registers a host or renews its lease; call it about every `leaseMs / 3`.
   * The lease runs on the store's own clock. A store that was itself away (stopped, restarted) grants each host
   * one more lease before it counts as dead.
   *
   * @param leaseMs milliseconds, at least 1
   * @returns `true` if the host was not registered before: the first time, or after its lease had run out
   *   and `expireHosts` had taken its rooms away
   * @throws BATON_HOST_ID_TAKEN if a live host with another `processId` holds the id
   */
  putHost(record: HostRecord, leaseMs: number): Promise<boolean>;

  /** Forgets a host and the ownership of its rooms. Unknown ids are no error. */
  removeHost(id: string): Promise<void>;

  /** Hosts whose lease has not expired, by id number. */
  hosts(): Promise<HostRecord[]>;

  /**
   * Removes the hosts whose lease has expired, with the ownership of their rooms, in one atomic step.
   *
   * @param gone ids of hosts whose processes are known to have ended: their leases count as expired
   * @returns the removed hosts; each is returned to exactly one caller
   */
  expireHosts(gone?: string[]): Promise<HostRecord[]>;

  /**
   * Makes a host the owner of a room nobody (or only a dead host) owns. Claiming one's own room again is no
   * error and leaves its epoch as it is.
   *
   * @param epoch epoch to start from if nobody owns the room; default 1. A host that restores its ownership
   *   after the store lost it passes the one it had.
   * @returns `epoch` for a free room, the dead owner's epoch + 1 for one taken over
   * @throws BATON_OWNERSHIP_LOST if another live host owns it
   * @throws BATON_HOST_NOT_FOUND if `host` is not registered or its lease has expired
   */
  claim(roomId: string, host: string, epoch?: number): Promise<RoomOwner>;

  owner(roomId: string): Promise<RoomOwner | undefined>;

  /** Owners of those rooms that have one. */
  owners(roomIds: string[]): Promise<Map<string, RoomOwner>>;

  /** In no particular order. */
  roomsOf(host: string): Promise<RoomOwner[]>;

  /**
   * Compare-and-set of many owners in one atomic step; each move succeeds or fails by itself.
   * A move fails if the room is not owned by (`from`, `epoch`) or `to` is not a live host.
   * @returns outcomes in the order of `moves`
   */
  transfer(moves: Move[]): Promise<MoveOutcome[]>;

  /**
   * Gives a room up.
   * @returns `false`, and nothing is changed, unless (`host`, `epoch`) owns it
   */
  release(roomId: string, host: string, epoch: number): Promise<boolean>;

  /**
   * Colyseus' presence, shared by all hosts. Its calls may be left unawaited: a rejection never goes unhandled.
   * `subscribe` holds across reconnects and does not reject while the store is away; messages published
   * meanwhile are lost. Data is JSON; strings are what every value is kept as, as in Redis.
   */
  readonly presence: Presence;

  /** Colyseus' room listings, shared by all hosts. Implements `insert`. */
  readonly driver: MatchMakerDriver;

  /** `getMany` of one. */
  get(key: string): Promise<VersionedValue | undefined>;

  /** Records that exist, all as they were at one moment. */
  getMany(keys: string[]): Promise<Map<string, VersionedValue>>;

  /**
   * Changes several records in one atomic step: all of them, or none when one does not have the expected version.
   * @param changes each key once
   * @returns the version of everything it wrote; `undefined`, and nothing is changed, on a conflict
   */
  commit(changes: Change[]): Promise<number | undefined>;

  /** `commit` of one record that is written. */
  set(key: string, value: string, expect?: number, ttlMs?: number): Promise<number | undefined>;

  /** Deletes one record. @returns whether it (of version `expect`, if given) was there and is gone now */
  del(key: string, expect?: number): Promise<boolean>;

  /** Resolves when the store answers. */
  ping(): Promise<void>;

  /** Whether calls are sent at all; turns false when the connection breaks or an answer stays out. */
  readonly connected: boolean;

  /** @returns a function that removes the listener */
  onConnectionChange(fn: (up: boolean) => void): () => void;

  /** Closes the connections; pending calls reject. The data stays. */
  close(): Promise<void>;
}

/** Sorts host records as `hosts` and `expireHosts` return them: h2 before h10. */
export function byHostNumber(a: HostRecord, b: HostRecord): number {
  return a.id.localeCompare(b.id, 'en', { numeric: true });
}

/** Bounds on what a store takes, the same for both kinds. */
export const storeLimits = {
  /** Characters of a room id, host id or record key. */
  keyLength: 512,
  /** UTF-16 units of a record's value. */
  valueLength: 1 << 20,
  /** Rooms in one `transfer` or `owners`. */
  batch: 10_000,
  /** Keys of one `getMany`. */
  reads: 1_000,
  /** Entries of one `commit`. */
  changes: 128,
} as const;
