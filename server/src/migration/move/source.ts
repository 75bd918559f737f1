// The sending side of moves: rooms are checked, their shells prepared on the target, frozen when they come to rest,
// sent, and released or thawed as the answer says.
import { randomUUID } from 'node:crypto';
import { serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { type Client, matchMaker, type Room } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';
import { BatonError, moveFailed, moveInProgress, roomDisposing, roomNotFound } from '../../errors.ts';
import type { HostRecord } from '../../store/index.ts';
import type { BatonClient } from '../../transport/index.ts';
import { inspectRoom } from '../fields/index.ts';
import { captureRoom, encoderOf, freezeRoom } from '../room/capture.ts';
import type { RoomCall } from '../room/gates.ts';
import { loopProblem } from '../room/loop-handler.ts';
import { discardRoom, divertMethods, thawRoom } from '../room/shell.ts';
import { timerNames } from '../room/timers.ts';
import { trackOf } from '../room/track.ts';
import type { MoveContext } from './context.ts';
import { Departure } from './departure.ts';
import { prepareShells, sendAhead } from './preparation.ts';
import { type CommitReply, METHODS, nowMicros, PROTOCOL_VERSION } from './protocol.ts';
import { isResting, overdueError, restOrWait, toError, unreachable } from './rest.ts';
import type { MoveOutcome, MoveResult } from './result.ts';
import { askWhoOwns } from './uncertain.ts';

/** How long the target may take for a commit; past it the move is fenced off. */
const COMMIT_TIMEOUT_MS = 3_000;
/** Calls that still reach the old host are passed on for this long after the room is listed at its new one. */
const FORWARD_MS = 3_000;

/** Colyseus' MAY_TRY_RECONNECT. */
const LOST_CLOSE_CODE = 4010;

export interface MoveOptions {
  /** How long a room may take to come to rest (ms). */
  quiesceMs: number;
  /** Rooms that are frozen in one go or not yet, the room itself among them. */
  groupOf?: (roomId: string) => string[];
}

export class MoveSource {
  private readonly context: MoveContext;
  private readonly departures = new Map<string, Departure>();
  private readonly forwarding = new Map<string, { end(): void }>();
  /** Rooms that left and are not listed at their new host yet → where that host listens. */
  private readonly unlisted = new Map<string, string>();

  constructor(context: MoveContext) {
    this.context = context;
    context.handoff.onPeerGone((path) => {
      for (const [roomId, at] of this.unlisted) {
        if (at !== path) continue;
        this.unlisted.delete(roomId);
        this.unlist(roomId);
      }
    });
  }

  /** The move the room is in, if any. */
  departure(roomId: string): Departure | undefined {
    return this.departures.get(roomId);
  }

  /** The new host lists the room: calls need not be passed on much longer. */
  published(roomIds: string[]): void {
    for (const roomId of roomIds) this.unlisted.delete(roomId);
    this.endForwarding(roomIds);
  }

  private endForwarding(roomIds: string[]): void {
    for (const roomId of roomIds) {
      const forward = this.forwarding.get(roomId);
      this.forwarding.delete(roomId);
      if (forward) setTimeout(() => forward.end(), FORWARD_MS).unref();
    }
  }

  /**
   * Moves rooms to one host, together where they come to rest together. Never throws for a single room: each has
   * its outcome, and every room that did not move runs on here.
   */
  async move(roomIds: string[], target: HostRecord, options: MoveOptions): Promise<MoveOutcome[]> {
    const transferId = randomUUID();
    const outcomes: MoveOutcome[] = [];
    const fail = (departure: Departure, error: unknown) => {
      outcomes.push({ roomId: departure.roomId, error: this.stay(departure, error) });
    };
    let moving: Departure[] = [];
    for (const roomId of roomIds) {
      try {
        moving.push(this.begin(roomId, target));
      } catch (error) {
        outcomes.push({ roomId, error: toError(roomId, error) });
      }
    }
    if (moving.length === 0) return outcomes;

    moving = await prepareShells(this.context, { transferId, target, fail }, moving);
    moving = await sendAhead(this.context, { transferId, target, fail }, moving);
    const deadline = Date.now() + options.quiesceMs;
    for (const departure of moving) departure.advance('quiescing');
    const groupOf = options.groupOf ?? ((roomId: string) => [roomId]);
    while (moving.length > 0) {
      await Promise.race(moving.map((d) => restOrWait(d, deadline)));
      // one synchronous stretch: what rests now is frozen now, groups only as a whole
      const rests = new Set(moving.filter(isResting).map((d) => d.roomId));
      const resting = moving.filter((d) =>
        groupOf(d.roomId).every((id) => rests.has(id) || !moving.some((m) => m.roomId === id)),
      );
      moving = moving.filter((d) => !resting.includes(d));
      if (resting.length > 0)
        moving.push(...(await this.transfer(transferId, resting, target, outcomes, fail)));
      moving = await this.dropOverdue(transferId, moving, target, deadline, fail);
    }
    return outcomes;
  }

  /** Everything a move does before it would stop a room; then the target throws its shells away. */
  async rehearse(roomIds: string[], target: HostRecord): Promise<{ roomId: string; error: BatonError }[]> {
    const transferId = randomUUID();
    const errors: { roomId: string; error: BatonError }[] = [];
    const started: Departure[] = [];
    for (const roomId of roomIds) {
      try {
        started.push(this.begin(roomId, target));
      } catch (error) {
        errors.push({ roomId, error: toError(roomId, error) });
      }
    }
    const fail = (departure: Departure, error: unknown) => {
      errors.push({ roomId: departure.roomId, error: this.stay(departure, error) });
    };
    const ready =
      started.length === 0 ? [] : await prepareShells(this.context, { transferId, target, fail }, started);
    if (ready.length > 0) {
      const rooms = ready.map((d) => d.roomId);
      await this.context.tell(target.id, METHODS.abort, { transferId, from: this.context.host, rooms });
      for (const departure of ready) this.stay(departure, undefined);
    }
    return errors;
  }

  private begin(roomId: string, target: HostRecord): Departure {
    const room = matchMaker.getLocalRoomById(roomId) as Room | undefined;
    if (!room || trackOf(room).shell) throw roomNotFound({ roomId });
    if (this.departures.has(roomId)) throw moveInProgress({ roomId });
    if (internals(room)._internalState === 2) throw roomDisposing({ roomId });
    const report = inspectRoom(room, { timers: timerNames });
    const track = trackOf(room);
    const problems = [...report.problems];
    for (const topic of track.lateSubscriptions) {
      problems.push({
        path: `room.presence.subscribe("${topic}")`,
        what: 'a subscription made after onCreate()',
        hint: 'subscribe in onCreate(), where the new host can do it again',
      });
    }
    const loop = loopProblem(room);
    if (loop) problems.push(loop);
    if (problems.length > 0) throw this.context.immovable(roomId, problems);
    const departure = new Departure(room, target.id, report, this.context.transport);
    departure.advance('preparing');
    this.departures.set(roomId, departure);
    return departure;
  }

  /** Ends a move that did not happen. */
  private stay(departure: Departure, error: unknown): BatonError {
    if (departure.state !== 'running' && departure.state !== 'lost') departure.advance('running');
    this.departures.delete(departure.roomId);
    departure.settle();
    return toError(departure.roomId, error);
  }

  private async dropOverdue(
    transferId: string,
    moving: Departure[],
    target: HostRecord,
    deadline: number,
    fail: (d: Departure, error: unknown) => void,
  ): Promise<Departure[]> {
    const overdue = moving.filter((d) => Date.now() >= deadline || internals(d.room)._internalState === 2);
    if (overdue.length === 0) return moving;
    await this.context.tell(target.id, METHODS.abort, {
      transferId,
      from: this.context.host,
      rooms: overdue.map((d) => d.roomId),
    });
    for (const departure of overdue) fail(departure, overdueError(departure));
    return moving.filter((d) => !overdue.includes(d));
  }

  private async transfer(
    transferId: string,
    resting: Departure[],
    target: HostRecord,
    outcomes: MoveOutcome[],
    fail: (d: Departure, error: unknown) => void,
  ): Promise<Departure[]> {
    const { context } = this;
    const frozen: Departure[] = [];
    const again: Departure[] = [];
    for (const departure of resting) {
      try {
        this.freeze(transferId, departure);
        frozen.push(departure);
      } catch (error) {
        this.thaw(departure);
        if (error instanceof BatonError && error.code === 'BATON_CONNECTION_GONE') {
          // the last patch told us that a client is gone: once it has left, the room rests again
          departure.advance('quiescing');
          departure.forgetConnections();
          again.push(departure);
        } else {
          fail(departure, error);
        }
      }
    }
    if (frozen.length === 0) return again;
    context.gates.presence.cut(
      transferId,
      frozen.map((d) => d.room),
    );
    const sent = nowMicros();
    const connections = frozen.flatMap((d) => d.connections);
    const rooms = frozen.map((d) => d.message(context.ownership.epoch(d.roomId) ?? 0));
    for (const departure of frozen) departure.advance('transferring');
    let replies: CommitReply;
    try {
      replies = await context.carrier.send<CommitReply>(
        target.handoffPath,
        METHODS.commit,
        { v: PROTOCOL_VERSION, transferId, from: context.host, rooms },
        connections,
        { timeoutMs: COMMIT_TIMEOUT_MS },
      );
    } catch (error) {
      await Promise.all(frozen.map((d) => this.recover(transferId, d, target, error, outcomes, fail)));
      return again;
    }
    const answers = new Map(replies.map((reply) => [reply.roomId, reply]));
    for (const departure of frozen) {
      const reply = answers.get(departure.roomId);
      if (reply?.epoch !== undefined) outcomes.push(this.release(departure, target, reply, sent));
      else {
        this.thaw(departure);
        if (reply?.unsure) context.ownership.reclaim(departure.roomId, target.id);
        fail(
          departure,
          reply?.error
            ? BatonError.fromJSON(reply.error)
            : moveFailed({ roomId: departure.roomId, reason: 'the target did not mention it' }),
        );
      }
    }
    return again;
  }

  /** Synchronous: from here to the target's activation is the blackout. */
  private freeze(transferId: string, departure: Departure): void {
    const { context } = this;
    const { room } = departure;
    departure.advance('frozen');
    departure.frozenAt = nowMicros();
    departure.phases.quiesce = (departure.frozenAt - departure.since) / 1000 - departure.phases.prepare;
    freezeRoom(room);
    context.gates.presence.expectCut(transferId, room);
    for (const client of room.clients as Iterable<Client>) {
      departure.connections.push(context.transport.detach(client as unknown as BatonClient));
      departure.detached.push(client as unknown as BatonClient);
      departure.sessions.push(client.sessionId);
    }
    const { ahead } = departure;
    const usable = ahead && ahead.encoder === encoderOf(room);
    departure.bytes = serialize(captureRoom(room, usable ? ahead.source : undefined));
    departure.checksum = crc32(departure.bytes);
    departure.executed = context.gates.presence.executed(room.roomId);
    departure.divert(
      divertMethods(room, async (method, args) => {
        await departure.settled;
        return matchMaker.remoteRoomCall(departure.roomId, method as never, args);
      }),
      context.gates.presence.divert(departure.roomId, (call) => departure.hold(call)),
    );
    departure.phases.freeze = (nowMicros() - departure.frozenAt) / 1000;
  }

  private thaw(departure: Departure): void {
    const { context } = this;
    departure.undivert();
    context.gates.presence.undivert(departure.roomId);
    for (const client of departure.detached) context.transport.reattach(client);
    thawRoom(departure.room);
    for (const call of departure.takeCalls()) context.gates.presence.inject(departure.roomId, call);
  }

  private release(
    departure: Departure,
    target: HostRecord,
    reply: CommitReply[number],
    sent: number,
  ): MoveOutcome {
    const { context } = this;
    const { roomId, room } = departure;
    departure.advance('released');
    context.ownership.give(roomId);
    const clients = room.clients.length;
    departure.undivert();
    const handOver = context.gates.presence.handOver(room);
    handOver?.then((letters) => context.tell(target.id, METHODS.letters, { roomId, letters }));
    discardRoom(room, context.gates);
    for (const client of departure.detached) context.transport.forget(client);
    this.forward(departure, target);
    this.departures.delete(roomId);
    departure.settle();
    departure.phases.restore = reply.restoreMs ?? 0;
    departure.phases.switch = reply.switchMs ?? 0;
    departure.phases.transfer =
      (nowMicros() - sent) / 1000 - departure.phases.restore - departure.phases.switch;
    const result: MoveResult = {
      roomId,
      from: context.host,
      to: target.id,
      epoch: reply.epoch!,
      clients,
      bytes: departure.bytes.length,
      blackoutMs: reply.blackoutMs!,
      phases: departure.phases,
    };
    return { roomId, result };
  }

  /** Calls that were or will be sent to the old host reach the new one. */
  private forward(departure: Departure, target: HostRecord): void {
    const { roomId } = departure;
    const send = (call: RoomCall) => {
      this.context.tell(target.id, METHODS.call, { roomId, call });
    };
    const diversion = this.context.gates.presence.divert(roomId, send);
    this.forwarding.set(roomId, diversion);
    this.unlisted.set(roomId, target.handoffPath);
    for (const call of departure.takeCalls()) send(call);
    // in case the target never says that it listed the room
    setTimeout(() => this.endForwarding([roomId]), FORWARD_MS * 4).unref();
  }

  /** No answer to the commit. The registry decides; until it can be asked the room stays frozen. */
  private async recover(
    transferId: string,
    departure: Departure,
    target: HostRecord,
    error: unknown,
    outcomes: MoveOutcome[],
    fail: (d: Departure, error: unknown) => void,
  ): Promise<void> {
    const { context } = this;
    const { roomId } = departure;
    const { owner, targetGone } = await askWhoOwns(context, roomId, target, error);
    if (owner === 'source') {
      this.thaw(departure);
      // the shell that waits there would stand in the way of the next try
      if (!targetGone)
        context.tell(target.id, METHODS.abort, { transferId, from: context.host, rooms: [roomId] });
      fail(departure, unreachable(target.id, error));
      return;
    }
    if (owner === 'target' && !targetGone) {
      // the target owns it and is alive, only slow: it will run there
      outcomes.push(
        this.release(
          departure,
          target,
          {
            roomId,
            epoch: (context.ownership.epoch(roomId) ?? 0) + 1,
            blackoutMs: (nowMicros() - departure.frozenAt) / 1000,
          },
          departure.frozenAt,
        ),
      );
      return;
    }
    if (owner === 'unknown' && targetGone) {
      // nobody else can run it: the target is dead
      this.thaw(departure);
      context.ownership.reclaim(roomId, target.id);
      fail(departure, unreachable(target.id, error));
      return;
    }
    this.lose(departure, targetGone);
    const reason = targetGone
      ? `${target.id} took it over and died`
      : `whether ${target.id} took it over is unknown`;
    fail(departure, moveFailed({ roomId, reason }, error));
  }

  /**
   * The room is gone from here.
   * @param closing its clients are told to come again; otherwise only this host's hold on them ends, because the
   *   target may have them
   */
  private lose(departure: Departure, closing: boolean): void {
    const { context } = this;
    const { roomId } = departure;
    departure.advance('lost');
    departure.undivert();
    context.ownership.give(roomId);
    const clients = [...departure.detached];
    discardRoom(departure.room, context.gates);
    context.gates.presence.drop(roomId);
    for (const client of clients) {
      if (closing) {
        context.transport.reattach(client);
        client.leave(LOST_CLOSE_CODE);
      } else context.transport.forget(client);
    }
    if (closing) this.unlist(roomId);
  }

  /** Takes the row of a room that this host does not run any more off the listings, as soon as the store is there. */
  private async unlist(roomId: string): Promise<void> {
    const { gates, store, log } = this.context;
    try {
      await gates.driver.unlist(roomId);
    } catch (error) {
      log.debug({ roomId, err: error }, 'a room that is gone stays listed until the store answers');
      const off = store.onConnectionChange((up) => {
        if (!up) return;
        off();
        this.unlist(roomId);
      });
    }
  }
}
