// The receiving side of moves: shells are prepared while their rooms still run elsewhere, then restored, switched
// over in the registry and started, in that order. A room that cannot be restored is never switched.
import { randomUUID } from 'node:crypto';
import { deserialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { matchMaker, type Room } from '@colyseus/core';
import type { RoomClient } from '../../colyseus/room-internals.ts';
import { BatonError, hostDraining, internalError, invalidRequest, moveFailed } from '../../errors.ts';
import { type CarriedConnection, libc, type PeerInfo } from '../../handoff/index.ts';
import type { MoveOutcome as StoreOutcome } from '../../store/index.ts';
import type { ConnectionRecord } from '../../transport/index.ts';
import { encoderOf } from '../room/capture.ts';
import { restoreRoom } from '../room/restore.ts';
import { buildShell, discardShell, divertMethods, startRoom } from '../room/shell.ts';
import type { RoomSnapshot } from '../room/snapshot.ts';
import { trackOf } from '../room/track.ts';
import { PreCopyTarget, type StateSnapshot } from '../schema/index.ts';
import { type Arrival, Arrivals, type Shell } from './arrivals.ts';
import type { MoveContext } from './context.ts';
import { fitShell } from './fit.ts';
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

interface Restored {
  entry: CommitMessage['rooms'][number];
  arrival: Arrival;
  shell: Shell;
  clients: RoomClient[];
}

export class MoveTarget {
  private readonly context: MoveContext;
  readonly arrivals: Arrivals;

  constructor(context: MoveContext) {
    this.context = context;
    this.arrivals = new Arrivals(context.gates);
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
    handoff.handle(METHODS.abort, (payload) => {
      const { transferId, rooms } = parse(roomsSchema, payload);
      for (const roomId of rooms) this.arrivals.fate(transferId, roomId);
    });
    handoff.handle(METHODS.outcome, (payload) => {
      const { transferId, rooms } = parse(roomsSchema, payload);
      return this.arrivals.fate(transferId, rooms[0] ?? '');
    });
    context.carrier.receive(METHODS.commit, (payload, connections, peer) =>
      this.commit(parse(commitSchema, payload), connections, peer),
    );
    handoff.onPeerGone(() => {
      // without the store's word shells stay until their own time is over
      this.sweep().catch((err) => context.log.debug({ err }, 'shells could not be swept'));
    });
  }

  /** A host went away: shells for its rooms are of no use. */
  private async sweep(): Promise<void> {
    const hosts = new Set((await this.context.hosts()).map((h) => h.id));
    this.arrivals.discardFrom((host) => !hosts.has(host));
  }

  /** Rooms whose onCreate() waits for something do not keep the others waiting. */
  private async prepare(message: PrepareMessage): Promise<PrepareReply> {
    if (this.arrivals.closed || this.context.draining()) throw hostDraining({ host: this.context.host });
    const replies: Promise<PrepareReply[number]>[] = [];
    for (const wanted of message.rooms) {
      const { roomId } = wanted;
      replies.push(
        this.prepareRoom(message, wanted).then(
          (missingTimers) => ({ roomId, missingTimers }),
          (error) => ({ roomId, error: record(error, roomId) }),
        ),
      );
      await new Promise((resolve) => setImmediate(resolve)); // rooms that run here get their turn
    }
    return Promise.all(replies);
  }

  /** @returns names of timers that the room's onCreate() made there, but not here */
  private async prepareRoom(
    message: PrepareMessage,
    wanted: PrepareMessage['rooms'][number],
  ): Promise<string[]> {
    const { roomId } = wanted;
    const { context } = this;
    const arrival = this.arrivals.reserve(message, roomId);
    let room: Room | undefined;
    try {
      room = await buildShell(context.gates, wanted, context.host);
      const { shell, missingTimers } = fitShell(context, message, wanted, room);
      this.arrivals.ready(arrival, shell);
      context.gates.presence.expectCut(message.transferId, room);
      announce('target', 'prepared', roomId);
      return missingTimers;
    } catch (error) {
      if (room) discardShell(room, context.gates);
      this.arrivals.remove(arrival);
      throw error;
    }
  }

  /** Builds the state while the room still runs at the source; answers when this slice is worked in. */
  private async precopy(message: { transferId: string; roomId: string; bytes?: Uint8Array }): Promise<void> {
    const { roomId, bytes } = message;
    const { shell } = this.arrivals.expected(message.transferId, roomId);
    const { room } = shell;
    const shellState = room.state as object;
    if (!shell.ahead) announce('target', 'precopy', roomId);
    const ahead = (shell.ahead ??= new PreCopyTarget(shellState.constructor, shellState));
    if (bytes) ahead.add(deserialize(bytes) as StateSnapshot);
    while (!ahead.work()) await new Promise((resolve) => setImmediate(resolve));
    if (bytes) return;
    ahead.attach((root) => {
      (room as { state: unknown }).state = root;
      return encoderOf(room)!;
    });
  }

  /** The registry's compare-and-set is the point of no return: only rooms that are ready to run get there. */
  private async commit(
    message: CommitMessage,
    connections: CarriedConnection[],
    peer: PeerInfo,
  ): Promise<CommitReply> {
    const asked = nowMicros();
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
        replies.push({ roomId: entry.roomId, error: record(error, entry.roomId) });
      }
    }
    // every descriptor is a connection's or closed by now
    for (const { fd } of connections.splice(0).slice(next)) libc.close(fd);
    const failed = new Map(replies.map(({ roomId, error }) => [roomId, error]));
    for (const room of restored.splice(0)) {
      const { roomId, group } = room.entry;
      const other = group.find((id) => failed.has(id));
      if (other === undefined) restored.push(room);
      else {
        this.giveUp(room);
        replies.push({ roomId, error: failed.get(other)! });
      }
    }
    const switching = nowMicros();
    const outcomes = await this.switchOwner(
      message.from,
      restored.map(({ entry }) => entry),
    );
    const restoreMs = (switching - asked) / 1000;
    const switchMs = (nowMicros() - switching) / 1000;
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
        const reply = this.activate(room, message, outcome.owner!.epoch, peer.path);
        replies.push({ ...reply, restoreMs, switchMs });
      }
    }
    return replies;
  }

  private async switchOwner(
    from: string,
    rooms: CommitMessage['rooms'],
  ): Promise<Map<string, StoreOutcome | BatonError>> {
    if (rooms.length === 0) return new Map();
    const moves = rooms.map(({ roomId, epoch }) => ({ roomId, from, epoch, to: this.context.host }));
    try {
      const outcomes = await this.context.store.transfer(moves);
      return new Map(outcomes.map((outcome) => [outcome.roomId, outcome]));
    } catch (error) {
      const failure = error instanceof BatonError ? error : internalError({}, error);
      return new Map(moves.map(({ roomId }) => [roomId, failure]));
    }
  }

  /** Synchronous; on an error the shell is gone and the descriptors still in `own` are the caller's. */
  private restore(
    message: CommitMessage,
    entry: CommitMessage['rooms'][number],
    own: CarriedConnection[],
  ): Restored {
    const { context } = this;
    const { roomId, sessions } = entry;
    const { arrival, shell } = this.arrivals.expected(message.transferId, roomId);
    const clients: RoomClient[] = [];
    this.arrivals.committing(arrival);
    try {
      if (crc32(entry.bytes) !== entry.checksum)
        throw moveFailed({ roomId, reason: 'the snapshot is damaged' });
      if (own.length !== sessions.length) throw moveFailed({ roomId, reason: 'connections are missing' });
      announce('target', 'received', roomId);
      const snapshot = deserialize(entry.bytes) as RoomSnapshot;
      shell.undivert();
      const bySession = new Map(sessions.map((sessionId, i) => [sessionId, own[i]!]));
      restoreRoom({
        room: shell.room,
        snapshot,
        classes: shell.classes,
        sameCode: shell.sameCode,
        ...(shell.ahead ? { ahead: shell.ahead } : {}),
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
      this.giveUp({ entry, arrival, shell, clients });
      throw error;
    }
    // until the switch is known, calls made in this process wait: the room may yet stay where it was
    shell.undivert = divertMethods(shell.room, async (method, args) => {
      await arrival.settled;
      return matchMaker.remoteRoomCall(roomId, method as never, args);
    });
    announce('target', 'restored', roomId);
    return { entry, arrival, shell, clients };
  }

  private giveUp({ arrival, shell, clients }: Restored): void {
    for (const client of clients) this.context.transport.forget(client as never);
    this.arrivals.end(arrival, shell);
  }

  private activate(
    { entry, arrival, shell, clients }: Restored,
    { from, transferId }: CommitMessage,
    epoch: number,
    sourcePath: string | undefined,
  ): CommitReply[number] {
    const { context } = this;
    const { room } = shell;
    const { roomId } = entry;
    this.arrivals.taken(transferId, roomId);
    context.ownership.take(roomId, epoch);
    shell.undivert();
    context.gates.presence.inherit(roomId, entry.executed);
    startRoom(room, entry.frozenAt);
    for (const client of clients) context.transport.resume(client as never);
    const blackoutMs = (nowMicros() - entry.frozenAt) / 1000;
    trackOf(room).lastBlackoutMs = blackoutMs;
    this.arrivals.remove(arrival);
    announce('target', 'active', roomId);
    this.publish(room, { from, epoch, blackoutMs }, sourcePath);
    return { roomId, epoch, blackoutMs };
  }

  /** Listing and call channel follow right after; calls reach the room through the old host until then. */
  private async publish(
    room: Room,
    info: { from: string; epoch: number; blackoutMs: number },
    sourcePath: string | undefined,
  ): Promise<void> {
    const { context } = this;
    const { roomId } = room;
    try {
      trackOf(room).follow('onMigrated', room.onMigrated?.({ ...info, to: context.host }));
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
    if (!sourcePath) return;
    await context.tell(sourcePath, METHODS.published, {
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
