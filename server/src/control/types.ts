import type { DrainResult, Refusal } from '../migration/index.ts';

export type { DrainResult, Refusal };

/** A host as operators see it. */
export interface HostView {
  id: string;
  processId: string;
  pid: number;
  machine: string;
  /** In `standby` while it is not clear yet that rooms can move to its code. */
  state: 'up' | 'standby' | 'draining';
  /** Grows with every reload: hosts of one generation run the same code. */
  generation: number;
  rooms: number;
  clients: number;
  /** Unix time in ms. */
  startedAt: number;
  /** CPU time over wall time of the last seconds, 1 = one core. */
  cpu?: number;
  /** Resident memory in bytes. */
  memory?: number;
  /** Rooms that arrived here and left from here since the host started. */
  moves?: number;
}

export interface RoomView {
  roomId: string;
  name: string;
  host: string;
  epoch: number;
  clients: number;
  /** Absent = no limit. */
  maxClients?: number;
  locked?: boolean;
  /** How often the room has moved. */
  moves?: number;
  /** How long its last move kept it still, in ms. */
  lastBlackoutMs?: number;
}

export interface MigrateResult {
  roomId: string;
  from: string;
  to: string;
  epoch: number;
  clients: number;
  /** Size of the state that went over. */
  bytes: number;
  /** How long the room did not run. */
  blackoutMs: number;
  /** Milliseconds by phase of the move. */
  phases: Record<string, number>;
}

export interface ReloadOptions {
  /** Rooms that cannot move to the new code stay on their old host until they end; otherwise they call the reload off. */
  keepImmovable?: boolean;
}

export interface ReloadResult {
  /** Generation of the hosts that run now. */
  generation: number;
  from: string[];
  to: string[];
  rooms: number;
  moved: number;
  refused: Refusal[];
  seconds: number;
}

/** What the control API asks of the process it runs in. Failures are `BatonError`s. */
export interface ControlBackend {
  hosts(): Promise<HostView[]>;
  rooms(): Promise<RoomView[]>;
  migrate(roomId: string, to: string): Promise<MigrateResult>;
  drain(host: string, deadlineMs?: number): Promise<DrainResult>;
  reload(options: ReloadOptions): Promise<ReloadResult>;
}
