// Colyseus' driver, wrapped: rows of rooms that are arriving or have left are not written by this host.
import { type IRoomCache, type MatchMakerDriver, matchMaker, type Room } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';
import { BatonError } from '../../errors.ts';
import { trackOf } from './track.ts';
import { isUnlisted, isUnlistedRoom } from './unlisted.ts';

/** Told by the driver gate about rooms of this host. */
export interface RoomRegistry {
  /**
   * A room is about to be listed for the first time; throws when another host owns the id.
   * @returns false when this host owned the id already
   */
  created(roomId: string): Promise<boolean>;
  /** A room is gone for good. */
  removed(roomId: string): void;
  /** Epoch at which this host owns the room, or undefined. */
  epoch(roomId: string): number | undefined;
  /** Calls back once, as soon as the store can be used. */
  whenStoreIsBack(fn: () => void): void;
}

export interface DriverGate {
  readonly driver: MatchMakerDriver;
  /** Rows of these rooms are changed locally only, until the room is live here. */
  hold(roomId: string): void;
  /** The room is live here: writes its row with this host's processId. */
  publish(room: Room): Promise<void>;
  /** The shell was discarded. */
  drop(roomId: string): void;
  /** Removes the row of a room that is gone, if the row still names this process. */
  unlist(roomId: string): Promise<void>;
}

const localRoom = (roomId: string) => matchMaker.getLocalRoomById(roomId) as Room | undefined;

export function gateDriver(stock: MatchMakerDriver, registry: RoomRegistry): DriverGate {
  const held = new Set<string>();
  const driver = Object.create(stock) as MatchMakerDriver;
  const isHeld = (roomId: string | undefined) => roomId === undefined || held.has(roomId);

  driver.insert = async (row) => {
    if (isHeld(row.roomId)) return true;
    const { roomId } = row;
    let fresh = false;
    let listed = false;
    try {
      fresh = await registry.created(roomId);
      if (isUnlisted(row.name)) return (listed = true);
      listed = stock.insert ? await stock.insert(row) : await stock.persist(row, true);
    } catch (error) {
      // core leaves such a room to its timeout: its disposal must keep off what has the id by then
      (row as { roomId: string | undefined }).roomId = undefined;
      throw error;
    } finally {
      // the room will not be: its id must not stay this host's, unless one of that id runs here
      if (!listed && fresh && !localRoom(roomId)) registry.removed(roomId);
    }
    return listed;
  };
  /** Rows that could not be written: the room's, or undefined for a room that is gone. */
  const unwritten = new Map<string, IRoomCache | undefined>();
  /**
   * Joins and leaves of a room that runs do not fail because the store is away: Colyseus would not even close the
   * connection of a client that leaves. The row is written when the store is back.
   */
  const write = async (roomId: string, row: IRoomCache | undefined, command: () => unknown) => {
    try {
      return (await command()) as boolean;
    } catch (error) {
      if (!(error instanceof BatonError) || error.code !== 'BATON_STORE_UNAVAILABLE') throw error;
      later(roomId, row);
      return false;
    }
  };
  const later = (roomId: string, row: IRoomCache | undefined) => {
    if (unwritten.size === 0) registry.whenStoreIsBack(writeAgain);
    unwritten.set(roomId, row);
  };
  /** By now the room may run elsewhere, under a row of its new host, or another room have its id. */
  const writeAgain = async () => {
    const rows = [...unwritten];
    unwritten.clear();
    for (const [roomId, row] of rows) {
      if (row === undefined) {
        await write(roomId, row, () => unlist(roomId));
        continue;
      }
      const room = localRoom(roomId);
      if (!room || internals(room)._listing !== row || held.has(roomId)) continue;
      if (registry.epoch(roomId) === undefined) continue;
      if (trackOf(room).phase === 'frozen') later(roomId, row);
      else await write(roomId, row, () => stock.persist(row, true));
    }
  };
  const unlist = async (roomId: string) => {
    const row = (await stock.findByIds([roomId])).get(roomId);
    if (row?.processId !== matchMaker.processId) return;
    const room = localRoom(roomId);
    if (!room || trackOf(room).phase === 'released') await stock.remove(roomId);
  };

  driver.persist = (row, create) => {
    if (isHeld(row.roomId) || isUnlisted(row.name)) return true;
    return create ? stock.persist(row, create) : write(row.roomId, row, () => stock.persist(row));
  };
  driver.update = (row, operations) => {
    if (row.roomId === undefined) return true; // a room that left this host
    if (!held.has(row.roomId) && !isUnlisted(row.name))
      return write(row.roomId, row, () => stock.update(row, operations));
    const target = row as unknown as Record<string, unknown>;
    Object.assign(target, operations.$set);
    for (const [field, by] of Object.entries(operations.$inc ?? {})) {
      target[field] = ((target[field] as number) ?? 0) + (by as number);
    }
    return true;
  };
  driver.remove = (roomId) => {
    if (isHeld(roomId)) return true;
    registry.removed(roomId);
    if (isUnlistedRoom(roomId)) return true;
    return write(roomId, undefined, () => stock.remove(roomId));
  };
  // Object.create keeps `this` pointing at the gate for everything else; private #fields of a driver need the stock.
  for (const method of [
    'has',
    'query',
    'cleanup',
    'findOne',
    'findByIds',
    'clear',
    'boot',
    'shutdown',
  ] as const) {
    const fn = stock[method] as Function | undefined;
    if (fn) (driver as unknown as Record<string, unknown>)[method] = fn.bind(stock);
  }

  return {
    driver,
    hold: (roomId) => held.add(roomId),
    drop: (roomId) => held.delete(roomId),
    async publish(room) {
      held.delete(room.roomId);
      if (isUnlisted(room.roomName)) return;
      const row = internals(room)._listing as IRoomCache;
      await stock.persist(row, true);
    },
    unlist,
  };
}
