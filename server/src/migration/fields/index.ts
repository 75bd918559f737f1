// Carries a room's own fields to another process with the identity of every object kept, and names what cannot go. Live
// things (the room, clients, schema instances, timers) travel as references; functions and handlers stay the target's own.

export { registerAppClasses } from './app-classes.ts';
export { BASE_FIELDS, localFieldsOf, ownFieldKeys, pluginFieldKeys } from './base-fields.ts';
export { ClassRegistry, claimObjects, registerMovable } from './class-registry.ts';
export { captureFields, codeOf, type FieldsRecord, restoreFields } from './fields.ts';
export { fingerprint, standsFor } from './fingerprint.ts';
export {
  checkAgainstShell,
  checkRoomClass,
  formatReport,
  inspectRoom,
  inspectRoomClass,
  type MovabilityReport,
} from './movability.ts';
export { FieldPickler, type PicklerOptions } from './pickler.ts';
export { describeHandler, findHandler, type HandlerDescription } from './timer-handlers.ts';
export type {
  FunctionRef,
  Need,
  Pickled,
  PickledField,
  PickledNode,
  Problem,
  StateIds,
  StateObjects,
  TimerNames,
} from './types.ts';
export { FieldUnpickler, type UnpicklerOptions } from './unpickler.ts';
