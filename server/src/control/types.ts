/** A host as operators see it. */
export interface HostView {
  id: string;
  processId: string;
  pid: number;
  machine: string;
  state: 'up' | 'draining';
  /** Counts reloads: hosts of one generation run the same code. */
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

/** Why a room stayed. */
export interface Refusal {
  roomId: string;
  reason: string;
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

export interface DrainResult {
  host: string;
  /** Rooms that were on the host at the start. */
  rooms: number;
  clients: number;
  moved: number;
  refused: Refusal[];
  seconds: number;
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
  reload(): Promise<ReloadResult>;
}
