import type { Log } from '../telemetry/index.ts';
import { persevere } from './promises.ts';
import { parseAddress } from './redis/address.ts';
import type { Store } from './types.ts';

interface Waits {
  log: Log;
  /** How long to try when the store is away at start, ms; default 30,000. */
  deadlineMs?: number;
  /** How long one call may take, ms; default 2,000. */
  timeoutMs?: number;
}

export type StoreOptions = Waits &
  (
    | {
        kind: 'redis';
        /** `redis[s]://[user][:password]@host[:port][/db]`; never logged with its password. */
        url: string;
        /**
         * Starts every key and channel; default `baton:`. Services with different prefixes share a Redis without
         * seeing each other.
         */
        prefix?: string;
      }
    | {
        kind: 'embedded';
        /** Unix socket of the `EmbeddedStoreServer`. */
        path: string;
      }
  );

/** Starts every key and channel of a service that names no other. */
export const defaultPrefix = 'baton:';

/**
 * Opens the store, trying again while it is away.
 *
 * @throws BATON_STORE_UNAVAILABLE after `deadlineMs`; BATON_INVALID_OPTION for a URL that is none
 */
export async function openStore(o: StoreOptions): Promise<Store> {
  const { log, deadlineMs = 30_000, timeoutMs = 2000 } = o;
  if (o.kind === 'embedded') {
    const { EmbeddedStore } = await import('./embedded/store.ts');
    return persevere({ url: o.path, deadlineMs, log }, () =>
      EmbeddedStore.connect({ path: o.path, timeoutMs, log }),
    );
  }
  const { RedisStore } = await import('./redis/store.ts');
  const { safe } = parseAddress(o.url);
  return persevere({ url: safe, deadlineMs, log }, () =>
    RedisStore.connect({ url: o.url, prefix: o.prefix ?? defaultPrefix, timeoutMs, log }),
  );
}
