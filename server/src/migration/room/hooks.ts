// The few prototype patches that let a stock Room be followed and stopped. They keep the stock behaviour; see
// docs/compatibility.md for the list.
import { type Client, matchMaker, type Presence, Room, type StepContext } from '@colyseus/core';
import { internals, type RoomClient, type RoomInternals } from '../../colyseus/room-internals.ts';
import { handlerPrototype } from '../../colyseus/server-internals.ts';
import { claimObjects } from '../fields/index.ts';
import { followMethods } from './methods.ts';
import { followMatches } from './queue-room.ts';
import { startFixed, startVariable, stopLoops } from './simulation.ts';
import { bindClock, installTimers, runWhileCreating } from './timers.ts';
import { arriving, creating, type RoomTrack, trackOf } from './track.ts';

declare module '@colyseus/core' {
  interface Room {
    /** True while onCreate() and class fields run for a room that arrives from another host: skip outside effects. */
    readonly isMigrating: boolean;
    /** Called on the new host after a move, when clients are connected again. */
    onMigrated?(info: { from: string; to: string; epoch: number; blackoutMs: number }): void;
  }
}

let installed = false;

/** Patches Room, RegisteredHandler and the clock. Call once, before the app's rooms are created. */
export function installHooks(): void {
  if (installed) return;
  installed = true;
  installTimers();
  patchCreation();
  patchCalls();
  patchLoops();
  patchEvents();
  followMatches();
}

const proto = () => Room.prototype as unknown as RoomInternals & Record<string, any>;

function patchCreation(): void {
  const stock = proto().__init;
  Object.defineProperty(Room.prototype, 'isMigrating', {
    configurable: true,
    get(this: Room) {
      const incoming = arriving.getStore();
      // before __init(), for class fields, no room is known yet
      return trackOf(this).shell || (incoming !== undefined && incoming.room === undefined);
    },
  });
  proto().__init = function (this: Room) {
    const track = trackOf(this);
    followMethods(this.constructor);
    bindClock(this);
    const incoming = arriving.getStore();
    // what the arriving room starts runs in its context: rooms made there are rooms of this host
    const arrives = incoming !== undefined && incoming.room === undefined;
    if (arrives) {
      track.shell = true;
      incoming.room = this;
      pinRoomId(this, incoming.roomId);
    }
    stock.call(this as never);
    if (arrives) stopLoops(this);
    dispatchDepartures(this, track);
    followPresence(this);
    wrapOnCreate(this, track);
  };
}

/** An arriving room keeps its id whatever onCreate() assigns. */
export function pinRoomId(room: Room, roomId: string): void {
  Object.defineProperty(room, 'roomId', {
    configurable: true,
    enumerable: true,
    get: () => roomId,
    set() {},
  });
}

function wrapOnCreate(room: Room, track: RoomTrack): void {
  const stock = room.onCreate as ((options: unknown) => unknown) | undefined;
  if (!stock) {
    track.phase = 'live';
    return;
  }
  const own = Object.getOwnPropertyDescriptor(room, 'onCreate');
  const end = () => {
    track.phase = 'live';
    claimObjects(room);
    if (own) Object.defineProperty(room, 'onCreate', own);
    else delete (room as { onCreate?: unknown }).onCreate;
  };
  const wrapped = (options: unknown) => {
    track.createOptions = copyOptions(withoutDefaults(room.roomName, options));
    const result = creating.run({ room }, () => stock.call(room, options));
    if (result !== null && typeof (result as Promise<unknown> | undefined)?.then === 'function') {
      if (track.shell) runWhileCreating(room, result as Promise<unknown>);
      return (result as Promise<unknown>).then(
        (value) => {
          end();
          return value;
        },
        (error) => {
          end();
          throw error;
        },
      );
    }
    end();
    return result;
  };
  Object.defineProperty(room, 'onCreate', {
    configurable: true,
    enumerable: false,
    writable: true,
    value: wrapped,
  });
}

/** Subscriptions through `this.presence` belong to the room; those made after onCreate() cannot be made again. */
function followPresence(room: Room): void {
  let scoped: Presence | undefined = room.presence;
  Object.defineProperty(room, 'presence', {
    configurable: true,
    enumerable: true,
    get: () => scoped,
    set(presence: Presence) {
      const subscribe = presence.subscribe;
      presence.subscribe = (topic, callback) =>
        creating.run({ room }, () => subscribe.call(presence, topic, callback));
      const unsubscribe = presence.unsubscribe;
      presence.unsubscribe = (topic, callback) =>
        creating.run({ room }, () => unsubscribe.call(presence, topic, callback));
      scoped = presence;
    },
  });
}

/** What the creator asked for: options of define() are laid over it on every host anew, and need not be data. */
function withoutDefaults(roomName: string, options: unknown): unknown {
  const defaults = (matchMaker.getAllHandlers()[roomName]?.options ?? {}) as object;
  if (options === null || typeof options !== 'object') return options;
  return Object.fromEntries(Object.entries(options).filter(([key]) => !Object.hasOwn(defaults, key)));
}

/** Options come from JSON or from the app; what cannot be copied is taken as it is. */
function copyOptions(options: unknown): unknown {
  try {
    return structuredClone(options);
  } catch {
    return options;
  }
}

