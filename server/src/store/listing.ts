import type { IRoomCache } from '@colyseus/core';

/**
 * A room listing from its JSON, with the defaults of Colyseus' `initializeRoomCache`; repeated here so that the
 * store's process need not load Colyseus, and because JSON has no dates and no infinity: `createdAt` and an
 * unlimited `maxClients` come back as what `IRoomCache` declares, not as a string and `null`.
 */
export const parseListing = (json: string): IRoomCache => listingOf(JSON.parse(json));

/** The same from what JSON.parse() made of it. */
export function listingOf(parsed: Partial<IRoomCache>): IRoomCache {
  return {
    clients: 0,
    locked: false,
    private: false,
    metadata: undefined,
    unlisted: false,
    ...parsed,
    maxClients: parsed.maxClients ?? Number.POSITIVE_INFINITY,
    createdAt: parsed.createdAt ? new Date(parsed.createdAt) : new Date(),
  } as IRoomCache;
}

/** What Colyseus' drivers do with `update`: the caller's listing changes first, then all of it is written. */
export function applyUpdate(
  room: IRoomCache,
  operations: Partial<{ $set: Partial<IRoomCache>; $inc: Partial<IRoomCache> }>,
): void {
  Object.assign(room, operations.$set);
  const counters = room as unknown as Record<string, number>;
  for (const [field, by] of Object.entries(operations.$inc ?? {})) counters[field]! += by as number;
}
