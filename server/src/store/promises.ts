import { setTimeout as delay } from 'node:timers/promises';
import { BatonError, storeUnavailable } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';

/** Lets the caller leave a promise unawaited: its rejection counts as handled, and still reaches who awaits. */
export function unawaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** A rejected promise that may be left unawaited. */
export function refuse(error: BatonError): Promise<never> {
  return unawaited(Promise.reject(error));
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof BatonError && error.code === 'BATON_STORE_UNAVAILABLE';
}

/**
 * Runs `expire` after `ms`, unless the answer came in that time. A process that was itself stalled finds its
 * timers due before it reads what arrived meanwhile, so the verdict waits until after one round of reading.
 */
export function deadline(ms: number, expire: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(expire);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/** Reconnecting: soon at first, then at most every half second; less than a lease, with some jitter. */
export function backoff(attempt: number): number {
  return Math.min(500, 25 * 2 ** Math.min(attempt, 10)) * (0.75 + Math.random() / 2);
}

/**
 * Tries to open a store until it answers or `deadlineMs` is over, with a log line for each failure.
 *
 * @param attempt one try; gets the milliseconds it may take
 * @throws BATON_STORE_UNAVAILABLE after the deadline, or at once what is not about reaching the store
 */
export async function persevere<T>(
  o: { url: string; deadlineMs: number; log: Log },
  attempt: (ms: number) => Promise<T>,
): Promise<T> {
  const start = performance.now();
  for (let tries = 1; ; tries++) {
    const left = o.deadlineMs - (performance.now() - start);
    try {
      return await attempt(Math.max(1, left));
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      const reason = String((error as BatonError).details['reason']);
      const pause = Math.min(2000, 100 * 2 ** Math.min(tries, 10));
      const over = performance.now() - start + pause >= o.deadlineMs;
      o.log.warn(
        { store: o.url, reason, tries },
        over ? 'store away; giving up' : 'store away; trying again',
      );
      if (over) {
        const seconds = Math.round(o.deadlineMs / 100) / 10;
        throw storeUnavailable({ url: o.url, reason: `${reason} (tried for ${seconds} s)` }, error);
      }
      await delay(pause);
    }
  }
}
