import type { IRoomCache, MatchMakerDriver, SortOptions } from '@colyseus/core';
import { applyUpdate, listingOf } from '../listing.ts';
import { unawaited } from '../promises.ts';
import type { EmbeddedLink } from './link.ts';

/** As many ids as one request may hold; the same bound as in `method.ts`. */
const idsPerRequest = 10_000;

/** Colyseus' room listings in the embedded store; each write replaces the whole listing, as RedisDriver does. */
export class EmbeddedDriver implements MatchMakerDriver {
  readonly #link: EmbeddedLink;

  constructor(link: EmbeddedLink) {
    this.#link = link;
  }

  has(roomId: string): Promise<boolean> {
    return this.#link.request('room.has', [roomId]);
  }

  query(conditions: object, sortOptions?: SortOptions): Promise<IRoomCache<any>[]> {
    return this.#find(conditions, sortOptions);
  }

  #find(conditions: object, sortOptions?: SortOptions, limit?: number): Promise<IRoomCache[]> {
    const found = this.#link.request<IRoomCache[]>('room.query', [{ ...conditions }, sortOptions, limit]);
    return unawaited(found.then((rooms) => rooms.map(listingOf)));
  }

  cleanup(processId: string): Promise<void> {
    return this.#link.request('room.cleanup', [processId]);
  }

  /** With a `roomId` the other conditions do not count, as in RedisDriver. */
  findOne(conditions: Partial<IRoomCache>, sortOptions?: SortOptions): Promise<IRoomCache<any>> {
    const { roomId } = conditions;
    const found =
      roomId === undefined
        ? this.#find(conditions, sortOptions, 1).then(([room]) => room)
        : this.#link
            .request<IRoomCache | undefined>('room.get', [roomId])
            .then((room) => room && listingOf(room));
    return unawaited(found as Promise<IRoomCache>);
  }

  findByIds(roomIds: string[]): Promise<Map<string, IRoomCache>> {
    return unawaited(this.#byIds(roomIds));
  }

  async #byIds(roomIds: string[]): Promise<Map<string, IRoomCache>> {
    const found = new Map<string, IRoomCache>();
    for (let at = 0; at < roomIds.length; at += idsPerRequest) {
      const ids = roomIds.slice(at, at + idsPerRequest);
      for (const room of await this.#link.request<IRoomCache[]>('room.findByIds', [ids])) {
        found.set(room.roomId, listingOf(room));
      }
    }
    return found;
  }

  remove(roomId: string): Promise<boolean> {
    return this.#link.request('room.remove', [roomId]);
  }

  update(
    room: IRoomCache,
    operations: Partial<{ $set: Partial<IRoomCache>; $inc: Partial<IRoomCache> }>,
  ): Promise<boolean> {
    applyUpdate(room, operations);
    return this.persist(room);
  }

  persist(room: IRoomCache, _create?: boolean): Promise<boolean> {
    if (!room.roomId) return Promise.resolve(false);
    return unawaited(this.#link.request('room.put', [room.roomId, JSON.stringify(room)]).then(() => true));
  }

  insert(room: IRoomCache): Promise<boolean> {
    return this.#link.request('room.insert', [room.roomId, JSON.stringify(room)]);
  }

  clear(): Promise<void> {
    return this.#link.request('room.clear', []);
  }

  /** The connection belongs to the store: `Store.close` ends it. */
  shutdown(): void {}
}
