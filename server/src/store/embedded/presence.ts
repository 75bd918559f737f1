import type { Presence } from '@colyseus/core';
import type { Log } from '../../telemetry/index.ts';
import { isUnavailable, unawaited } from '../promises.ts';
import { Subscriptions } from '../subscriptions.ts';
import type { EmbeddedLink } from './link.ts';

/**
 * Colyseus' presence over the embedded store. Rooms use it through an object that only inherits from it
 * (`createScopedPresence`), so its members must not be `#private`.
 */
export class EmbeddedPresence implements Presence {
  private readonly link: EmbeddedLink;
  private readonly subscriptions: Subscriptions;

  constructor(link: EmbeddedLink, log: Log) {
    this.link = link;
    this.subscriptions = new Subscriptions(log);
    link.availability.onChange((up) => {
      if (up) this.resynchronize();
    });
  }

  /** Every topic someone here listens to. */
  topics(): Iterable<string> {
    return this.subscriptions.topics();
  }

  deliver(topic: string, json: string): void {
    this.subscriptions.deliver(topic, json);
  }

  /** After a stall the connection is the old one: tell it what could not be sent meanwhile. */
  private resynchronize(): void {
    for (const topic of this.subscriptions.takeAbandoned()) void this.unsubscribe(topic);
    for (const topic of this.subscriptions.topics()) void this.link.request('subscribe', [topic]);
  }

  async subscribe(topic: string, callback: Function): Promise<this> {
    this.subscriptions.add(topic, callback);
    try {
      await this.link.request('subscribe', [topic]);
    } catch (error) {
      // Made up for when the store is back; Colyseus' own callers could not handle a rejection.
      if (!isUnavailable(error)) throw error;
    }
    return this;
  }

  async unsubscribe(topic: string, callback?: Function): Promise<this> {
    if (!this.subscriptions.remove(topic, callback)) return this;
    try {
      await this.link.request('unsubscribe', [topic]);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.subscriptions.abandon(topic);
    }
    return this;
  }

  channels(pattern = '*'): Promise<string[]> {
    return this.link.request('channels', [pattern]);
  }

  publish(topic: string, data: unknown): Promise<void> {
    return this.link.request('publish', [
      topic,
      JSON.stringify(data === undefined ? false : data) ?? 'false',
    ]);
  }

  exists(key: string): Promise<boolean> {
    return this.link.request('exists', [key]);
  }

  set(key: string, value: unknown): Promise<void> {
    return this.link.request('set', [key, text(value)]);
  }

  setex(key: string, value: unknown, seconds: number): Promise<void> {
    return this.link.request('setex', [key, text(value), seconds]);
  }

  expire(key: string, seconds: number): Promise<void> {
    return this.link.request('expire', [key, seconds]);
  }

  get(key: string): Promise<string | null> {
    return this.link.request('get', [key]);
  }

  del(key: string): Promise<void> {
    return this.link.request('del', [key]);
  }

  sadd(key: string, value: unknown): Promise<void> {
    return this.link.request('sadd', [key, texts(value)]);
  }

  smembers(key: string): Promise<string[]> {
    return this.link.request('smembers', [key]);
  }

  sismember(key: string, field: unknown): Promise<number> {
    return this.link.request('sismember', [key, text(field)]);
  }

  srem(key: string, value: unknown): Promise<number> {
    return this.link.request('srem', [key, texts(value)]);
  }

  scard(key: string): Promise<number> {
    return this.link.request('scard', [key]);
  }

  sinter(...keys: string[]): Promise<string[]> {
    return this.link.request('sinter', [keys]);
  }

  hset(key: string, field: string, value: unknown): Promise<boolean> {
    return this.link.request('hset', [key, text(field), text(value)]);
  }

  hincrby(key: string, field: string, value: number): Promise<number> {
    return this.link.request('hincrby', [key, text(field), value]);
  }

  /**
   * Colyseus counts concurrent `joinOrCreate` calls with it, inside a promise executor that cannot report a
   * failure: the join would never be answered. While the store is away it acts as if the caller were alone;
   * the join then fails at its next step, with an error.
   */
  async hincrbyex(key: string, field: string, value: number, expireInSeconds: number): Promise<number> {
    try {
      return await this.link.request<number>('hincrbyex', [key, text(field), value, expireInSeconds]);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return value;
    }
  }

  hget(key: string, field: string): Promise<string | null> {
    return this.link.request('hget', [key, text(field)]);
  }

  hgetall(key: string): Promise<{ [field: string]: string }> {
    const entries = this.link.request<[string, string][]>('hgetall', [key]);
    return unawaited(entries.then((all) => Object.fromEntries(all)));
  }

  hdel(key: string, field: string): Promise<boolean> {
    return this.link.request('hdel', [key, text(field)]);
  }

  hlen(key: string): Promise<number> {
    return this.link.request('hlen', [key]);
  }

  incr(key: string): Promise<number> {
    return this.link.request('incrby', [key, 1]);
  }

  decr(key: string): Promise<number> {
    return this.link.request('incrby', [key, -1]);
  }

  llen(key: string): Promise<number> {
    return this.link.request('llen', [key]);
  }

  rpush(key: string, ...values: string[]): Promise<number> {
    return this.link.request('push', [key, 'right', values.map(text)]);
  }

  lpush(key: string, ...values: string[]): Promise<number> {
    return this.link.request('push', [key, 'left', values.map(text)]);
  }

  rpop(key: string): Promise<string | null> {
    return this.link.request('pop', [key, 'right']);
  }

  lpop(key: string): Promise<string | null> {
    return this.link.request('pop', [key, 'left']);
  }

  /** A timeout of 0 waits for as long as the connection lasts. */
  brpop(...args: [...keys: string[], timeoutInSeconds: number]): Promise<[string, string] | null> {
    const seconds = args.at(-1) as number;
    const patience = seconds > 0 ? Math.min(2 ** 31 - 1, seconds * 1000 + 2000) : 0;
    return this.link.request('brpop', [args.slice(0, -1), seconds], patience);
  }

  setMaxListeners(): void {}

  /** The connection belongs to the store: `Store.close` ends it. */
  shutdown(): void {}
}

/** As ioredis turns arguments into strings. */
function text(value: unknown): string {
  return value === null || value === undefined ? '' : String(value);
}

function texts(value: unknown): string[] {
  return [value].flat().map(text);
}
