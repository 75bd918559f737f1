// `@baton/functions/redis`: a pool that several matchmaker processes share. Apart from the rest, which needs no Redis and
// runs where files cannot be read.
import type { createClient } from 'redis';
import { type PoolOptions, TicketPool } from '../pool.ts';
import { type Commit, INDEXES, type Index, type Listed, type Records } from '../records.ts';
import { type Script, scripts } from './scripts.ts';

type Client = ReturnType<typeof createClient>;

export interface RedisPoolOptions extends PoolOptions {
  /** `redis[s]://[user][:password]@host[:port][/db]` */
  url: string;
  /** Pools of different names do not meet. Default: `matchmaking`. */
  name?: string;
  /** Milliseconds that a command may take; then it fails, and so does what it was for. Default: 2,000. */
  timeout?: number;
}

export interface RedisPool extends TicketPool {
  /** Ends the connection. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 2_000;
const CONNECT_MS = 2_000;
/** Commands that wait for an answer; more fail at once. */
const MAX_QUEUED = 100_000;

/**
 * Connects to Redis 6.2 or newer. While it is away calls fail, the service repeats them, and the pool goes on when it is
 * back.
 * @throws when Redis is not there
 */
export async function redisPool(options: RedisPoolOptions): Promise<RedisPool> {
  const { url, name = 'matchmaking', timeout = TIMEOUT_MS } = options;
  const { createClient } = await import('redis');
  const client = createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_QUEUED,
    maintNotifications: 'disabled',
    socket: {
      connectTimeout: CONNECT_MS,
      reconnectStrategy: (attempt) => Math.min(500, 25 * 2 ** Math.min(attempt, 5)),
    },
  });
  let connected = false;
  const refused = new Promise<never>((_, reject) => {
    client.on('error', (error: Error) => {
      if (!connected) reject(error);
      else console.error(`the pool's Redis: ${error.message}`);
    });
  });
  try {
    await Promise.race([client.connect(), refused]);
  } catch (error) {
    client.destroy();
    throw error;
  }
  connected = true;
  const pool = new TicketPool(new RedisRecords(client as Client, name, timeout), options);
  return Object.assign(pool, {
    close: async () => {
      if (client.isOpen) client.destroy();
    },
  });
}

class RedisRecords implements Records {
  readonly #client: Client;
  readonly #timeout: number;
  readonly #records: string;
  readonly #indexes: Record<Index, string>;

  constructor(client: Client, name: string, timeout: number) {
    this.#client = client;
    this.#timeout = timeout;
    // The braces keep all of a pool on one node of a cluster.
    const key = (what: string) => `baton:pool:{${name}}:${what}`;
    this.#records = key('records');
    this.#indexes = { waiting: key('waiting'), live: key('live'), done: key('done'), due: key('due') };
  }

  async get(keys: readonly string[]): Promise<(string | null)[]> {
    return keys.length === 0 ? [] : this.#bounded(this.#client.hmGet(this.#records, [...keys]));
  }

  async commit({ read, writes, capacity }: Commit): Promise<'done' | 'changed' | 'full'> {
    const args = [String(capacity), String(read.size)];
    for (const [key, value] of read) args.push(key, value ?? '');
    for (const { key, value, listed } of writes)
      args.push(key, value ?? '', ...INDEXES.map((index) => String(listed[index] ?? '')));
    const keys = [this.#records, ...INDEXES.map((index) => this.#indexes[index])];
    return (await this.#run(scripts.commit, keys, args)) as 'done' | 'changed' | 'full';
  }

  async list(index: Index, upTo: number, limit: number): Promise<Listed[]> {
    const keys = [this.#records, this.#indexes[index]];
    const found = (await this.#run(scripts.list, keys, [String(upTo), String(limit)])) as string[];
    return Array.from({ length: found.length / 2 }, (_, i) => ({
      key: found[2 * i]!,
      value: found[2 * i + 1]!,
    }));
  }

  size(index: Index): Promise<number> {
    return this.#bounded(this.#client.zCard(this.#indexes[index]));
  }

  /** By its digest, and by its text where the server does not know it yet. */
  async #run({ sha, source }: Script, keys: string[], args: string[]): Promise<unknown> {
    try {
      return await this.#bounded(this.#client.evalSha(sha, { keys, arguments: args }));
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
      return this.#bounded(this.#client.eval(source, { keys, arguments: args }));
    }
  }

  #bounded<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the pool's Redis did not answer within ${this.#timeout} ms`)),
        this.#timeout,
      );
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}
