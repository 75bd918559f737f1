// Moves the state tree of a room between processes with its ids, queues and views, so that the next patch is the one
// the old encoder would have sent. Capture and restore know Schema only; a room's other fields are pickled elsewhere.

export type { RestoreOptions } from './assembly.ts';
export type { Place } from './builder.ts';
export type { CaptureOptions } from './capture.ts';
export { StateCapture } from './capture.ts';
export { isSchemaInstance } from './kinds.ts';
export { PreCopySource } from './precopy-source.ts';
export { PreCopyTarget } from './precopy-target.ts';
export type { FieldDescription, SchemaDescription, TypeDescription } from './reflection.ts';
export { describeSchema, reflectionHash, schemaDifference } from './reflection.ts';
export { StateRestore } from './restore.ts';
export type { NodeId, Problem, StateSnapshot } from './snapshot.ts';
