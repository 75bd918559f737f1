import { setTimeout as wait } from 'node:timers/promises';

/**
 * Does something so many times, begun evenly over a time; without one as soon as fewer than `atOnce` are under way.
 * @throws the first error; what was begun goes on
 */
export async function eachOnRamp<T>(
  count: number,
  rampMs: number,
  atOnce: number,
  begin: (n: number) => Promise<T>,
): Promise<T[]> {
  const start = performance.now();
  const results: T[] = [];
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < count; n = next++) {
      const due = start + (rampMs * n) / count - performance.now();
      if (due > 0) await wait(due);
      results[n] = await begin(n);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, lane));
  return results;
}