/**
 * Replaces onDrop/onLeave of this room by a dispatcher that lets a restore replay departures: `_onLeave` compares
 * `this.onDrop` by identity later on, so there must be one stable function.
 */
function dispatchDepartures(room: Room, track: RoomTrack): void {
  for (const method of ['onDrop', 'onLeave'] as const) {
    const stock = room[method] as ((client: Client, code?: number) => unknown) | undefined;
    if (!stock) continue;
    const dispatch = function (this: Room, client: Client, code?: number) {
      const seconds = track.replayed.get(client);
      // a seat that expires in a shell: whether the room will be here is not known yet
      if (track.shell && seconds === undefined)
        return track.arrived().then(() => track.follow(method, stock.call(room, client, code)));
      if (seconds === undefined) return track.follow(method, stock.call(room, client, code));
      track.replayed.delete(client);
      room.allowReconnection(client, Number.isFinite(seconds) ? seconds : 'manual').catch(() => {});
      return undefined;
    };
    Object.defineProperty(dispatch, 'name', { value: method });
    Object.defineProperty(room, method, {
      configurable: true,
      enumerable: false,
      writable: true,
      value: dispatch,
    });
  }
}

function patchCalls(): void {
  const stockJoin = proto()._onJoin;
  proto()._onJoin = function (this: Room, ...args: Parameters<typeof stockJoin>) {
    return trackOf(this).follow('onJoin', stockJoin.apply(this as never, args));
  };

  const stockLeave = proto()._onLeave;
  proto()._onLeave = function (this: Room, client: unknown, code?: number) {
    const track = trackOf(this);
    const token = (client as RoomClient).reconnectionToken;
    track.departures.set(token, { client: client as RoomClient, code });
    const result = stockLeave.call(this as never, client, code);
    const tidy = () => {
      if (!internals(this)._reconnections[token]) track.departures.delete(token);
    };
    result.then(tidy, tidy);
    return track.follow('onLeave', result);
  };

  const stockReserve = proto()._reserveSeat;
  proto()._reserveSeat = function (this: Room, ...args: Parameters<typeof stockReserve>) {
    const [sessionId, , , seconds = this.seatReservationTimeout] = args;
    const track = trackOf(this);
    track.seats.set(sessionId, { at: Date.now(), seconds });
    if (track.seats.size > 64) dropStaleSeats(this, track);
    return track.follow('seat reservation', stockReserve.apply(this as never, args));
  };

  const stockReset = proto().resetAutoDisposeTimeout;
  proto().resetAutoDisposeTimeout = function (this: Room, seconds = 1) {
    trackOf(this).disposal = { at: Date.now(), seconds };
    stockReset.call(this as never, seconds);
  };

  proto().onMessage = followHandlers(Room.prototype.onMessage);
  proto().onMessageBytes = followHandlers(Room.prototype.onMessageBytes);
}

/** @param register Room's method: `(type, handler)` or `(type, validation, handler)` */
function followHandlers(register: Function) {
  return function (this: Room, type: unknown, a: unknown, b?: unknown) {
    const track = trackOf(this);
    const wrap = (handler: Function) =>
      function (this: unknown, client: unknown, message: unknown, context: unknown) {
        const result = handler.call(this, client, message, context);
        return result === undefined ? result : track.follow('message handler', result);
      };
    return typeof b === 'function'
      ? register.call(this, type, a, wrap(b))
      : register.call(this, type, wrap(a as Function));
  };
}

function dropStaleSeats(room: Room, track: RoomTrack): void {
  for (const sessionId of track.seats.keys()) {
    if (internals(room)._reservedSeats[sessionId] === undefined) track.seats.delete(sessionId);
  }
}

function patchLoops(): void {
  const room = proto();
  const DEFAULT_DELAY = 1000 / 60;
  room.setTimestep = function (this: Room, callback?: (deltaTime: number) => void, delay = DEFAULT_DELAY) {
    startVariable(this, callback, delay);
  };
  room.setSimulationInterval = function (this: Room, callback?: (deltaTime: number) => void, delay?: number) {
    this.setTimestep(callback, delay);
  };
  room.setFixedTimestep = function (
    this: Room,
    step: (context: StepContext) => void,
    tickRate = 60,
    options?: { subSteps?: number },
  ) {
    startFixed(this, step, tickRate, subStepCount(options?.subSteps));
  };
  const stockPatch = Room.prototype.broadcastPatch;
  room.broadcastPatch = function (this: Room) {
    trackOf(this).lastPatchAt = Date.now();
    return stockPatch.call(this);
  };
}

/** Same check and message as core's validateSubSteps(). */
function subStepCount(value: number | undefined): number | undefined {
  if (value !== undefined && (!Number.isInteger(value) || value < 1)) {
    throw new Error(`[setFixedTimestep] subSteps must be an integer >= 1 (got ${value})`);
  }
  return value;
}

/** A room that is arriving, frozen or gone tells no lobby and no `define().on(…)` listener anything. */
function patchEvents(): void {
  const handler = handlerPrototype();
  const stock = handler.emit;
  handler.emit = function (event, ...args) {
    const room = args[0];
    if (room instanceof Room && trackOf(room).silent) return false;
    return stock.call(this, event, ...args);
  };
}
