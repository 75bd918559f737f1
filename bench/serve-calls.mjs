// The child's side of child.ts: answers calls that arrive over IPC. Plain JavaScript, for old Nodes too.

import { getHeapStatistics } from 'node:v8';

/** @param {Record<string, (args: any) => unknown>} methods */
export function serveCalls(methods) {
  process.on('message', async ({ id, method, args }) => {
    try {
      process.send({ id, result: await methods[method](args) });
    } catch (error) {
      process.send({ id, error: String(error?.stack ?? error) });
    }
  });
  process.on('disconnect', () => process.exit());
}

/** What every measured server reports about itself. CPU in µs, memory in bytes; `live` leaves out heap that V8 holds free. */
export const meter = {
  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  memory() {
    globalThis.gc?.();
    globalThis.gc?.();
    const { total_physical_size: heap, used_heap_size: used } = getHeapStatistics();
    const rss = process.memoryUsage.rss();
    return { rss, live: rss - (heap - used) };
  },
};
