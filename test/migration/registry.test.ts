// What a host writes about its rooms, rows and ownership, when the store fails or another host was quicker.
import { type IRoomCache, LocalDriver, LocalPresence, matchMaker, Room } from '@colyseus/core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { internals } from '../../server/src/colyseus/room-internals.ts';
import { ownershipLost, storeUnavailable } from '../../server/src/errors.ts';
import {
  endLostRoom,
  gateDriver,
  gatePresence,
  installHooks,
  Ownership,
  trackOf,
} from '../../server/src/migration/index.ts';
import { discardRoom, type Gates } from '../../server/src/migration/room/shell.ts';
import type { RoomOwner, Store } from '../../server/src/store/index.ts';
import { createLog } from '../../server/src/telemetry/index.ts';
import { until } from '../support/service.ts';

/** The part of a store that owners are kept in; it can be away. */
class Owners {
  readonly owners = new Map<string, RoomOwner>();
  connected = true;
  /** Runs when the store has answered the next claim, before the answer is there. */
  meanwhile: (() => void) | undefined;
  private listeners = new Set<(up: boolean) => void>();

  async claim(roomId: string, host: string, epoch = 1): Promise<RoomOwner> {
    this.check();
    const owner = this.owners.get(roomId) ?? { roomId, host, epoch };
    if (owner.host !== host) throw ownershipLost({ roomId, owner: owner.host, epoch: owner.epoch, host });
    this.owners.set(roomId, owner);
    this.meanwhile?.();
    this.meanwhile = undefined;
    return owner;
  }
  async release(roomId: string, host: string, epoch: number): Promise<boolean> {
    this.check();
    const owner = this.owners.get(roomId);
    return owner?.host === host && owner.epoch === epoch && this.owners.delete(roomId);
  }
  onConnectionChange(listener: (up: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  connect(up: boolean): void {
    this.connected = up;
    for (const listener of this.listeners) listener(up);
  }
  check(): void {
    if (!this.connected) throw storeUnavailable({ url: 'test', reason: 'it is away' });
  }
}

/** Rows in the same store. */
class Rows extends LocalDriver {
  private readonly store: Owners;
  constructor(store: Owners) {
    super();
    this.store = store;
  }
  override async insert(row: IRoomCache): Promise<boolean> {
    this.store.check();
    return super.insert({ ...row });
  }
  override update(row: IRoomCache, operations: Parameters<LocalDriver['update']>[1]): boolean {
    super.update(row, operations);
    return this.persist(row, true);
  }
  override persist(row: IRoomCache, create?: boolean): boolean {
    this.store.check();
    super.remove(row.roomId);
    return super.persist({ ...row }, create);
  }
  override remove(roomId: string): boolean {
    this.store.check();
    return super.remove(roomId);
  }
  of(roomId: string): IRoomCache | undefined {
    return this.rooms.find((row) => row.roomId === roomId);
  }
  /** Another host lists a room of this id. */
  take(roomId: string): void {
    super.remove(roomId);
    super.persist({ roomId, name: 'lobby', processId: 'other' } as IRoomCache, true);
  }
}

class Lobby extends Room {
  static latest: Lobby;
  disposed = 0;
  override onCreate(options: { id: string }): void {
    this.roomId = options.id;
    Lobby.latest = this;
  }
  override onDispose(): void {
    this.disposed++;
  }
}

const id = 'lobby';
let store: Owners;
let ownership: Ownership;
let rows: Rows;
let gates: Gates;

beforeAll(installHooks);
beforeEach(async () => {
  store = new Owners();
  ownership = new Ownership(store as unknown as Store, 'h1', createLog({ level: 'silent' }));
  rows = new Rows(store);
  gates = { driver: gateDriver(rows, ownership), presence: gatePresence(new LocalPresence()) };
  ownership.onLost((roomId) => endLostRoom(roomId, gates));
  await matchMaker.setup(gates.presence.presence, gates.driver.driver);
  matchMaker.defineRoomType('lobby', Lobby);
});
afterEach(async () => {
  store.connect(true);
  await matchMaker.getLocalRoomById(id)?.disconnect();
});

afterAll(() => matchMaker.gracefullyShutdown());

const create = async (): Promise<Lobby> => {
  await matchMaker.handleCreateRoom('lobby', { id });
  return matchMaker.getLocalRoomById(id) as Lobby;
};
/** What is under way without the store is through. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

describe('a room that could not be listed', () => {
  test('leaves its id to others: a row of a dead host stands in the way', async () => {
    rows.take(id);
    await create();
    expect(ownership.rooms()).toEqual([]);
    await settled();
    expect([...store.owners]).toEqual([]);
  });

  test('leaves its id to others: the store is away by then', async () => {
    store.meanwhile = () => store.connect(false);
    await expect(create()).rejects.toThrow();
    expect(ownership.rooms()).toEqual([]);
    store.connect(true);
    await settled();
    expect([...store.owners]).toEqual([]);
    // core leaves it to its timeout
    const failed = Lobby.latest;
    const room = await create();
    await failed.disconnect();
    expect(failed.disposed).toBe(1);
    expect(matchMaker.getLocalRoomById(id)).toBe(room);
    expect(ownership.rooms()).toEqual([id]);
    expect(rows.of(id)).toBeDefined();
  });

  test('does not take the id from the room of this host that has it', async () => {
    const room = await create();
    await create();
    expect(matchMaker.getLocalRoomById(id)).toBe(room);
    expect(ownership.rooms()).toEqual([id]);
    expect(store.owners.get(id)).toEqual({ roomId: id, host: 'h1', epoch: 1 });
  });
});

describe('a room that is gone', () => {
  test('stays gone when it ended while it was claimed again', async () => {
    const room = await create();
    store.meanwhile = () => void room.disconnect();
    await ownership.restore();
    expect(ownership.rooms()).toEqual([]);
    await settled();
    expect([...store.owners]).toEqual([]);
  });

  test('is released when the store is back, unless there is a new one of its id', async () => {
    for (const again of [false, true]) {
      await ownership.created(id);
      store.connected = false;
      ownership.removed(id);
      await settled();
      store.connected = true;
      if (again) await ownership.created(id);
      store.connect(true);
      await settled();
      expect(store.owners.has(id)).toBe(again);
    }
    ownership.removed(id);
  });

  test('is taken off the listings when the store is back, unless the row is another room’s', async () => {
    for (const other of [false, true]) {
      const room = await create();
      store.connected = false;
      await room.disconnect();
      store.connected = true;
      if (other) rows.take(id);
      store.connect(true);
      await settled();
      expect(rows.of(id)?.processId).toBe(other ? 'other' : undefined);
    }
  });
});

describe('a row that could not be written', () => {
  /** The room with a change that the listing lacks. */
  const behind = async () => {
    const room = await create();
    store.connected = false;
    await room.setMatchmaking({ region: 'north' });
    expect(rows.of(id)).not.toHaveProperty('region');
    store.connected = true;
    return room;
  };

  test('is written when the store is back', async () => {
    await behind();
    store.connect(true);
    await settled();
    expect(rows.of(id)).toHaveProperty('region', 'north');
  });

  test('is not when the room has left: the listing is its new host’s', async () => {
    const room = await behind();
    ownership.give(id);
    discardRoom(room, gates);
    rows.take(id);
    store.connect(true);
    await settled();
    expect(rows.of(id)?.processId).toBe('other');
  });

  test('waits while the room is still: it may be about to leave', async () => {
    const room = await behind();
    trackOf(room).phase = 'frozen';
    store.connect(true);
    await settled();
    expect(rows.of(id)).not.toHaveProperty('region');
    trackOf(room).phase = 'live';
    await until(() => (rows.of(id) as { region?: string }).region === 'north', 'the row');
  });
});

