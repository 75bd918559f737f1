import type { Log } from '../telemetry/index.ts';
import { isUnavailable } from './promises.ts';

let log: Log | undefined;

/**
 * Keeps the process alive when Colyseus leaves a failed presence or listing call unhandled: it awaits many of
 * them in functions whose own promise nobody looks at, and Node would end the process for each. Only
 * `BATON_STORE_UNAVAILABLE` is passed over; anything else ends the process as it would without this.
 * Stays for the life of the process: calls that `Store.close` cut off fail after it.
 */
export function surviveAbsence(to: Log): void {
  if (!log) process.on('unhandledRejection', passOver);
  log = to;
}

function passOver(reason: unknown): void {
  if (isUnavailable(reason)) {
    log?.warn({ err: reason }, 'a call to the store failed and nobody handled it');
    return;
  }
  // With a listener Node no longer ends the process by itself; leave the app's own listeners their say.
  if (process.listenerCount('unhandledRejection') === 1) throw reason;
}
