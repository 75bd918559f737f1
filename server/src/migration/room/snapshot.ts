// The record in which a room travels: plain, versioned, structured-cloneable.
import type { FieldsRecord, FunctionRef, Pickled, PickledNode } from '../fields/index.ts';
import type { StateSnapshot } from '../schema/index.ts';
import type { TimerSketch } from './timers.ts';

export const SNAPSHOT_VERSION = 1;

export interface TimerRecord extends TimerSketch {
  /** ms */
  time: number;
  elapsed: number;
  paused: boolean;
  /** False for a timer of onCreate() that is through or was cleared: fields may still hold it. */
  active: boolean;
  /** Later timers only: how the target finds the handler, and its arguments. */
  handler?: { ref: FunctionRef; h: number };
  args?: Pickled[];
}

export interface LoopRecord {
  kind: 'variable' | 'fixed';
  /** ms */
  interval: number;
  tickRate: number | undefined;
  subSteps: number | undefined;
  /** Fingerprint of its callback's source. */
  code: number;
  /** How the target finds the callback when its onCreate() did not begin this loop. */
  handler: { ref: FunctionRef; h: number } | undefined;
  accumulator: number;
  tick: number;
  lastRunAt: number;
}

export interface InputRecord {
  latest: Record<string, unknown> | undefined;
  received: number | undefined;
  baseline: number | undefined;
  /** ms since the last input arrived */
  since: number | undefined;
  buffer?: {
    items: (Record<string, unknown> | undefined)[];
    renderTimes: number[];
    reckonTimes: number[];
    seqs: number[] | undefined;
    scalars: unknown[];
  };
}

export interface ClientRecord {
  sessionId: string;
  state: number;
  token: string;
  auth: Pickled;
  userData: Pickled;
  view: Pickled;
  joinedAt: number | undefined;
  /** Messages sent before the client acknowledged its join. */
  enqueued: Uint8Array[] | undefined;
  rates: (number | undefined)[];
  extra: [string, Pickled][];
  input: InputRecord | undefined;
}

export interface SeatRecord {
  sessionId: string;
  options: Pickled;
  auth: Pickled;
  held: boolean;
  /** Seconds left; Infinity for a manual reconnection. */
  left: number;
}

/** A client that is away but may come back. */
export interface ReconnectionRecord {
  token: string;
  sessionId: string;
  /** What it left with. */
  code: number | undefined;
  client: ClientRecord | undefined;
}

export interface RewindRecord {
  /** Id of the entity in the state's snapshot, and its rings. */
  histories: [
    number,
    { group: number; times: Float64Array; columns: Float64Array[]; head: number; count: number }[],
  ][];
  lastRecordedAt: number;
  sampleIntervalMs: number;
}

export interface RoomSnapshot {
  v: typeof SNAPSHOT_VERSION;
  roomId: string;
  roomName: string;
  options: unknown;
  moves: number;
  clock: { elapsed: number; current: number; delta: number; timers: number };
  simulation: LoopRecord | undefined;
  loopEnded: boolean;
  patchRate: number | null;
  unreliablePatchRate: number | null;
  lastPatchAt: number;
  /** Seconds in which the room ends unless somebody joins. */
  disposeIn: number | undefined;
  timers: TimerRecord[];
  /** Own fields of the room and its plugins. */
  fields: FieldsRecord;
  config: {
    autoDispose: boolean;
    maxClients: number;
    seatReservationTimeout: number;
    maxMessagesPerSecond: number;
  };
  lock: { locked: boolean; explicit: boolean };
  listing: Record<string, unknown>;
  clients: ClientRecord[];
  seats: SeatRecord[];
  reconnections: ReconnectionRecord[];
  cache: Pickled | undefined;
  /** Absent for rooms without a Schema state; only the rest of it when `precopied`. */
  state: StateSnapshot | undefined;
  /** Most of the state went ahead while the room ran. */
  precopied: boolean;
  plainState: Pickled | undefined;
  unreliableSeq: number;
  rewind: RewindRecord | undefined;
  nodes: PickledNode[];
}