describe('a room whose id another host has by now', () => {
  /** This host was taken for dead, and another one has made a new room of the same id. */
  const lose = async () => {
    const room = await create();
    store.owners.set(id, { roomId: id, host: 'h2', epoch: 2 });
    rows.take(id);
    return room;
  };

  test('ends with its hooks, and touches nothing of the other', async () => {
    const room = await lose();
    await ownership.restore();
    expect(ownership.rooms()).toEqual([]);
    await until(() => matchMaker.getLocalRoomById(id) === undefined, 'the end');
    await until(() => room.disposed === 1, 'onDispose()');
    await room.setMatchmaking({ region: 'north' });
    await settled();
    expect(rows.of(id)).toEqual({ roomId: id, name: 'lobby', processId: 'other' });
    expect(store.owners.get(id)).toEqual({ roomId: id, host: 'h2', epoch: 2 });
  });

  test('ends after the move that holds it', async () => {
    const room = await lose();
    trackOf(room).phase = 'frozen';
    await expect(ownership.restore()).rejects.toMatchObject({ code: 'BATON_OWNERSHIP_LOST' });
    expect(internals(room)._internalState).toBe(1);
    trackOf(room).phase = 'live';
    await ownership.restore();
    await until(() => matchMaker.getLocalRoomById(id) === undefined, 'the end');
  });
});
