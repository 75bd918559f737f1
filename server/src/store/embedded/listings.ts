import type { IRoomCache, SortOptions } from '@colyseus/core';
import { parseListing } from '../listing.ts';

type Fields = Record<string, unknown>;

/**
 * Room listings in memory. They arrive as JSON and leave as objects with the defaults that Colyseus gives a
 * listing read from Redis, so conditions and sorting treat them the same there and here.
 */
export class Listings {
  readonly #rooms = new Map<string, IRoomCache>();

  has(roomId: string): boolean {
    return this.#rooms.has(roomId);
  }

  put(roomId: string, json: string): void {
    this.#rooms.set(roomId, parseListing(json));
  }

  /** Returns `false`, and changes nothing, if the room is there already. */
  insert(roomId: string, json: string): boolean {
    if (this.#rooms.has(roomId)) return false;
    this.put(roomId, json);
    return true;
  }

  remove(roomId: string): boolean {
    return this.#rooms.delete(roomId);
  }

  cleanup(processId: string): void {
    for (const [roomId, room] of this.#rooms) if (room.processId === processId) this.#rooms.delete(roomId);
  }

  clear(): void {
    this.#rooms.clear();
  }

  get(roomId: string): IRoomCache | undefined {
    return this.#rooms.get(roomId);
  }

  findByIds(roomIds: string[]): IRoomCache[] {
    return roomIds.map((roomId) => this.#rooms.get(roomId)).filter((room) => room !== undefined);
  }

  query(conditions: Fields, sort?: SortOptions): IRoomCache[] {
    const wanted = Object.entries(conditions);
    const found: IRoomCache[] = [];
    for (const room of this.#rooms.values()) if (matches(room, wanted)) found.push(room);
    const order = Object.entries(sort ?? {});
    return order.length > 0 ? found.sort((a, b) => compare(a, b, order)) : found;
  }
}

/** A condition names a field of the listing or, when it has no such field, of its metadata. */
function fieldOf(room: IRoomCache, field: string): { value: unknown } | undefined {
  if (Object.hasOwn(room, field)) return { value: (room as unknown as Fields)[field] };
  const metadata = room.metadata as Fields | null | undefined;
  if (metadata && Object.hasOwn(metadata, field)) return { value: metadata[field] };
  return undefined;
}

function matches(room: IRoomCache, conditions: [string, unknown][]): boolean {
  return conditions.every(([field, wanted]) => {
    const found = fieldOf(room, field);
    return found !== undefined && found.value === wanted;
  });
}

function compare(a: IRoomCache, b: IRoomCache, order: [string, SortOptions[string]][]): number {
  for (const [field, direction] of order) {
    const left = fieldOf(a, field)?.value as number;
    const right = fieldOf(b, field)?.value as number;
    const sign = direction === 1 || direction === 'asc' || direction === 'ascending' ? 1 : -1;
    if (left > right) return sign;
    if (left < right) return -sign;
  }
  return 0;
}
