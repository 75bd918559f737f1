import type { Scenario } from './scenarios.ts';

/** What one bot saw, in numbers; its process sends it to the command. */
export interface BotResult {
  sent: number;
  received: number;
  lost: number;
  duplicated: number;
  reordered: number;
  disconnects: number;
  stateMismatches: number;
  /** Longest silence between two messages of the server, ms. */
  gapMs: number;
  /** What went wrong, in words; the first few. */
  faults: string[];
}

/** Players who come and go. */
export interface ChurnResult {
  joined: number;
  left: number;
  dropped: number;
  /** In rooms: those who lost their connection come back. */
  reconnected?: number;
  failed: number;
  faults: string[];
}

export interface Target {
  /** `http://host:port` */
  url: string;
  /** Room name. */
  room: string;
}

/** Bots on sockets of a mapping. */
export interface SocketTarget {
  /** `http://host:port` */
  url: string;
  /** Of the control API, which gives each bot its place. */
  controlToken: string;
  mapping: string;
}

/** Milliseconds over which bots come, evenly. */
interface Ramp {
  rampMs: number;
}

/** What the command asks of a process with bots. */
export interface WorkerCalls {
  /** Bots join rooms, on the stock SDK. @returns the rooms' ids */
  join(target: Target & Ramp & { count: number; sdkSocket: 'global' | 'ws' }): Promise<string[]>;
  /** Bots open sockets; resolves when all are linked, of those that come and go when they have come once. */
  open(target: SocketTarget & Ramp & { scenario: Scenario; count: number; seed: number }): Promise<void>;
  start(pings: { hz: number }): void;
  /** Every bot in a room compares its state with the server's. @returns how many differ */
  check(): Promise<number>;
  /** @returns a linked socket, if there is one; the same number gives the same one of the same sockets */
  pick(choice: { n: number }): string | undefined;
  /** No more messages; waits for what is under way. Bots stay where they are, since others may wait for them. */
  settle(): Promise<void>;
  /** All leave. */
  finish(): Promise<{ results: BotResult[]; churn?: ChurnResult }>;
  startChurn(churn: Target & { rooms: string[]; players: number; seed: number }): void;
  stopChurn(): Promise<ChurnResult>;
}

export interface Spread {
  p50: number;
  p99: number;
  max: number;
}

export interface BotsResult extends Omit<BotResult, 'gapMs' | 'faults'> {
  askedMoves: number;
  moves: number;
  failedMoves: number;
  roundTripMs: Spread;
  blackoutMs: Spread;
  gapMs: Spread;
  churn?: Omit<ChurnResult, 'faults'>;
}
