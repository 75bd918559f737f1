import type { IRoomCache, SortOptions } from '@colyseus/core';
import { RedisDriver } from '@colyseus/redis-driver';
import { applyUpdate, parseListing } from '../listing.ts';
import { unawaited } from '../promises.ts';
import type { IoOptions } from './io.ts';
import type { Peer, RedisLink } from './link.ts';
import { scripts } from './scripts.ts';

/** Where RedisDriver keeps all listings. */
const listings = 'roomcaches';
const idsPerCommand = 5000;

interface Client extends Peer {
  hsetnx(key: string, field: string, value: string): Promise<number>;
  hmget(key: string, ...fields: string[]): Promise<(string | null)[]>;
  hgetall(key: string): Promise<Record<string, string>>;
}

/**
 * Colyseus' RedisDriver, made to endure a Redis that goes away, and with what Baton needs beyond it: `insert`,
 * dates and unlimited `maxClients` that survive JSON, and a `cleanup` that is one step, so that a room which moves
 * to another process meanwhile keeps its listing.
 */
export class GuardedRedisDriver extends RedisDriver {
  readonly #link: RedisLink;
  readonly #client: Client;
  readonly #keyPrefix: string;
  #reading: Promise<string[]> | undefined;

  constructor(link: RedisLink, options: IoOptions) {
    super({ ...options });
    this.#link = link;
    this.#keyPrefix = options.keyPrefix;
    this.#client = Reflect.get(this, '_client') as Client;
    // RedisDriver shares one read among concurrent queries, and after a failed one shares the failure for ever.
    Reflect.set(this, 'getRooms', (name?: string) => this.#read(name));
  }

  /** Its connections, for the link to watch. */
  peers(): Peer[] {
    return [this.#client];
  }

  override has(roomId: string): Promise<boolean> {
    return this.#link.guard('has', () => super.has(roomId));
  }

  override query(conditions: object, sortOptions?: SortOptions): Promise<IRoomCache<any>[]> {
    return this.#link.guard('query', () => super.query(conditions, sortOptions));
  }

  override findOne(conditions: Partial<IRoomCache>, sortOptions?: SortOptions): Promise<IRoomCache<any>> {
    return this.#link.guard('findOne', async () => {
      if (conditions.roomId === undefined) return await super.findOne(conditions, sortOptions);
      return (await this.#byIds([conditions.roomId])).get(conditions.roomId) as IRoomCache;
    });
  }

  override findByIds(roomIds: string[]): Promise<Map<string, IRoomCache>> {
    return this.#link.guard('findByIds', () => this.#byIds(roomIds));
  }

  override update(
    room: IRoomCache,
    operations: Partial<{ $set: Partial<IRoomCache>; $inc: Partial<IRoomCache> }>,
  ): Promise<boolean> {
    applyUpdate(room, operations);
    return this.persist(room);
  }

  override persist(room: IRoomCache, create?: boolean): Promise<boolean> {
    return this.#link.guard('persist', () => super.persist(room, create));
  }

  insert(room: IRoomCache): Promise<boolean> {
    return this.#link.guard('insert', async () => {
      return (await this.#client.hsetnx(listings, room.roomId, JSON.stringify(room))) === 1;
    });
  }

  override remove(roomId: string): Promise<boolean> {
    return this.#link.guard('remove', () => super.remove(roomId));
  }

  override cleanup(processId: string): Promise<void> {
    const removed = this.#link.script(scripts.cleanupListings, [this.#keyPrefix + listings], [processId]);
    return unawaited(removed.then(() => undefined));
  }

  override clear(): Promise<void> {
    return this.#link.guard('clear', () => super.clear());
  }

  /** The connection belongs to the store: `Store.close` ends it. */
  override async shutdown(): Promise<void> {}

  async #byIds(roomIds: string[]): Promise<Map<string, IRoomCache>> {
    const found = new Map<string, IRoomCache>();
    for (let at = 0; at < roomIds.length; at += idsPerCommand) {
      const ids = roomIds.slice(at, at + idsPerCommand);
      const texts = await this.#client.hmget(listings, ...ids);
      texts.forEach((json, index) => {
        if (json) found.set(ids[index]!, parseListing(json));
      });
    }
    return found;
  }

  async #read(name?: string): Promise<IRoomCache[]> {
    this.#reading ??= this.#client
      .hgetall(listings)
      .then((all) => Object.values(all))
      .finally(() => {
        this.#reading = undefined;
      });
    const texts = await this.#reading;
    const mark = name === undefined ? '' : `"name":${JSON.stringify(name)}`;
    return texts.filter((json) => json.includes(mark)).map(parseListing);
  }
}
