// The control API: what operators and tools ask of a running service over HTTP.
// It knows requests, keys and problem details; what the answers are comes from the backends that its operations stand on.

export { type AuditEntry, AuditLog } from './audit.ts';
export type { EventSink } from './event-stream.ts';
export { IdempotencyKeys } from './idempotency.ts';
export type { LimitOptions } from './limits.ts';
export { type Operation, type OperationContext, operation } from './operation.ts';
export type { FunctionsBackend } from './operations/functions.ts';
export { type Backends, operationsOf } from './operations/index.ts';
export { PAGE_POLICY } from './page-policy.ts';
export { type ProblemDetails, problemOf, problemType } from './problem.ts';
export { type ControlOptions, createControl } from './router.ts';
export type {
  ControlBackend,
  DeadLettersBackend,
  DrainResult,
  HostView,
  KeyRing,
  LinkWish,
  MigrateResult,
  Principal,
  Refusal,
  ReloadOptions,
  ReloadResult,
  RoomView,
  SocketsBackend,
  SocketTicket,
  SocketTimeline,
  SocketView,
  WatchBackend,
} from './types.ts';
export type {
  WatchChange,
  WatchedCalls,
  WatchedHost,
  WatchedLetter,
  WatchedMapping,
  WatchedMove,
  WatchedQueue,
  WatchedRoom,
  WatchedSocket,
  WatchSnapshot,
} from './watch-views.ts';
