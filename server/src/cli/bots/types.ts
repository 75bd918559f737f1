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

/** Players who come and go beside the bots. */
export interface ChurnResult {
  joined: number;
  left: number;
  dropped: number;
  reconnected: number;
  failed: number;
  faults: string[];
}

export interface Target {
  /** `http://host:port` */
  url: string;
  /** Room name. */
  room: string;
}

/** What the command asks of a process with bots. */
export interface WorkerCalls {
  /** @returns the rooms' ids */
  join(target: Target & { count: number; sdkSocket: 'global' | 'ws' }): Promise<string[]>;
  start(pings: { hz: number }): void;
  /** Every bot compares its state with the server's. @returns how many differ */
  check(): Promise<number>;
  /** No more pings; waits for what is under way, then leaves. */
  finish(): Promise<BotResult[]>;
  startChurn(churn: Target & { rooms: string[]; players: number; seed: number }): void;
  stopChurn(): Promise<ChurnResult>;
}

export interface Spread {
  p50: number;
  p99: number;
  max: number;
}

export interface BotsResult extends Omit<BotResult, 'gapMs' | 'faults'> {
  moves: number;
  failedMoves: number;
  blackoutMs: Spread;
  gapMs: Spread;
  churn?: Omit<ChurnResult, 'faults'>;
}
