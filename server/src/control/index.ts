// The control API: what operators and tools ask of a running service over HTTP.
// It knows requests, tokens and problem details; what the answers are comes from a `ControlBackend`.

export { type ProblemDetails, problemOf, problemType } from './problem.ts';
export { type ControlOptions, createControl } from './router.ts';
export type {
  ControlBackend,
  DrainResult,
  HostView,
  MigrateResult,
  Refusal,
  ReloadOptions,
  ReloadResult,
  RoomView,
} from './types.ts';
