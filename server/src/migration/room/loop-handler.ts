// What a game loop calls, as data: a loop that onCreate() did not begin moves when its callback is a method.
import type { Room } from '@colyseus/core';
import { INTERVAL } from '../../colyseus/timer-internals.ts';
import { describeHandler, type HandlerDescription, type Problem } from '../fields/index.ts';
import type { LoopRequest } from './loop.ts';
import { trackOf } from './track.ts';

/** A loop is an interval that no clock counts. */
export function describeLoop(room: Room, request: LoopRequest): HandlerDescription {
  const delayed = { type: INTERVAL, handler: request.callback };
  return describeHandler({ room, delayed, timers: { nameOf: () => 'dloop' } });
}

/** Why the room's loop cannot go on elsewhere. */
export function loopProblem(room: Room): Problem | undefined {
  const { simulation } = trackOf(room);
  if (!simulation || simulation.request.atCreation) return undefined;
  if (describeLoop(room, simulation.request).kind === 'movable') return undefined;
  const method = simulation.kind === 'fixed' ? 'setFixedTimestep' : 'setTimestep';
  return {
    path: `room.${method}()`,
    what: 'a loop that began after onCreate(), with a closure',
    hint: `begin it in onCreate(), or pass a method: ${method}(this.update.bind(this))`,
  };
}
