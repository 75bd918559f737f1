import type { Log } from '../telemetry/index.ts';
import { defaultPrefix } from './open.ts';

/**
 * Draws the number of a generation of code from a Redis store, greater than all before. Takes a connection for this
 * one step only: who starts hosts needs no store otherwise.
 *
 * @throws BATON_STORE_UNAVAILABLE
 */
export async function nextGeneration(o: {
  url: string;
  prefix?: string;
  log: Log;
  timeoutMs?: number;
}): Promise<number> {
  const { url, prefix = defaultPrefix, log, timeoutMs = 2000 } = o;
  const [{ RedisLink }, { parseAddress }, { scripts }] = await Promise.all([
    import('./redis/link.ts'),
    import('./redis/address.ts'),
    import('./redis/scripts.ts'),
  ]);
  const link = await RedisLink.open({ address: parseAddress(url), timeoutMs, log });
  try {
    await link.watch([]);
    const keys = [`${prefix}registry:hosts`, `${prefix}registry:last-generation`];
    return Number(await link.script(scripts.nextGeneration, keys, []));
  } finally {
    link.close();
  }
}
