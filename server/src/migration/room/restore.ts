// Pouring a snapshot into a shell: afterwards the room is what it was on the other host, but still stopped.
import { ClientState, matchMaker, Rewind, Room } from '@colyseus/core';
import {
  type EntityHistoryInternals,
  INPUT_BUFFER_SCALARS,
  internals,
  REWIND_HISTORY,
  type RewindInternals,
  type RoomClient,
} from '../../colyseus/room-internals.ts';
import { roomImmovable } from '../../errors.ts';
import { type ClassRegistry, FieldUnpickler, type PickledField, restoreFields } from '../fields/index.ts';
import { type PreCopyTarget, StateRestore } from '../schema/index.ts';
import { encoderOf } from './capture.ts';
import { pinRoomId } from './hooks.ts';
import { formatProblems } from './problems.ts';
import { matchTimers, restoreClock, restoreLoop, restoreTimers } from './restore-time.ts';
import type { ClientRecord, InputRecord, RewindRecord, RoomSnapshot } from './snapshot.ts';
import { type RoomTrack, trackOf } from './track.ts';

export interface RestoreOptions {
  room: Room;
  snapshot: RoomSnapshot;
  /** The connection of a client; not flowing yet. */
  client(sessionId: string): RoomClient;
  /** A stand-in for a client that is away but may reconnect. */
  absent(sessionId: string): RoomClient;
  classes: ClassRegistry;
  /** Source and target run the same code: functions are compared to the letter. */
  sameCode: boolean;
  /** The state as far as it came ahead of the freeze; it is the room's state already. */
  ahead?: PreCopyTarget;
}

/**
 * Synchronous. Nothing outside the shell and its connections is touched.
 * @throws BATON_ROOM_IMMOVABLE when a field has no counterpart here, BATON_SCHEMA_MISMATCH
 */
export function restoreRoom(options: RestoreOptions): void {
  const { room, snapshot } = options;
  const track = trackOf(room);
  const inner = internals(room);
  inner._internalState = 0; // CREATING: the setters below must not write to the driver
  pinRoomId(room, snapshot.roomId);

  const clients = new Map<string, RoomClient>();
  for (const { sessionId } of snapshot.clients) clients.set(sessionId, options.client(sessionId));
  for (const { sessionId } of snapshot.reconnections) {
    if (!clients.has(sessionId)) clients.set(sessionId, options.absent(sessionId));
  }

  const state = restoreState(room, snapshot, options.ahead);
  const { sameCode } = options;
  restoreClock(room, snapshot);
  restoreLoop(room, track, snapshot, options);
  const timers = matchTimers(room, snapshot, sameCode);
  const unpickler = new FieldUnpickler({
    room,
    nodes: snapshot.nodes,
    ...(state ? { state } : {}),
    clients,
    timers,
    classes: options.classes,
    sameCode,
    absentClient: options.absent,
  });
  restoreTimers({ room, snapshot, timers, unpickler, classes: options.classes, sameCode });
  if (snapshot.plainState !== undefined) {
    (room as { state: unknown }).state = unpickler.unpickle(snapshot.plainState, room.state, 'state');
  }
  restoreExtras(state, unpickler);
  restoreFields(unpickler, room, snapshot.fields);

  track.paused = {
    patchRate: snapshot.patchRate,
    unreliablePatchRate: snapshot.unreliablePatchRate,
    disposeIn: snapshot.disposeIn,
  };
  track.lastPatchAt = snapshot.lastPatchAt;
  room.seatReservationTimeout = snapshot.config.seatReservationTimeout;
  room.maxMessagesPerSecond = snapshot.config.maxMessagesPerSecond;
  room.maxClients = Number.POSITIVE_INFINITY;
  enterClients(room, snapshot, clients, unpickler);
  replayDepartures(room, track, snapshot, clients, unpickler);
  for (const seat of snapshot.seats) {
    if (seat.held) continue;
    inner._reserveSeat(
      seat.sessionId,
      unpickler.unpickle(seat.options),
      unpickler.unpickle(seat.auth),
      seat.left,
    );
  }
  restoreListing(room, snapshot);
  unpickler.finish();
  if (snapshot.rewind && state) restoreRewind(room, state, snapshot.rewind);
  room.autoDispose = snapshot.config.autoDispose;
  inner._internalState = 1; // CREATED
  clearTimeout(inner._autoDisposeTimeout);
  inner._autoDisposeTimeout = undefined;
  track.createOptions = snapshot.options;
  track.moves = snapshot.moves + 1;
  if (snapshot.cache !== undefined) room.onRestoreRoom?.(unpickler.unpickle(snapshot.cache));
  const problems = [...unpickler.problems, ...(state?.problems ?? [])];
  if (problems.length > 0)
    throw roomImmovable({ roomId: room.roomId, reason: formatProblems(problems), problems });
}

