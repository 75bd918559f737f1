// Clock, timers and game loop of an arriving room: what its onCreate() made here goes on where it was there.
import type { Delayed, Room } from '@colyseus/core';
import { delayedInternals, INTERVAL } from '../../colyseus/timer-internals.ts';
import { moveFailed } from '../../errors.ts';
import { type ClassRegistry, type FieldUnpickler, findHandler, fingerprint } from '../fields/index.ts';
import { startFixed, startVariable } from './simulation.ts';
import type { LoopRecord, RoomSnapshot, TimerRecord } from './snapshot.ts';
import {
  keepHandler,
  nameTimer,
  setTimerCount,
  setTimersOfCreation,
  sketchOf,
  type TimerSketch,
  timerCount,
  timersOfCreation,
} from './timers.ts';
import type { RoomTrack } from './track.ts';

interface Code {
  classes: ClassRegistry;
  /** Source and target run the same code. */
  sameCode: boolean;
}

export function restoreClock(room: Room, snapshot: RoomSnapshot): void {
  const { clock } = room;
  clock.elapsedTime = snapshot.clock.elapsed;
  clock.currentTime = snapshot.clock.current;
  clock.deltaTime = snapshot.clock.delta;
}

export function restoreLoop(room: Room, track: RoomTrack, snapshot: RoomSnapshot, code: Code): void {
  const { simulation: record, loopEnded } = snapshot;
  if (!record) {
    if (track.simulation) startVariable(room, undefined, 0);
  } else {
    if (!isThatLoop(track, record, code.sameCode)) beginLoop(room, record, code);
    const simulation = track.simulation!;
    simulation.accumulator = record.accumulator;
    simulation.tick = record.tick;
    simulation.lastRunAt = record.lastRunAt;
  }
  track.loopEnded = loopEnded;
}

function isThatLoop({ simulation }: RoomTrack, record: LoopRecord, sameCode: boolean): boolean {
  if (!simulation || simulation.kind !== record.kind) return false;
  if (!sameCode) return true;
  const { request, intervalMs } = simulation;
  return intervalMs === record.interval && fingerprint(request.callback) === record.code;
}

function beginLoop(room: Room, record: LoopRecord, { classes, sameCode }: Code): void {
  const callback = record.handler && findHandler({ room, ...record.handler, classes, sameCode });
  if (!callback) throw moveFailed({ roomId: room.roomId, reason: 'what its loop calls is not known here' });
  const call = (argument: unknown) => callback.call(room, argument);
  if (record.kind === 'fixed') startFixed(room, call, record.tickRate!, record.subSteps, callback);
  else startVariable(room, call, record.interval, callback);
}

/**
 * Which timer of this shell is which of the room. Both came from onCreate(), but this one may have left some out
 * (`if (!this.isMigrating)`), so that their handlers' code counts before their order.
 */
export function pairTimers(room: Room, there: TimerSketch[], sameCode: boolean): Map<string, Delayed> {
  const free = new Map(timersOfCreation(room).map((delayed) => [delayed, sketchOf(delayed)]));
  const pairs = new Map<string, Delayed>();
  const order = ({ name }: TimerSketch) => Number(name.slice(1));
  const wanted = there.filter(({ name }) => name[0] === 'c').sort((a, b) => order(a) - order(b));
  const fits: ((here: TimerSketch, there: TimerSketch) => boolean)[] = [
    (a, b) => a.name === b.name && a.code === b.code,
    (a, b) => a.code === b.code,
  ];
  if (!sameCode) fits.push((a, b) => a.name === b.name);
  for (const fit of fits) {
    for (const sketch of wanted) {
      if (pairs.has(sketch.name)) continue;
      const found = [...free].find(([, own]) => own.type === sketch.type && fit(own, sketch))?.[0];
      if (!found) continue;
      free.delete(found);
      pairs.set(sketch.name, found);
    }
  }
  return pairs;
}

/** Timers of the room under the names they have there; those of this shell that it does not have end. */
export function matchTimers(room: Room, snapshot: RoomSnapshot, sameCode: boolean): Map<string, Delayed> {
  const pairs = pairTimers(room, snapshot.timers, sameCode);
  const kept = new Set(pairs.values());
  for (const delayed of timersOfCreation(room)) if (!kept.has(delayed)) end(delayed);
  for (const [name, delayed] of pairs) nameTimer(delayed, name);
  setTimersOfCreation(room, [...kept]);
  return pairs;
}

/** Without rejecting what awaits it: on the other host that went on long ago. */
function end(delayed: Delayed): void {
  delayed.active = false;
}

export interface TimerRestore extends Code {
  room: Room;
  snapshot: RoomSnapshot;
  /** As matchTimers() found them; later ones are added. */
  timers: Map<string, Delayed>;
  unpickler: FieldUnpickler;
}

export function restoreTimers(given: TimerRestore): void {
  const { room, snapshot, timers } = given;
  const running: Delayed[] = [];
  for (const record of snapshot.timers) {
    const delayed = timers.get(record.name) ?? remake(given, record);
    if (!delayed) continue;
    delayed.time = record.time;
    delayed.elapsedTime = record.elapsed;
    delayed.paused = record.paused;
    delayed.active = record.active;
    if (record.active) running.push(delayed);
  }
  // arguments may point at timers, so they are filled once all timers exist
  for (const record of snapshot.timers) {
    if (!record.args) continue;
    const values = record.args.map((value) =>
      given.unpickler.unpickle(value, undefined, `clock timer ${record.name}`),
    );
    delayedInternals(timers.get(record.name)!).args = values;
  }
  room.clock.delayed = running;
  setTimerCount(room, Math.max(timerCount(room), snapshot.clock.timers));
}

function remake({ room, timers, classes, sameCode }: TimerRestore, record: TimerRecord): Delayed | undefined {
  if (!record.active) return undefined;
  const handler = record.handler && findHandler({ room, ...record.handler, classes, sameCode });
  if (!handler) {
    const hint = record.name[0] === 'c' ? ': make it in onCreate() also while `isMigrating` is true' : '';
    throw moveFailed({
      roomId: room.roomId,
      reason: `the handler of clock timer ${record.name} is not known here${hint}`,
    });
  }
  const call = (...args: unknown[]) => handler.apply(room, args);
  const make = record.type === INTERVAL ? room.clock.setInterval : room.clock.setTimeout;
  const delayed = make.call(room.clock, call, record.time) as Delayed;
  nameTimer(delayed, record.name);
  keepHandler(delayed, handler as (...args: unknown[]) => unknown);
  timers.set(record.name, delayed);
  return delayed;
}
