// A room's game loop, with the same behaviour as Room.setTimestep()/setFixedTimestep() but able to stop, travel
// and go on: the accumulator and the tick of a fixed timestep are local variables in Colyseus.
import { type Room, type StepContext, TimestepException } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';
import { Simulation } from './loop.ts';
import { trackOf } from './track.ts';

/** Stands in `_simulationInterval` while loops are stopped: truthy, harmless to clearInterval(). */
const STOPPED = Object.freeze({ [Symbol.toPrimitive]: () => 0 });
const MAX_CATCH_UP_STEPS = 5;

type Step<A> = (argument: A) => unknown;

/** Stock behaviour: exceptions of a loop go to onUncaughtException() when the room has one. */
function guard<A>(room: Room, step: Step<A>, name: 'setTimestep' | 'setFixedTimestep'): Step<A> {
  if (room.onUncaughtException === undefined) return step;
  const report = (error: Error) =>
    room.onUncaughtException!(new TimestepException(error, error.message), name);
  return (argument) => {
    try {
      const result = step(argument) as Promise<unknown> | undefined;
      return typeof result?.catch === 'function' ? result.catch(report) : result;
    } catch (error) {
      return report(error as Error);
    }
  };
}

/** @param asked the function the game passed, when `callback` only calls it */
export function startVariable(
  room: Room,
  callback: ((deltaTime: number) => void) | undefined,
  delay: number,
  asked: Function | undefined = callback,
): void {
  const track = trackOf(room);
  const inner = internals(room);
  if (inner._simulationInterval) clearInterval(inner._simulationInterval as NodeJS.Timeout);
  if (!callback) {
    // Colyseus leaves the cleared interval in place here: the patch loop must not start a clock of its own.
    track.simulation = undefined;
    track.loopEnded = true;
    return;
  }
  const controller = inner._inputController;
  if (controller && controller.options.tickRate === undefined)
    controller.options.tickRate = Math.round(1000 / delay);
  const step = guard(room, callback, 'setTimestep');
  const request = { callback: asked!, atCreation: track.phase === 'creating' };
  track.simulation = new Simulation('variable', delay, request, () => {
    room.clock.tick();
    track.follow('simulation step', step(room.clock.deltaTime));
  });
  startLoop(room);
}

export function startFixed(
  room: Room,
  callback: (context: StepContext) => void,
  tickRate: number,
  subStepsOption: number | undefined,
  asked: Function = callback,
): void {
  const track = trackOf(room);
  const inner = internals(room);
  if (inner._simulationInterval) clearInterval(inner._simulationInterval as NodeJS.Timeout);
  const stepMs = 1000 / tickRate;
  const stepSeconds = 1 / tickRate;
  const controller = inner._inputController;
  const subSteps = subStepsOption ?? controller?.options.subSteps ?? 1;
  if (controller) {
    controller.options.tickRate = tickRate;
    controller.options.subSteps = subSteps;
  }
  const context = {
    dt: stepSeconds,
    dtMs: stepMs,
    tick: 0,
    subSteps,
    subDt: stepSeconds / subSteps,
    subDtMs: stepMs / subSteps,
  };
  const step = guard(room, callback, 'setFixedTimestep');
  const request = {
    callback: asked,
    atCreation: track.phase === 'creating',
    tickRate,
    subSteps: subStepsOption,
  };
  track.simulation = new Simulation('fixed', stepMs, request, (self) => {
    room.clock.tick();
    self.accumulator += room.clock.deltaTime;
    let ran = 0;
    while (self.accumulator >= stepMs && ran < MAX_CATCH_UP_STEPS) {
      self.accumulator -= stepMs;
      context.tick = self.tick++;
      track.follow('simulation step', step(context));
      ran++;
    }
    if (ran === MAX_CATCH_UP_STEPS) self.accumulator = 0; // a hitch: drop the backlog
  });
  startLoop(room);
}

function startLoop(room: Room): void {
  const track = trackOf(room);
  const inner = internals(room);
  if (track.paused) {
    inner._simulationInterval = STOPPED;
    return;
  }
  const simulation = track.simulation;
  inner._simulationInterval = simulation ? setInterval(simulation.run, simulation.intervalMs) : undefined;
}

/** A room of which nothing runs by itself: no clock, no patches, no loop. Call it in the room's constructor. */
export function runNoLoops(room: Room): void {
  trackOf(room).loopEnded = true;
  internals(room)._simulationInterval = STOPPED; // else patchRate = null begins a clock of 60 Hz
}

/** Stops the patch loop, the game loop and auto-disposal; may be called again while stopped. */
export function stopLoops(room: Room): void {
  const track = trackOf(room);
  const inner = internals(room);
  if (track.paused) {
    if (room.patchRate !== null) track.paused.patchRate = room.patchRate;
  } else {
    track.paused = { patchRate: room.patchRate, unreliablePatchRate: room.unreliablePatchRate };
  }
  if (inner._simulationInterval && inner._simulationInterval !== STOPPED) {
    clearInterval(inner._simulationInterval as NodeJS.Timeout);
  }
  inner._simulationInterval = STOPPED;
  room.patchRate = null;
  if (room.unreliablePatchRate) room.unreliablePatchRate = null;
  if (inner._autoDisposeTimeout) {
    const { at, seconds } = track.disposal;
    track.paused.disposeIn = Math.max(0.05, seconds - (Date.now() - at) / 1000);
    clearTimeout(inner._autoDisposeTimeout);
    inner._autoDisposeTimeout = undefined;
  }
}

/**
 * Starts the loops again in the rhythm they had: the first patch and the first simulation run come when they would
 * have come without the interruption.
 */
export function startLoops(room: Room): void {
  const track = trackOf(room);
  const inner = internals(room);
  const paused = track.paused;
  if (!paused) return;
  track.paused = undefined;
  const now = Date.now();
  const simulation = track.simulation;
  if (simulation) {
    const late = now - simulation.lastRunAt;
    const first = setTimeout(
      () => {
        if (inner._simulationInterval !== first || track.phase !== 'live') return;
        startLoop(room);
        simulation.run();
      },
      Math.max(0, simulation.intervalMs - late),
    );
    inner._simulationInterval = first;
  } else {
    inner._simulationInterval = track.loopEnded ? STOPPED : undefined;
  }
  const rate = paused.patchRate;
  room.patchRate = rate;
  if (rate) {
    const due = rate - (now - track.lastPatchAt);
    if (due < rate) {
      // the interval just started would make the first patch late by up to one period
      setTimeout(
        () => {
          if (track.phase !== 'live' || track.paused || room.patchRate !== rate) return;
          if (inner._internalState === 2) return; // DISPOSING: nobody would end an interval begun now
          room.broadcastPatch();
          room.patchRate = rate;
        },
        Math.max(0, due),
      );
    }
  }
  if (paused.unreliablePatchRate) room.unreliablePatchRate = paused.unreliablePatchRate;
  if (paused.disposeIn !== undefined) inner.resetAutoDisposeTimeout(paused.disposeIn);
}
