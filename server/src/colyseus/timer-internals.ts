// What Baton touches inside @colyseus/timer 2.0.3, the clock of a room, besides its public API.
import { Clock, type Delayed } from '@colyseus/core';

/** A timer of a clock. */
export interface DelayedInternals {
  /** Interval 0, timeout 1, `duration()` 2. */
  readonly type: number;
  /** Function that the game passed, or a wrapper of ours around it. */
  handler: (...args: unknown[]) => unknown;
  /** What it is called with. */
  args: unknown[] | undefined;
}

/** `DelayedInternals.type` of setInterval(). */
export const INTERVAL = 0;

export const delayedInternals = (delayed: Delayed): DelayedInternals =>
  delayed as unknown as DelayedInternals;

/** Methods of a clock, or of all clocks, that make timers; they are patched. */
export type TimerMethods = Record<'setTimeout' | 'setInterval' | 'duration', Function>;

export const timerMethods = (clock: object = Clock.prototype): TimerMethods =>
  clock as unknown as TimerMethods;
