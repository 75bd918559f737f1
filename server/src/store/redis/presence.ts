import { RedisPresence } from '@colyseus/redis-presence';
import type { Log } from '../../telemetry/index.ts';
import { isUnavailable, unawaited } from '../promises.ts';
import { Subscriptions } from '../subscriptions.ts';
import type { IoOptions } from './io.ts';
import type { Peer, RedisLink } from './link.ts';

/**
 * Colyseus' RedisPresence, made to endure a Redis that goes away: calls fail at once then, every call is bounded
 * in time, and none that is left unawaited ends the process. Keys and channels carry the store's prefix.
 * Rooms use it through an object that only inherits from it (`createScopedPresence`), so its members must not
 * be `#private`.
 */
export class GuardedRedisPresence extends RedisPresence {
  private readonly link: RedisLink;
  private readonly prefix: string;
  private readonly listeners: Subscriptions;
  private readonly blocked = new Set<{ disconnect(): void }>();

  /** @param options ioredis puts `keyPrefix` before keys, but not before channels */
  constructor(link: RedisLink, options: IoOptions, log: Log) {
    super({ ...options });
    this.link = link;
    this.prefix = options.keyPrefix;
    this.listeners = new Subscriptions(log);
    // The link tells of a lost connection once; RedisPresence would at every attempt.
    for (const peer of [this.pub, this.sub]) peer.removeAllListeners('error');
    this.sub.on('message', (channel: string, json: string) =>
      this.listeners.deliver(channel.slice(this.prefix.length), json),
    );
    link.availability.onChange((up) => {
      if (up) this.resubscribeAll();
    });
  }

  /** Its connections, for the link to watch. */
  peers(): Peer[] {
    return [this.pub, this.sub] as unknown as Peer[];
  }

  /** Ends calls of `brpop` that still wait. */
  release(): void {
    for (const connection of this.blocked) connection.disconnect();
  }

  /** Called on every new connection, and when one that had stalled answers again. */
  protected override resubscribeAll(): void {
    for (const topic of this.listeners.takeAbandoned()) void this.unsubscribe(topic);
    const channels = [...this.listeners.topics()].map((topic) => this.prefix + topic);
    if (channels.length > 0) void unawaited(this.sub.subscribe(...channels));
  }

  override async subscribe(topic: string, callback: Function): Promise<this> {
    this.listeners.add(topic, callback);
    try {
      await this.link.guard('subscribe', () => this.sub.subscribe(this.prefix + topic));
    } catch (error) {
      // Made up for when the store is back; Colyseus' own callers could not handle a rejection.
      if (!isUnavailable(error)) throw error;
    }
    return this;
  }

  override async unsubscribe(topic: string, callback?: Function): Promise<this> {
    if (!this.listeners.remove(topic, callback)) return this;
    try {
      await this.link.guard('unsubscribe', () => this.sub.unsubscribe(this.prefix + topic));
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.listeners.abandon(topic);
    }
    return this;
  }

  override publish(topic: string, data: unknown): Promise<void> {
    return this.link.guard('publish', () => super.publish(this.prefix + topic, data));
  }

  override channels(pattern = '*'): Promise<string[]> {
    const escaped = this.prefix.replace(/[\\*?[\]]/g, '\\$&');
    const found = this.link.guard('channels', () => super.channels(escaped + pattern));
    return unawaited(found.then((all) => all.map((channel) => channel.slice(this.prefix.length))));
  }

  /**
   * Colyseus counts concurrent `joinOrCreate` calls with it, inside a promise executor that cannot report a
   * failure: the join would never be answered. While the store is away it acts as if the caller were alone;
   * the join then fails at its next step, with an error.
   */
  override async hincrbyex(key: string, field: string, value: number, seconds: number): Promise<number> {
    try {
      return await this.link.guard('hincrbyex', () => super.hincrbyex(key, field, value, seconds));
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return value;
    }
  }

  /** On a connection of its own, as in RedisPresence; a timeout of 0 waits for as long as that lasts. */
  override brpop(...args: any[]): Promise<[string, string] | null> {
    const seconds = args.at(-1) as number;
    return this.link.guardFor('brpop', seconds > 0 ? seconds * 1000 : undefined, async () => {
      const connection = (this.pub as any).duplicate({ enableOfflineQueue: true });
      connection.on('error', () => {});
      this.blocked.add(connection);
      try {
        const popped = await connection.brpop(...args);
        return popped && [popped[0].slice(this.prefix.length), popped[1]];
      } finally {
        this.blocked.delete(connection);
        connection.disconnect();
      }
    });
  }

  /** The connections belong to the store: `Store.close` ends them. */
  override shutdown(): void {}
}

/** Commands that are passed on as they are, guarded. */
const answering = [
  ...['exists', 'get', 'smembers', 'sismember', 'srem', 'scard', 'sinter', 'hset', 'hincrby', 'hget'],
  ...['hgetall', 'hdel', 'hlen', 'incr', 'decr', 'llen', 'rpush', 'lpush', 'rpop', 'lpop'],
];
/** RedisPresence resolves these with the error, if there is one, in place of rejecting. */
const silent = ['set', 'setex', 'expire', 'del', 'sadd'];

for (const name of [...answering, ...silent]) {
  const command: Function = Reflect.get(RedisPresence.prototype, name);
  const guarded = function (this: GuardedRedisPresence, ...args: unknown[]): Promise<unknown> {
    const link: RedisLink = Reflect.get(this, 'link');
    return link.guard(name, async () => {
      const answer = await command.apply(this, args);
      if (answer instanceof Error) throw answer;
      return silent.includes(name) ? undefined : answer;
    });
  };
  Object.defineProperty(GuardedRedisPresence.prototype, name, {
    value: guarded,
    configurable: true,
    writable: true,
  });
}
