// What a clock timer calls, as data.
import { Type } from '@colyseus/timer';
import type { ClassRegistry } from './class-registry.ts';
import { fingerprint } from './fingerprint.ts';
import { FunctionNames, findFunction } from './functions.ts';
import { HINTS } from './hints.ts';
import type { FunctionRef, Problem, RoomLike, TimerNames } from './types.ts';

export type HandlerDescription =
  /** Made in the constructor or onCreate: the target made it too, under this name. */
  | { kind: 'created'; name: string }
  /** Made later with a handler that the target has too. */
  | { kind: 'movable'; name: string; ref: FunctionRef; h: number }
  /** A closure that runs once: the move can wait for it. `dueMs` of the room's clock; Infinity while it is paused. */
  | { kind: 'postpone'; name: string; dueMs: number; problem: Problem }
  | { kind: 'problem'; name: string; problem: Problem };

const words = (delayed: any): string =>
  delayed.type === Type.Interval ? 'setInterval' : delayed.type === Type.Async ? 'duration' : 'setTimeout';

/** @param o.delayed an active timer of the room's clock; a cleared one needs no description */
export function describeHandler(o: {
  room: RoomLike;
  delayed: any;
  timers: TimerNames;
  classes?: ClassRegistry;
  names?: FunctionNames;
}): HandlerDescription {
  const { delayed } = o;
  const name = o.timers.nameOf(delayed);
  if (name === undefined)
    return {
      kind: 'problem',
      name: '?',
      problem: {
        path: `room.clock.${words(delayed)}()`,
        what: 'timer of another clock',
        hint: HINTS.otherClock,
      },
    };
  if (name.startsWith('c')) return { kind: 'created', name };
  const fn = o.timers.handlerOf?.(delayed) ?? delayed.handler;
  const ref =
    delayed.type === Type.Async ? undefined : (o.names ?? new FunctionNames(o.room, o.classes)).refOf(fn);
  if (ref) return { kind: 'movable', name, ref, h: fingerprint(fn) };
  const path = `room.clock.${words(delayed)}(${delayed.type === Type.Async ? '' : fn.name || '…'}) ${name}`;
  const problem = {
    path,
    what: delayed.type === Type.Async ? 'code that awaits the clock' : 'closure',
    hint: HINTS.timer,
  };
  if (delayed.type === Type.Interval) return { kind: 'problem', name, problem };
  return {
    kind: 'postpone',
    name,
    dueMs: delayed.paused ? Number.POSITIVE_INFINITY : Math.max(0, delayed.time - delayed.elapsedTime),
    problem,
  };
}

/** The handler of a movable timer in this process; undefined when this process's code does not have it. */
export function findHandler(o: {
  room: RoomLike;
  ref: FunctionRef;
  h: number;
  classes: ClassRegistry;
  sameCode?: boolean;
}): Function | undefined {
  const found = findFunction(o.room, o.ref, o.classes);
  if (found === undefined || o.sameCode !== true || o.ref.t === 'bound') return found;
  return fingerprint(found) === o.h ? found : undefined;
}
