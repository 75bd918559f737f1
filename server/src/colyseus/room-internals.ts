// What Baton touches of rooms and their clients inside @colyseus/core 0.18.17 besides the public API. What it touches
// inside Colyseus is declared in this folder and nowhere else, so that a new version means reading a few files against
// its sources.
import type { EventEmitter } from 'node:events';
import { type Client, type ClientPrivate, type IRoomCache, Rewind, type Room } from '@colyseus/core';
import type { Encoder } from '@colyseus/schema';

/** `[joinOptions, authData, consumed, heldForReconnection]`, see Room._reserveSeat. */
export type ReservedSeat = [unknown, unknown, boolean | undefined, boolean | undefined];

/** The part of core's `Deferred` that pending reconnections use. */
export interface DeferredClient {
  reject(reason: unknown): void;
  catch(fn: (reason: unknown) => unknown): Promise<unknown>;
}

/** The serializer of a room whose state is a Schema. */
export interface SchemaSerializerInternals {
  id: string;
  encoder?: Encoder;
  handshakeCache?: Uint8Array;
  needFullEncode?: boolean;
  unreliableSeq?: number;
  handshake?(): Uint8Array;
}

/** RoomInput: the per-room input subsystem behind `defineInput()`. */
export interface RoomInputInternals {
  options: { tickRate?: number; subSteps?: number };
  allocate(client: unknown): void;
  register(sessionId: string, client: unknown): void;
  release(sessionId: string): void;
}

/** Fields and methods of Room that TypeScript marks private or internal. */
export interface RoomInternals {
  /** Runs before onCreate(): installs the accessors for state, patchRate, … */
  __init(): void;
  _onJoin(
    client: unknown,
    context: unknown,
    options?: { reconnectionToken?: string; skipHandshake?: boolean },
  ): Promise<void>;
  _onLeave(client: unknown, code?: number): Promise<unknown>;
  /** Every frame of a client that has joined. */
  _onMessage(client: Client, frame: Buffer): void;
  _reserveSeat(
    sessionId: string,
    options?: unknown,
    auth?: unknown,
    seconds?: number,
    allowReconnection?: boolean,
    devModeToken?: string,
  ): Promise<boolean>;
  resetAutoDisposeTimeout(seconds?: number): void;
  /** CREATING 0, CREATED 1, DISPOSING 2. */
  _internalState: 0 | 1 | 2;
  _listing: IRoomCache & { roomId: string | undefined };
  _events: EventEmitter;
  _reservedSeats: Record<string, ReservedSeat>;
  _reservedSeatTimeouts: Record<string, NodeJS.Timeout>;
  /** reconnectionToken → [sessionId, deferred]. */
  _reconnections: Record<string, [string, DeferredClient]>;
  _reconnectionAttempts: Record<string, unknown>;
  _autoDisposeTimeout: NodeJS.Timeout | undefined;
  /** Truthy while a simulation loop is set; also keeps patchRate = null from starting a clock loop of its own. */
  _simulationInterval: unknown;
  _lockedExplicitly: boolean;
  _serializer: SchemaSerializerInternals;
  _inputController?: RoomInputInternals;
  _autoPlugins?: Record<string, object>;
  /** Handler registry (nanoevents): message type → handlers. */
  readonly onMessageEvents: { events: Record<string, unknown[] | undefined> };
}

/** The same object, seen with its internals. */
export const internals = (room: Room): RoomInternals => room as unknown as RoomInternals;

/** Properties of a server-side client that Colyseus or the transport own; anything else on it belongs to the game. */
export const CLIENT_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'ref',
  'sessionId',
  'state',
  'reconnectionToken',
  'auth',
  'userData',
  'view',
  '~messages',
  'raw',
  'readyState',
  '_enqueuedMessages',
  '_reconnectionToken',
  '_joinedAt',
  '_numMessagesLastSecond',
  '_messageCountResetsAt',
  '_lastMessageTime',
  '_numInputsLastSecond',
  '_lastInputTime',
  '_input',
  '_inputDecoder',
  '_inputBuffer',
  '_inputAccessor',
  '_lastInputReceivedAt',
  '_receivedInputCount',
  '_reckonBaseline',
  '_pendingFrames',
  '_pendingFrameClients',
]);

/** Scalars of InputBufferImpl that a moved client keeps. */
export const INPUT_BUFFER_SCALARS = [
  '_head',
  '_lastSeq',
  'consumedCount',
  '_lastRenderTime',
  '_lastReckonTime',
  '_lastConsumedSeq',
  '_lastWasIdle',
] as const;

/** A client with the fields that Room keeps on it. */
export type RoomClient = Client & ClientPrivate & Record<string, any>;

/** Methods of Room that other processes call through remoteRoomCall(). */
export const REMOTE_METHODS = [
  '_reserveSeat',
  '_reserveMultipleSeats',
  'checkReconnectionToken',
  'disconnect',
  'lock',
  'unlock',
  'setMatchmaking',
  'setMetadata',
  'setPrivate',
  'getInspectorView',
  'kickClient',
] as const;

/** Description of the symbol under which Rewind keeps an entity's history. */
export const REWIND_HISTORY = 'rewind.history';

/** One history ring of Rewind (class EntityHistory). */
export interface EntityHistoryInternals {
  groupId: number;
  t: Float64Array;
  cols: Float64Array[];
  head: number;
  count: number;
  cap: number;
}

/** Whether the room has asked for lag compensation; `Rewind.get()` would begin it. */
export const rewindInUse = (room: Room): boolean =>
  (Rewind as unknown as { byRoom: WeakMap<object, unknown> }).byRoom.has(room);

/** Rewind's own clock of recordings. */
export interface RewindInternals {
  _lastRecordedAt: number;
  _sampleIntervalMs: number;
  record(now: number, sampleIntervalMs?: number): void;
}
