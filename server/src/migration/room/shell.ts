// A shell is an arriving room before its snapshot: made by the stock constructor and onCreate(), inert, unlisted.
import { CloseCode, matchMaker, Room } from '@colyseus/core';
import { internals, REMOTE_METHODS } from '../../colyseus/room-internals.ts';
import { roomClassMissing } from '../../errors.ts';
import type { DriverGate } from './driver-gate.ts';
import type { PresenceGate } from './gates.ts';
import { resumeSeats } from './seats.ts';
import { startLoops, stopLoops } from './simulation.ts';
import { arriving, creating, trackOf } from './track.ts';

export interface Gates {
  readonly driver: DriverGate;
  readonly presence: PresenceGate;
}

/**
 * Builds the shell of a room that may arrive. onCreate() runs with `isMigrating` true; its timers do not tick, its
 * row and its channel are held back.
 * @throws BATON_ROOM_CLASS_MISSING, or what onCreate() throws
 */
export async function buildShell(
  gates: Gates,
  room: { roomId: string; roomName: string; options: unknown },
  host: string,
): Promise<Room> {
  const { roomId, roomName } = room;
  if (!matchMaker.getRoomClass(roomName)) throw roomClassMissing({ host, roomName });
  gates.driver.hold(roomId);
  gates.presence.hold(roomId);
  const store: { roomId: string; room?: Room } = { roomId };
  try {
    await arriving.run(store, () =>
      matchMaker.handleCreateRoom(roomName, room.options as never, undefined, roomId),
    );
  } catch (error) {
    gates.driver.drop(roomId);
    gates.presence.drop(roomId);
    throw error;
  }
  const shell = store.room!;
  stopLoops(shell);
  await trackOf(shell).mailbox?.ready();
  return shell;
}

/**
 * The room left this host, or its shell is not needed: frees everything without onDispose(), onLeave(), listings or
 * presence noticing.
 */
export function discardRoom(room: Room, gates: Gates): void {
  const track = trackOf(room);
  const inner = internals(room);
  track.phase = 'released';
  const counted = room.clients.length + Object.keys(inner._reconnections).length;
  // MatchMaker's own convention for a row that belongs to another process: disposal keeps off it
  inner._listing = { ...inner._listing, roomId: undefined } as never;
  (room as { onDispose?: unknown }).onDispose = undefined;
  (room as { onUncaughtException?: unknown }).onUncaughtException = undefined;
  for (const [, deferred] of Object.values(inner._reconnections)) deferred.catch(() => {});
  for (const timeout of Object.values(inner._reservedSeatTimeouts)) clearTimeout(timeout);
  inner._reconnections = {};
  inner._reservedSeats = {};
  inner._internalState = 2; // DISPOSING
  for (const delayed of room.clock.delayed) (delayed as { active: boolean }).active = false;
  room.clock.delayed = [];
  room.clients.splice(0);
  matchMaker.stats.local.ccu -= counted;
  gates.presence.unsubscribeAll(room);
  // core's own clean-up unsubscribes by callback, which other rooms may share
  creating.run({ room }, () => inner._events.emit('dispose'));
}

/** Throws a shell away that will not become the room. */
export function discardShell(room: Room, gates: Gates): void {
  discardRoom(room, gates);
  gates.driver.drop(room.roomId);
  gates.presence.drop(room.roomId);
}

/**
 * Another host owns the id: this one was taken for dead, and there is a new room. The one that runs here ends with
 * all its hooks, but what rooms have in common (row, call channel, lobby) is the other's.
 * @returns false while a move holds the room
 */
export function endLostRoom(roomId: string, gates: Gates): boolean {
  const room = matchMaker.getLocalRoomById(roomId) as Room | undefined;
  if (!room) return true;
  const track = trackOf(room);
  const inner = internals(room);
  if (track.phase !== 'live' || inner._internalState === 0) return false;
  track.phase = 'released';
  gates.presence.drop(roomId);
  inner._listing = { ...inner._listing, roomId: undefined } as never;
  room.disconnect(CloseCode.MAY_TRY_RECONNECT);
  return true;
}

/** The room goes on after a move that did not happen. */
export function thawRoom(room: Room): void {
  const track = trackOf(room);
  track.phase = 'live';
  resumeSeats(room);
  startLoops(room);
  track.mailbox?.reopen();
}

/** The restored room begins to run here. @param frozenAt µs on the machine's monotonic clock */
export function startRoom(room: Room, frozenAt: number): void {
  const track = trackOf(room);
  track.goLive();
  startLoops(room);
  track.mailbox?.arrive(frozenAt);
}

/**
 * Calls from this process to a room that is frozen or not yet here take `forward`; state is not touched meanwhile.
 * @returns what restores the methods
 */
export function divertMethods(
  room: Room,
  forward: (method: string, args: unknown[]) => Promise<unknown>,
): () => void {
  const saved: [string, PropertyDescriptor | undefined][] = [];
  for (const method of callableMethods(room)) {
    saved.push([method, Object.getOwnPropertyDescriptor(room, method)]);
    Object.defineProperty(room, method, {
      configurable: true,
      enumerable: false,
      writable: true,
      value: (...args: unknown[]) => forward(method, args),
    });
  }
  return () => {
    for (const [method, descriptor] of saved) {
      if (descriptor) Object.defineProperty(room, method, descriptor);
      else delete (room as unknown as Record<string, unknown>)[method];
    }
  };
}

const methodsByClass = new WeakMap<object, string[]>();

/** What remoteRoomCall() may be used for: the framework's remote methods and the game's own, except its hooks. */
function callableMethods(room: Room): string[] {
  const known = methodsByClass.get(room.constructor);
  if (known) return known;
  const names = new Set<string>(REMOTE_METHODS);
  let proto = Object.getPrototypeOf(room);
  while (proto && proto !== Room.prototype) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(proto))) {
      if (typeof descriptor.value === 'function' && name !== 'constructor' && !/^on[A-Z]/.test(name))
        names.add(name);
    }
    proto = Object.getPrototypeOf(proto);
  }
  const list = [...names];
  methodsByClass.set(room.constructor, list);
  return list;
}
