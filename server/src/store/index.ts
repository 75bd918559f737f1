// What the hosts of a service share: who is there, who owns which room, Colyseus' presence and listings, and
// small versioned records. Redis and a store embedded in the supervisor implement one interface.
export { Records } from './embedded/records.ts';
export { EmbeddedStoreServer } from './embedded/server.ts';
export { nextGeneration } from './generation.ts';
export { Newest } from './newest.ts';
export { openStore, type StoreOptions } from './open.ts';
export { hostRecord } from './schema.ts';
export {
  type Change,
  type HostRecord,
  type Move,
  type MoveOutcome,
  type RoomOwner,
  type Store,
  storeLimits,
  type VersionedValue,
} from './types.ts';