/** Gives the room the rebuilt tree: a new serializer and encoder, then the identities of the old one. */
function restoreState(
  room: Room,
  snapshot: RoomSnapshot,
  ahead: PreCopyTarget | undefined,
): StateRestore | undefined {
  if (!snapshot.state) return undefined;
  let restore: StateRestore;
  if (snapshot.precopied) {
    restore = ahead!.finish(snapshot.state);
  } else {
    const shellState = room.state as object;
    restore = new StateRestore(snapshot.state, shellState.constructor, shellState);
    (room as { state: unknown }).state = restore.root;
  }
  restore.settle(encoderOf(room)!);
  const serializer = internals(room)._serializer;
  serializer.handshakeCache = undefined;
  serializer.needFullEncode = true;
  serializer.unreliableSeq = snapshot.unreliableSeq;
  return restore;
}

/** Properties that the game keeps on schema instances and views without synchronising them. */
function restoreExtras(state: StateRestore | undefined, unpickler: FieldUnpickler): void {
  for (const [instance, pairs] of state?.extras() ?? []) {
    unpickler.unpickleFields(instance, pairs as PickledField[], `state ${instance.constructor.name}`);
  }
}

/** Every client joins through the framework's own _onJoin(), with the game's hooks out of the way and no frame sent. */
function enterClients(
  room: Room,
  snapshot: RoomSnapshot,
  clients: Map<string, RoomClient>,
  unpickler: FieldUnpickler,
): void {
  if (snapshot.clients.length === 0) return;
  const inner = internals(room);
  const unshadow = shadow(room, { onJoin: undefined, onAuth: Room.prototype.onAuth });
  // on the class, for this synchronous stretch: a property of its own would make a client slow for good
  const proto = Object.getPrototypeOf(clients.get(snapshot.clients[0]!.sessionId)) as { raw: unknown };
  const { raw } = proto;
  proto.raw = () => {};
  try {
    for (const { sessionId } of snapshot.clients) {
      inner._reservedSeats[sessionId] = [true, undefined, false, false];
      inner._onJoin(clients.get(sessionId)!, {}, {}).catch(() => {});
    }
  } finally {
    proto.raw = raw;
  }
  for (const record of snapshot.clients) fillClient(clients.get(record.sessionId)!, record, unpickler);
  unshadow();
}

function fillClient(client: RoomClient, record: ClientRecord, unpickler: FieldUnpickler): void {
  client.reconnectionToken = record.token;
  client.state = record.state as ClientState;
  client._joinedAt = record.joinedAt as number;
  client.auth = unpickler.unpickle(record.auth);
  client.userData = unpickler.unpickle(record.userData);
  if (record.view !== undefined) client.view = unpickler.unpickle(record.view) as never;
  [
    client._numMessagesLastSecond,
    client._messageCountResetsAt,
    client._lastMessageTime,
    client._numInputsLastSecond,
    client._lastInputTime,
  ] = record.rates as [number, number, number, number, number];
  if (record.enqueued) client._enqueuedMessages = record.enqueued.map((bytes) => Buffer.from(bytes));
  else client._enqueuedMessages = undefined;
  unpickler.unpickleFields(client, record.extra, 'client');
  if (record.input) fillInput(client, record.input);
}

