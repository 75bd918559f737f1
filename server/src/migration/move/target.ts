// The receiving side of moves: shells are prepared while their rooms still run elsewhere, then restored, switched
// over in the registry and started, in that order.
import { randomUUID } from 'node:crypto';
import { deserialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { matchMaker, type Room, requestFromIPC } from '@colyseus/core';
import type { RoomClient } from '../../colyseus/room-internals.ts';
import {
  BatonError,
  handlersMismatch,
  hostDraining,
  internalError,
  invalidRequest,
  moveFailed,
  moveInProgress,
  schemaMismatch,
} from '../../errors.ts';
import { type CarriedConnection, libc } from '../../handoff/index.ts';
import type { MoveOutcome as StoreOutcome } from '../../store/index.ts';
import type { ConnectionRecord } from '../../transport/index.ts';
import { ClassRegistry, checkAgainstShell, type MovabilityReport } from '../fields/index.ts';
import { encoderOf } from '../room/capture.ts';
import { handlerSignature } from '../room/handlers.ts';
import { restoreRoom } from '../room/restore.ts';
import { pairTimers } from '../room/restore-time.ts';
import { buildShell, discardShell, divertMethods, startRoom } from '../room/shell.ts';
import type { RoomSnapshot } from '../room/snapshot.ts';
import { trackOf } from '../room/track.ts';
import { PreCopyTarget, reflectionHash, type StateSnapshot } from '../schema/index.ts';
import type { MoveContext } from './context.ts';
import { announce } from './phases.ts';
import {
  type CommitMessage,
  type CommitReply,
  commitSchema,
  type ErrorRecord,
  lettersSchema,
  METHODS,
  nowMicros,
  type PrepareMessage,
  type PrepareReply,
  precopySchema,
  prepareSchema,
  roomsSchema,
} from './protocol.ts';

/** A shell nobody commits is thrown away after this long. */
const SHELL_LIFETIME_MS = 120_000;

interface Arrival {
  transferId: string;
  from: string;
  room: Room;
  classes: ClassRegistry;
  /** Source and target run the same code. */
  sameCode: boolean;
  undivert: () => void;
  /** The state as far as it came ahead. */
  ahead: PreCopyTarget | undefined;
  expiry: NodeJS.Timeout;
  settled: Promise<void>;
  settle: () => void;
}

interface Restored {
  entry: CommitMessage['rooms'][number];
  arrival: Arrival;
  clients: RoomClient[];
  restoreMs: number;
}

export class MoveTarget {
  private readonly context: MoveContext;
  private readonly arrivals = new Map<string, Arrival>();

  constructor(context: MoveContext) {
    this.context = context;
    const { handoff } = context;
    handoff.handle(METHODS.prepare, (payload) =>
      this.prepare(parse(prepareSchema, payload) as PrepareMessage),
    );
    handoff.handle(METHODS.precopy, (payload) => this.precopy(parse(precopySchema, payload)));
    handoff.handle(METHODS.letters, (payload) => {
      const { roomId, letters } = parse(lettersSchema, payload);
      const room = matchMaker.getLocalRoomById(roomId) as Room | undefined;
      if (room) trackOf(room).mailbox?.take(letters);
    });
    handoff.handle(METHODS.abort, (payload) => this.abort(parse(roomsSchema, payload)));
    context.carrier.receive(METHODS.commit, (payload, connections) =>
      this.commit(parse(commitSchema, payload), connections),
    );
    handoff.onPeerGone(() => {
      // without the store's word shells stay until their own time is over
      this.sweep().catch((err) => context.log.debug({ err }, 'shells could not be swept'));
    });
  }

  /** True while a shell of the room waits here. */
  expects(roomId: string): boolean {
    return this.arrivals.has(roomId);
  }

  /** Resolves when the room runs here or its shell is gone. */
  settled(roomId: string): Promise<void> {
    return this.arrivals.get(roomId)?.settled ?? Promise.resolve();
  }

  private async prepare(message: PrepareMessage): Promise<PrepareReply> {
    if (this.context.draining()) throw hostDraining({ host: this.context.host });
    const replies: PrepareReply = [];
    for (const wanted of message.rooms) {
      try {
        const missingTimers = await this.prepareRoom(message, wanted);
        replies.push({ roomId: wanted.roomId, missingTimers });
      } catch (error) {
        replies.push({ roomId: wanted.roomId, error: record(error, wanted.roomId) });
      }
    }
    return replies;
  }

  /** @returns names of timers that the room's onCreate() made there, but not here */
  private async prepareRoom(
    message: PrepareMessage,
    wanted: PrepareMessage['rooms'][number],
  ): Promise<string[]> {
    const { roomId, roomName } = wanted;
    const { context } = this;
    if (this.arrivals.has(roomId) || matchMaker.getLocalRoomById(roomId)) throw moveInProgress({ roomId });
    const shell = await buildShell(
      context.gates,
      { roomId, roomName, options: wanted.options },
      context.host,
    );
    try {
      const encoder = encoderOf(shell);
      const reflection = encoder && reflectionHash(encoder);
      if (reflection !== wanted.reflection) {
        throw schemaMismatch({
          roomName,
          host: context.host,
          reason: 'its fields or types differ from those clients know',
        });
      }
      const handlers = handlerSignature(shell);
      if (handlers !== wanted.handlers) {
        throw handlersMismatch({
          roomName,
          host: context.host,
          reason: `[${wanted.handlers}] there, [${handlers}] here; register all handlers in onCreate() or as \`messages\``,
        });
      }
      const classes = ClassRegistry.of(shell);
      const sameCode = message.generation === context.generation;
      const problems = checkAgainstShell(wanted.report as MovabilityReport, shell, { classes, sameCode });
      if (problems.length > 0) throw context.immovable(roomId, problems);
      const found = pairTimers(shell, wanted.timers, sameCode);
      this.expect(message, shell, classes, sameCode);
      return wanted.timers.map(({ name }) => name).filter((name) => !found.has(name));
    } catch (error) {
      discardShell(shell, context.gates);
      throw error;
    }
  }

  private expect(message: PrepareMessage, room: Room, classes: ClassRegistry, sameCode: boolean): void {
    const { roomId } = room;
    let settle = () => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const expiry = setTimeout(() => this.discard(roomId), SHELL_LIFETIME_MS);
    expiry.unref();
    // Colyseus already finds the shell by its id: calls made in this process go to the room where it runs
    const undivert = divertMethods(room, (method, args) =>
      requestFromIPC(matchMaker.presence, `$${roomId}`, method, args),
    );
    this.context.gates.presence.expectCut(message.transferId, room);
    announce('target', 'prepared', roomId);
    this.arrivals.set(roomId, {
      transferId: message.transferId,
      from: message.from,
      room,
      classes,
      sameCode,
      undivert,
      ahead: undefined,
      expiry,
      settled,
      settle,
    });
  }

  /** Builds the state while the room still runs at the source; answers when this slice is worked in. */
  private async precopy(message: { transferId: string; roomId: string; bytes?: Uint8Array }): Promise<void> {
    const { roomId, bytes } = message;
    const arrival = this.arrivals.get(roomId);
    if (!arrival || arrival.transferId !== message.transferId) {
      throw moveFailed({ roomId, reason: 'the target does not expect it (any more)' });
    }
    const { room } = arrival;
    const shellState = room.state as object;
    const ahead = (arrival.ahead ??= new PreCopyTarget(shellState.constructor, shellState));
    if (bytes) ahead.add(deserialize(bytes) as StateSnapshot);
    while (!ahead.work()) await new Promise((resolve) => setImmediate(resolve));
    if (bytes) return;
    ahead.attach((root) => {
      (room as { state: unknown }).state = root;
      return encoderOf(room)!;
    });
  }

  private abort(message: { transferId: string; rooms: string[] }): void {
    for (const roomId of message.rooms) {
      if (this.arrivals.get(roomId)?.transferId === message.transferId) this.discard(roomId);
    }
  }

  private discard(roomId: string): void {
    const arrival = this.arrivals.get(roomId);
    if (!arrival) return;
    this.arrivals.delete(roomId);
    clearTimeout(arrival.expiry);
    arrival.undivert();
    discardShell(arrival.room, this.context.gates);
    arrival.settle();
    announce('target', 'discarded', roomId);
  }

  /** A host went away: shells for its rooms are of no use; those already being committed go on. */
  private async sweep(): Promise<void> {
    const hosts = new Set((await this.context.hosts()).map((h) => h.id));
    for (const [roomId, arrival] of this.arrivals) {
      if (!hosts.has(arrival.from)) this.discard(roomId);
    }
  }

  /**
   * The registry's compare-and-set, the point of no return, is on its way while the rooms are restored; a room only
   * runs when both have succeeded. What could not be restored although the registry changed is given back: the
   * source, whose room is still frozen, puts the registry right.
   */
  private async commit(message: CommitMessage, connections: CarriedConnection[]): Promise<CommitReply> {
    const asked = nowMicros();
    const switching = this.switchOwner(message);
    const replies: CommitReply = [];
    const restored: Restored[] = [];
    let next = 0;
    for (const entry of message.rooms) {
      const own = connections.slice(next, next + entry.sessions.length);
      next += entry.sessions.length;
      try {
        restored.push(this.restore(message, entry, own));
      } catch (error) {
        for (const { fd } of own) libc.close(fd);
        this.discard(entry.roomId);
        replies.push({ roomId: entry.roomId, error: record(error, entry.roomId), unsure: true });
      }
    }
    // every descriptor is a connection's or closed by now
    for (const { fd } of connections.splice(0).slice(next)) libc.close(fd);
    const restoreMs = (nowMicros() - asked) / 1000;
    const outcomes = await switching;
    const switchMs = Math.max(0, (nowMicros() - asked) / 1000 - restoreMs);
    for (const room of restored) {
      const { roomId } = room.entry;
      const outcome = outcomes.get(roomId);
      if (outcome instanceof BatonError) {
        // whether the store took it is unknown: this host gives the room up
        this.giveUp(room);
        replies.push({ roomId, error: record(outcome, roomId), unsure: true });
      } else if (!outcome?.ok) {
        this.giveUp(room);
        const owner = outcome?.owner;
        const reason = owner ? `${owner.host} owns it at epoch ${owner.epoch}` : 'nobody owns it any more';
        replies.push({ roomId, error: moveFailed({ roomId, reason }).toJSON() });
      } else {
        announce('target', 'switched', roomId);
        replies.push({ ...this.activate(room, message.from, outcome.owner!.epoch), switchMs });
      }
    }
    return replies;
  }

  private async switchOwner(message: CommitMessage): Promise<Map<string, StoreOutcome | BatonError>> {
    const moves = message.rooms.map(({ roomId, epoch }) => ({
      roomId,
      from: message.from,
      epoch,
      to: this.context.host,
    }));
    try {
      const outcomes = await this.context.store.transfer(moves);
      return new Map(outcomes.map((outcome) => [outcome.roomId, outcome]));
    } catch (error) {
      const failure = error instanceof BatonError ? error : internalError({}, error);
      return new Map(moves.map(({ roomId }) => [roomId, failure]));
    }
  }

  /** Synchronous; on an error the descriptors still in `own` are the caller's. */
  private restore(
    message: CommitMessage,
    entry: CommitMessage['rooms'][number],
    own: CarriedConnection[],
  ): Restored {
    const { context } = this;
    const arrival = this.arrivals.get(entry.roomId);
    if (!arrival || arrival.transferId !== message.transferId) {
      throw moveFailed({ roomId: entry.roomId, reason: 'the target does not expect it (any more)' });
    }
    if (crc32(entry.bytes) !== entry.checksum)
      throw moveFailed({ roomId: entry.roomId, reason: 'the snapshot is damaged' });
    if (own.length !== entry.sessions.length)
      throw moveFailed({ roomId: entry.roomId, reason: 'connections are missing' });
    announce('target', 'received', entry.roomId);
    const started = nowMicros();
    const snapshot = deserialize(entry.bytes) as RoomSnapshot;
    arrival.undivert();
    const clients: RoomClient[] = [];
    try {
      const bySession = new Map(entry.sessions.map((sessionId, i) => [sessionId, own[i]!]));
      restoreRoom({
        room: arrival.room,
        snapshot,
        classes: arrival.classes,
        sameCode: arrival.sameCode,
        ...(arrival.ahead ? { ahead: arrival.ahead } : {}),
        absent: (sessionId) => context.transport.absentClient(sessionId) as unknown as RoomClient,
        client: (sessionId) => {
          const connection = bySession.get(sessionId)!;
          const client = context.transport.adopt(
            connection.fd,
            connection.record as ConnectionRecord,
            sessionId,
          );
          own.splice(own.indexOf(connection), 1); // the client owns it now
          clients.push(client as unknown as RoomClient);
          return client as unknown as RoomClient;
        },
      });
    } catch (error) {
      for (const client of clients) context.transport.forget(client as never);
      throw error;
    }
    // until the switch is known, calls made in this process wait: the room may yet stay where it was
    arrival.undivert = divertMethods(arrival.room, async (method, args) => {
      await arrival.settled;
      return matchMaker.remoteRoomCall(entry.roomId, method as never, args);
    });
    announce('target', 'restored', entry.roomId);
    return { entry, arrival, clients, restoreMs: (nowMicros() - started) / 1000 };
  }

  private giveUp({ entry, clients }: Restored): void {
    for (const client of clients) this.context.transport.forget(client as never);
    this.discard(entry.roomId);
  }

  private activate(
    { entry, arrival, clients, restoreMs }: Restored,
    from: string,
    epoch: number,
  ): CommitReply[number] {
    const { context } = this;
    const { room } = arrival;
    const { roomId } = entry;
    this.arrivals.delete(roomId);
    clearTimeout(arrival.expiry);
    context.ownership.take(roomId, epoch);
    arrival.undivert();
    context.gates.presence.inherit(roomId, entry.executed);
    startRoom(room, entry.frozenAt);
    for (const client of clients) context.transport.resume(client as never);
    const blackoutMs = (nowMicros() - entry.frozenAt) / 1000;
    trackOf(room).lastBlackoutMs = blackoutMs;
    arrival.settle();
    announce('target', 'active', roomId);
    this.publish(room, from, { epoch, blackoutMs });
    return { roomId, epoch, blackoutMs, restoreMs };
  }

  /** Listing and call channel follow right after; calls reach the room through the old host until then. */
  private async publish(
    room: Room,
    from: string,
    info: { epoch: number; blackoutMs: number },
  ): Promise<void> {
    const { context } = this;
    const { roomId } = room;
    try {
      trackOf(room).follow('onMigrated', room.onMigrated?.({ from, to: context.host, ...info }));
    } catch (error) {
      context.log.error({ roomId, err: error }, 'onMigrated() threw');
    }
    try {
      await Promise.all([context.gates.driver.publish(room), context.gates.presence.open(roomId)]);
    } catch (error) {
      context.log.warn({ roomId, err: error }, 'the moved room is not listed yet');
      context.republish(room);
    }
    announce('target', 'published', roomId);
    await context.tell(from, METHODS.published, {
      transferId: randomUUID(),
      from: context.host,
      rooms: [roomId],
    });
  }
}

function parse<T>(
  schema: { safeParse(v: unknown): { success: true; data: T } | { success: false; error: Error } },
  payload: unknown,
): T {
  const result = schema.safeParse(payload);
  if (!result.success)
    throw invalidRequest({ reason: `a peer sent a malformed record: ${result.error.message}` });
  return result.data;
}

function record(error: unknown, roomId: string): ErrorRecord {
  if (error instanceof BatonError) return error.toJSON();
  return moveFailed({ roomId, reason: error instanceof Error ? error.message : String(error) }).toJSON();
}
