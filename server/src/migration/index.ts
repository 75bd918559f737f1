// Live migration: capturing a running Colyseus room with its connections, bringing it back to life in another
// process, and moving rooms one by one, together or all of a host. Knows nothing of hosted sockets.
export {
  checkRoomClass,
  inspectRoom,
  type Problem,
  registerAppClasses,
  registerMovable,
} from './fields/index.ts';
export type { DrainResult, Refusal } from './move/drain.ts';
export { Migrator } from './move/migrator.ts';
export { Ownership } from './move/ownership.ts';
export { gateDriver } from './room/driver-gate.ts';
export { gatePresence } from './room/gates.ts';
export { installHooks } from './room/hooks.ts';
export { followAppRooms } from './room/methods.ts';
export { endLostRoom } from './room/shell.ts';
export { runNoLoops } from './room/simulation.ts';
export { type RoomTrack, trackOf } from './room/track.ts';
export { keepUnlisted } from './room/unlisted.ts';
