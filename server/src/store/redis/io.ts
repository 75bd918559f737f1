import { backoff } from '../promises.ts';
import type { RedisAddress } from './address.ts';

/** Options of the ioredis connections inside Colyseus' presence and driver. */
export interface IoOptions {
  host: string;
  port: number;
  username?: string;
  password?: string;
  db: number;
  tls?: object;
  keyPrefix: string;
  connectTimeout: number;
  retryStrategy: (attempt: number) => number;
  enableOfflineQueue: boolean;
  maxRetriesPerRequest: number;
  autoResendUnfulfilledCommands: boolean;
  autoResubscribe: boolean;
}

/**
 * No queue for better times, and what was under way when the connection broke fails: a command that runs seconds
 * after its caller was told that it failed does more harm than good.
 */
export function ioOptions(address: RedisAddress, keyPrefix: string): IoOptions {
  const { host, port, username, password, db } = address;
  return {
    ...{ host, port, username, password, db, keyPrefix },
    ...(address.tls ? { tls: {} } : {}),
    connectTimeout: 2000,
    retryStrategy: backoff,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // RedisPresence subscribes again by itself.
    autoResubscribe: false,
  };
}
