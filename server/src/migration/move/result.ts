// What comes of a move.
import type { BatonError } from '../../errors.ts';

/** Durations in ms; `blackout` is freeze to first activity on the target. */
export interface MovePhases {
  prepare: number;
  quiesce: number;
  freeze: number;
  transfer: number;
  restore: number;
  switch: number;
}

export interface MoveResult {
  roomId: string;
  from: string;
  to: string;
  epoch: number;
  clients: number;
  /** Size of the room's record. */
  bytes: number;
  blackoutMs: number;
  phases: MovePhases;
}

export type MoveOutcome = { roomId: string; result: MoveResult } | { roomId: string; error: BatonError };
