import { createContext, Script } from 'node:vm';

/**
 * Runs `work` with an end: a loop that never ends is broken off. Nothing of it is carried on then, not even `finally`.
 * @param ms real milliseconds
 * @returns whether it came to its end
 */
export function endsWithin(ms: number, work: () => void): boolean {
  const script = new Script('work()');
  try {
    // Only code that a script was started with can be broken off; it calls back into this realm.
    script.runInContext(createContext({ work }), { timeout: ms });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
    throw error;
  }
}

/**
 * Runs `work` in a world where chance and time of day are the simulation's, also for a matchmaker that asks for them
 * itself: the same seed has to give the same matches.
 */
export function inVirtualTime<T>(now: () => number, random: () => number, work: () => T): T {
  const real = { now: Date.now, random: Math.random };
  Date.now = now;
  Math.random = random;
  try {
    return work();
  } finally {
    Date.now = real.now;
    Math.random = real.random;
  }
}