function fillInput(client: RoomClient, record: InputRecord): void {
  if (client._input && record.latest) Object.assign(client._input, record.latest);
  if (record.received !== undefined) client._receivedInputCount = record.received;
  if (record.baseline !== undefined) client._reckonBaseline = record.baseline;
  if (record.since !== undefined) client._lastInputReceivedAt = performance.now() - record.since;
  const buffer = client._inputBuffer as any;
  if (!buffer || !record.buffer) return;
  buffer._items = record.buffer.items.map(
    (plain) => plain && Object.assign((client._input as any).clone(), plain),
  );
  buffer._renderTimes = record.buffer.renderTimes;
  buffer._reckonTimes = record.buffer.reckonTimes;
  if (record.buffer.seqs) buffer._seqs = record.buffer.seqs;
  INPUT_BUFFER_SCALARS.forEach((key, i) => {
    buffer[key] = record.buffer!.scalars[i];
  });
}

/** Clients that are away: their departure is replayed, and instead of the game's hook only the seat is held again. */
function replayDepartures(
  room: Room,
  track: RoomTrack,
  snapshot: RoomSnapshot,
  clients: Map<string, RoomClient>,
  unpickler: FieldUnpickler,
): void {
  const inner = internals(room);
  for (const record of snapshot.reconnections) {
    const client = clients.get(record.sessionId)!;
    const seat = snapshot.seats.find((s) => s.held && s.sessionId === record.sessionId);
    if (inner._inputController) {
      inner._inputController.allocate(client);
      inner._inputController.register(record.sessionId, client);
    }
    if (record.client) fillClient(client, record.client, unpickler);
    client.reconnectionToken = record.token;
    client.state = ClientState.JOINED;
    client._enqueuedMessages = undefined;
    room.clients.push(client as never);
    track.replayed.set(client, seat?.left ?? room.seatReservationTimeout);
    matchMaker.stats.local.ccu++;
    inner._onLeave(client, record.code).catch(() => {});
  }
}

function restoreListing(room: Room, snapshot: RoomSnapshot): void {
  const inner = internals(room);
  const listing = inner._listing as unknown as Record<string, unknown>;
  const { processId, publicAddress } = listing;
  for (const key of Object.keys(listing)) delete listing[key];
  Object.assign(listing, snapshot.listing, { processId });
  if (publicAddress) listing['publicAddress'] = publicAddress;
  room.maxClients = snapshot.config.maxClients; // sets the private lock state of a full room
  if (snapshot.lock.locked !== room.locked) {
    (snapshot.lock.locked ? room.lock : room.unlock).call(room, ...([true] as unknown as []));
  }
  inner._lockedExplicitly = snapshot.lock.explicit;
  listing['clients'] = snapshot.listing['clients'];
  listing['locked'] = snapshot.listing['locked'];
}

function restoreRewind(room: Room, state: StateRestore, record: RewindRecord): void {
  const rewind = Rewind.get(room) as unknown as RewindInternals;
  rewind.record(record.lastRecordedAt, record.sampleIntervalMs); // makes the rings in this process
  for (const [id, rings] of record.histories) {
    const entity = state.byId(id) as Record<symbol, EntityHistoryInternals[]> | undefined;
    const symbol =
      entity && Object.getOwnPropertySymbols(entity).find((s) => s.description === REWIND_HISTORY);
    if (!symbol) continue;
    for (const saved of rings) {
      const ring = entity[symbol]!.find((r) => r.groupId === saved.group);
      if (!ring || ring.cap !== saved.times.length) continue;
      ring.t.set(saved.times);
      ring.cols.forEach((column, i) => {
        column.set(saved.columns[i]!);
      });
      ring.head = saved.head;
      ring.count = saved.count;
    }
  }
  rewind._lastRecordedAt = record.lastRecordedAt;
}

/** Own properties over the prototype's for a while; returns what takes them away again. */
function shadow(room: Room, values: Record<string, unknown>): () => void {
  const saved = new Map(Object.keys(values).map((key) => [key, Object.getOwnPropertyDescriptor(room, key)]));
  for (const [key, value] of Object.entries(values)) {
    Object.defineProperty(room, key, { value, configurable: true, writable: true, enumerable: false });
  }
  return () => {
    for (const [key, descriptor] of saved) {
      if (descriptor) Object.defineProperty(room, key, descriptor);
      else delete (room as unknown as Record<string, unknown>)[key];
    }
  };
}
