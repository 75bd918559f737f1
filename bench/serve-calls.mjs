// The child's side of child.ts: answers calls that arrive over IPC. Plain JavaScript, for old Nodes too.

import { createRequire } from 'node:module';
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

/** Bytes that were taken from malloc and not given back (mallinfo(3)); 0 where there is no such call. */
const allocated = (() => {
  try {
    const koffi = createRequire(import.meta.url)('koffi');
    const names = [
      'arena',
      'ordblks',
      'smblks',
      'hblks',
      'hblkhd',
      'usmblks',
      'fsmblks',
      'uordblks',
      'fordblks',
      'keepcost',
    ];
    koffi.struct('mallinfo2', Object.fromEntries(names.map((name) => [name, 'size_t'])));
    const mallinfo2 = koffi.load(null).func('mallinfo2 mallinfo2()');
    return () => {
      const { uordblks, hblkhd } = mallinfo2();
      return Number(uordblks) + Number(hblkhd);
    };
  } catch {
    return () => 0;
  }
})();

/**
 * What every measured server reports about itself. CPU in µs, memory in bytes: resident, which counts what V8 and malloc
 * hold free, and in use.
 */
export const meter = {
  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  cpuTimes: () => process.cpuUsage(),
  memory() {
    globalThis.gc?.();
    globalThis.gc?.();
    return process.memoryUsage.rss();
  },
  memoryInUse: () => getHeapStatistics().used_heap_size + allocated(),
};
