// Freezing a room: one synchronous stretch after which the room does nothing until it is thawed or released.
import { type Client, type Delayed, logger, Rewind, type Room } from '@colyseus/core';
import type { Encoder } from '@colyseus/schema';
import {
  CLIENT_FIELDS,
  type EntityHistoryInternals,
  INPUT_BUFFER_SCALARS,
  internals,
  REWIND_HISTORY,
  type RewindInternals,
  type RoomClient,
  rewindInUse,
} from '../../colyseus/room-internals.ts';
import { rawOf, rootOf } from '../../colyseus/schema-internals.ts';
import { delayedInternals } from '../../colyseus/timer-internals.ts';
import { roomImmovable } from '../../errors.ts';
import type { Pickled } from '../fields/index.ts';
import { captureFields, FieldPickler, fingerprint } from '../fields/index.ts';
import { type PreCopySource, StateCapture } from '../schema/index.ts';
import { describeLoop } from './loop-handler.ts';
import { formatProblems } from './problems.ts';
import { pauseSeats, seatTimeLeft } from './seats.ts';
import { stopLoops } from './simulation.ts';
import {
  type ClientRecord,
  type InputRecord,
  type LoopRecord,
  type ReconnectionRecord,
  type RewindRecord,
  type RoomSnapshot,
  type SeatRecord,
  SNAPSHOT_VERSION,
  type TimerRecord,
} from './snapshot.ts';
import { describeTimer, isMadeThere, sketchOf, timerCount, timerNames, timersOfCreation } from './timers.ts';
import { type RoomTrack, trackOf } from './track.ts';

export function encoderOf(room: Room): Encoder | undefined {
  return internals(room)._serializer?.encoder;
}

/** Stops everything the room does by itself and sends what is due; synchronous. */
export function freezeRoom(room: Room): void {
  const track = trackOf(room);
  stopLoops(room);
  pauseSeats(room);
  if (room.state) sendWhatIsDue(room);
  track.mailbox?.close();
  track.phase = 'frozen';
}

/** A patch that cannot be made (the game's onBeforePatch() throws, say) is no reason to stay: it travels unmade. */
function sendWhatIsDue(room: Room): void {
  try {
    room.broadcastPatch();
  } catch (error) {
    logger.error(`room ${room.roomId}: the patch before its move failed`, error);
  }
}

/**
 * The frozen room as a record. Does not change the room.
 * @param ahead what was copied of its state while it ran; then only the rest is captured
 * @throws BATON_ROOM_IMMOVABLE when something came up since the room was inspected
 */
export function captureRoom(room: Room, ahead?: PreCopySource): RoomSnapshot {
  const track = trackOf(room);
  const inner = internals(room);
  const encoder = encoderOf(room);
  const pickle: Pickle = (value, path) => pickler.pickle(value, path);
  const capture = encoder && (ahead ? ahead.freeze({ pickle }) : new StateCapture(encoder, { pickle }));
  const pickler = new FieldPickler({ room, timers: timerNames, ...(capture ? { state: capture } : {}) });
  const {
    processId: _host,
    publicAddress: _address,
    ...listing
  } = inner._listing as unknown as Record<string, unknown>;

  const snapshot: RoomSnapshot = {
    v: SNAPSHOT_VERSION,
    roomId: room.roomId,
    roomName: room.roomName,
    options: track.createOptions,
    moves: track.moves,
    clock: {
      elapsed: room.clock.elapsedTime,
      current: room.clock.currentTime,
      delta: room.clock.deltaTime,
      timers: timerCount(room),
    },
    simulation: loopRecord(room, track),
    loopEnded: track.loopEnded,
    patchRate: track.paused!.patchRate,
    unreliablePatchRate: track.paused!.unreliablePatchRate,
    lastPatchAt: track.lastPatchAt,
    disposeIn: track.paused!.disposeIn,
    timers: timerRecords(room, pickle),
    fields: captureFields(pickler, room),
    config: {
      autoDispose: room.autoDispose,
      maxClients: room.maxClients,
      seatReservationTimeout: room.seatReservationTimeout,
      maxMessagesPerSecond: room.maxMessagesPerSecond,
    },
    lock: { locked: room.locked, explicit: inner._lockedExplicitly },
    listing,
    clients: room.clients.map((client: Client) => clientRecord(client as RoomClient, pickle)),
    seats: seatRecords(room, pickle),
    reconnections: reconnectionRecords(room, pickle),
    cache: room.onCacheRoom ? pickle(room.onCacheRoom(), 'onCacheRoom()') : undefined,
    state: undefined,
    precopied: ahead !== undefined,
    plainState: room.state && !encoder ? pickle(room.state, 'state') : undefined,
    unreliableSeq: inner._serializer?.unreliableSeq ?? 0,
    rewind: capture && captureRewind(room, encoder!, capture),
    nodes: [],
  };
  if (capture) snapshot.state = capture.finish(room.state as object);
  const problems = [...pickler.problems, ...(capture?.problems ?? [])];
  if (problems.length > 0)
    throw roomImmovable({ roomId: room.roomId, reason: formatProblems(problems), problems });
  snapshot.nodes = pickler.nodes; // complete only now: the state's own properties are in it, too
  return snapshot;
}

type Pickle = (value: unknown, path: string) => Pickled;

/** Those that run in the order in which they do, then those of onCreate() that are through. */
function timerRecords(room: Room, pickle: Pickle): TimerRecord[] {
  const running = (room.clock.delayed as Delayed[]).filter((delayed) => delayed.active);
  const through = timersOfCreation(room).filter((delayed) => !running.includes(delayed));
  return [...running, ...through].map((delayed) => timerRecord(room, delayed, pickle));
}

