// Clock timers of a room get names that both hosts agree on: `c<n>` for the n-th timer made while the room was
// created (the target's onCreate() makes it, too), `d<n>` for later ones.
import type { Clock, Delayed, Room } from '@colyseus/core';
import {
  type DelayedInternals,
  delayedInternals,
  INTERVAL,
  timerMethods,
} from '../../colyseus/timer-internals.ts';
import { describeHandler, fingerprint, type HandlerDescription, type Problem } from '../fields/index.ts';
import { trackOf } from './track.ts';

const kRoom = Symbol('baton.room');
const kName = Symbol('baton.timerName');
const kHandler = Symbol('baton.timerHandler');
const kMade = Symbol('baton.timersOfCreation');

type Handler = (...args: unknown[]) => unknown;
type NamedDelayed = Delayed & DelayedInternals & { [kName]?: string; [kHandler]?: Handler };
type RoomClock = InstanceType<typeof Clock> & { [kRoom]?: Room; [kName]?: number; [kMade]?: NamedDelayed[] };

/** Lets a clock know its room; timers made by class field initialisers before that count as made at creation. */
export function bindClock(room: Room): void {
  const clock = room.clock as RoomClock;
  clock[kRoom] = room;
  if (room.onUncaughtException === undefined) return;
  // core's constructor put its guards over these methods: the function the game passed is lost behind them
  for (const method of ['setTimeout', 'setInterval'] as const) {
    const guarded = clock[method] as Function;
    timerMethods(clock)[method] = (handler: Handler, ...rest: unknown[]) => {
      const delayed = guarded.call(clock, handler, ...rest) as NamedDelayed;
      delayed[kHandler] = handler;
      return delayed;
    };
  }
}

/** All timers made while the room was created, also those that are through; both hosts have them. */
export function timersOfCreation(room: Room): Delayed[] {
  return (room.clock as RoomClock)[kMade] ?? [];
}

export function setTimersOfCreation(room: Room, timers: Delayed[]): void {
  (room.clock as RoomClock)[kMade] = timers as NamedDelayed[];
}

/**
 * A shell's clock stands still, but its onCreate() may await it: what runs once goes on with real time until the
 * promise settles.
 */
export function runWhileCreating(room: Room, creation: Promise<unknown>): void {
  let last = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    for (const delayed of [...room.clock.delayed] as NamedDelayed[]) {
      if (delayed.active && delayedInternals(delayed).type !== INTERVAL) delayed.tick(now - last);
    }
    last = now;
  }, 10);
  const end = () => clearInterval(timer);
  creation.then(end, end);
}

/** Name of a timer, or undefined when it belongs to no room's clock. */
export function timerName(delayed: Delayed): string | undefined {
  return (delayed as NamedDelayed)[kName];
}

export function nameTimer(delayed: Delayed, name: string): void {
  (delayed as NamedDelayed)[kName] = name;
}

/** The function the game passed, without our wrapper. */
export function timerHandler(delayed: Delayed): Handler {
  const named = delayed as NamedDelayed;
  return named[kHandler] ?? named.handler;
}

/** How other parts of a move find out about timers. */
export const timerNames = {
  nameOf: (delayed: object) => timerName(delayed as Delayed),
  handlerOf: (delayed: object) => timerHandler(delayed as Delayed),
};

/** What a timer that only this host has calls. */
export function describeTimer(room: Room, delayed: Delayed): HandlerDescription {
  const timers = { ...timerNames, nameOf: (d: object) => timerNames.nameOf(d)?.replace('c', 'd') };
  return describeHandler({ room, delayed, timers });
}

/** True when onCreate() on the target makes this timer, too. */
export function isMadeThere(room: Room, delayed: Delayed): boolean {
  const name = timerName(delayed)!;
  return name[0] === 'c' && !trackOf(room).missingTimers.has(name);
}

/** Timers that only this host can run: known once the target has said which ones it lacks. */
export function timerProblems(room: Room): Problem[] {
  const problems: Problem[] = [];
  for (const delayed of room.clock.delayed as Delayed[]) {
    if (!delayed.active || isMadeThere(room, delayed)) continue;
    const described = describeTimer(room, delayed);
    if (described.kind === 'problem') problems.push(described.problem);
  }
  return problems;
}

/** What tells timers of onCreate() apart on two hosts. */
export interface TimerSketch {
  name: string;
  type: number;
  /** Fingerprint of the handler's source. */
  code: number;
}

export function sketchOf(delayed: Delayed): TimerSketch {
  const { type } = delayedInternals(delayed);
  return { name: timerName(delayed)!, type, code: fingerprint(timerHandler(delayed)) };
}

/** For a timer made anew from its record: which function the game had passed. */
export function keepHandler(delayed: Delayed, handler: Handler): void {
  (delayed as NamedDelayed)[kHandler] = handler;
}

/** How many timers this clock has made. */
export function timerCount(room: Room): number {
  return (room.clock as RoomClock)[kName] ?? 0;
}

export function setTimerCount(room: Room, count: number): void {
  (room.clock as RoomClock)[kName] = count;
}

function adopt(clock: RoomClock): NamedDelayed {
  const delayed = clock.delayed[clock.delayed.length - 1] as NamedDelayed;
  const number = (clock[kName] ?? 0) + 1;
  clock[kName] = number;
  const room = clock[kRoom];
  const inCreation = !room || trackOf(room).phase === 'creating';
  delayed[kName] = `${inCreation ? 'c' : 'd'}${number}`;
  if (inCreation) {
    clock[kMade] ??= [];
    clock[kMade].push(delayed);
  }
  return delayed;
}

/** A timer handler that returns a promise keeps the room in place until it settles. */
function follow(clock: RoomClock, delayed: NamedDelayed): void {
  const handler = delayed.handler;
  delayed[kHandler] = handler;
  delayed.handler = function (this: unknown, ...args: unknown[]) {
    const result = handler.apply(this, args);
    const room = clock[kRoom];
    return room ? trackOf(room).follow('clock timer', result) : result;
  };
}

/** Patches the clock class once per process. */
export function installTimers(): void {
  const proto = timerMethods();
  for (const method of ['setTimeout', 'setInterval', 'duration'] as const) {
    const stock = proto[method];
    proto[method] = function (this: RoomClock, ...args: unknown[]) {
      const result = stock.apply(this, args);
      const delayed = adopt(this);
      if (method !== 'duration') follow(this, delayed);
      return result;
    };
  }
}