function loopRecord(room: Room, { simulation }: RoomTrack): LoopRecord | undefined {
  if (!simulation) return undefined;
  const { kind, intervalMs, request, accumulator, tick, lastRunAt } = simulation;
  const described = describeLoop(room, request);
  return {
    kind,
    interval: intervalMs,
    tickRate: request.tickRate,
    subSteps: request.subSteps,
    code: fingerprint(request.callback),
    handler: described.kind === 'movable' ? { ref: described.ref, h: described.h } : undefined,
    accumulator,
    tick,
    lastRunAt,
  };
}

function timerRecord(room: Room, delayed: Delayed, pickle: Pickle): TimerRecord {
  const record: TimerRecord = {
    ...sketchOf(delayed),
    time: delayed.time,
    elapsed: delayed.elapsedTime,
    paused: delayed.paused,
    active: delayed.active,
  };
  if (delayed.active && !isMadeThere(room, delayed)) {
    const args = delayedInternals(delayed).args ?? [];
    const described = describeTimer(room, delayed);
    if (described.kind === 'movable') record.handler = { ref: described.ref, h: described.h };
    record.args = args.map((value, i) => pickle(value, `clock timer ${record.name} argument ${i}`));
  }
  return record;
}

function clientRecord(client: RoomClient, pickle: Pickle): ClientRecord {
  return {
    sessionId: client.sessionId,
    state: client.state,
    token: client.reconnectionToken,
    auth: pickle(client.auth, 'client.auth'),
    userData: pickle(client.userData, 'client.userData'),
    view: client.view ? pickle(client.view, 'client.view') : undefined,
    joinedAt: client._joinedAt,
    enqueued: client._enqueuedMessages?.map((bytes: Uint8Array) => Uint8Array.from(bytes)),
    rates: [
      client._numMessagesLastSecond,
      client._messageCountResetsAt,
      client._lastMessageTime,
      client._numInputsLastSecond,
      client._lastInputTime,
    ],
    extra: Object.keys(client)
      .filter((key) => !CLIENT_FIELDS.has(key))
      .map((key) => [key, pickle(client[key], `client.${key}`)]),
    input: client._inputBuffer || client._input ? inputRecord(client) : undefined,
  };
}

/** Input instances are flat Schemas: their synced fields are all there is. */
function plainInput(instance: any): Record<string, unknown> | undefined {
  if (!instance) return undefined;
  const plain: Record<string, unknown> = {};
  const metadata = instance.constructor[Symbol.metadata as symbol] ?? {};
  for (const index in metadata) {
    const name = metadata[index]?.name;
    if (name !== undefined) plain[name] = instance[name];
  }
  return plain;
}

function inputRecord(client: RoomClient): InputRecord {
  const buffer = client._inputBuffer as any;
  return {
    latest: plainInput(client._input),
    received: client._receivedInputCount,
    baseline: client._reckonBaseline,
    since:
      client._lastInputReceivedAt === undefined ? undefined : performance.now() - client._lastInputReceivedAt,
    buffer: buffer && {
      items: buffer._items.map(plainInput),
      renderTimes: buffer._renderTimes.slice(),
      reckonTimes: buffer._reckonTimes.slice(),
      seqs: buffer._seqs?.slice(),
      scalars: INPUT_BUFFER_SCALARS.map((key) => buffer[key]),
    },
  };
}

function seatRecords(room: Room, pickle: Pickle): SeatRecord[] {
  const seats = internals(room)._reservedSeats;
  // consumed seats belong to joins in progress, which a move waits for
  return Object.getOwnPropertyNames(seats)
    .filter((sessionId) => !seats[sessionId]![2] || seats[sessionId]![3])
    .map((sessionId) => {
      const [options, auth, , held] = seats[sessionId]!;
      return {
        sessionId,
        options: pickle(options, 'seat.options'),
        auth: pickle(auth, 'seat.auth'),
        held: !!held,
        left: seatTimeLeft(room, sessionId),
      };
    });
}

function reconnectionRecords(room: Room, pickle: Pickle): ReconnectionRecord[] {
  const { departures } = trackOf(room);
  return Object.entries(internals(room)._reconnections).map(([token, [sessionId]]) => {
    const departure = departures.get(token);
    const client = departure?.client;
    return {
      token,
      sessionId,
      code: departure?.code,
      client: client && clientRecord(client, pickle),
    };
  });
}

/** Lag compensation: the position history that Rewind keeps under a private symbol on each entity. */
function captureRewind(room: Room, encoder: Encoder, capture: StateCapture): RewindRecord | undefined {
  if (!rewindInUse(room)) return undefined;
  const histories: RewindRecord['histories'] = [];
  let symbol: symbol | undefined;
  for (const tree of Object.values(rootOf(encoder).changeTrees)) {
    const ref = rawOf(tree.ref) as Record<symbol, EntityHistoryInternals[]>;
    symbol ??= Object.getOwnPropertySymbols(ref).find((s) => s.description === REWIND_HISTORY);
    const rings = symbol && ref[symbol];
    if (!rings) continue;
    histories.push([
      capture.idOf(ref),
      rings.map((ring) => ({
        group: ring.groupId,
        times: ring.t.slice(),
        columns: ring.cols.map((column) => column.slice()),
        head: ring.head,
        count: ring.count,
      })),
    ]);
  }
  if (histories.length === 0) return undefined;
  const rewind = Rewind.get(room) as unknown as RewindInternals;
  return { histories, lastRecordedAt: rewind._lastRecordedAt, sampleIntervalMs: rewind._sampleIntervalMs };
}
