// The sending side of moves: rooms are checked, their shells prepared on the target, frozen when they come to rest,
// sent, and released or thawed as the answer says.
import { randomUUID } from 'node:crypto';
import { serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { type Client, matchMaker, type Room } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';
import { BatonError, moveFailed, moveInProgress, roomDisposing, roomNotFound } from '../../errors.ts';
import type { HostRecord } from '../../store/index.ts';
import { counters, recentMoves, traced } from '../../telemetry/index.ts';
import type { BatonClient } from '../../transport/index.ts';
import { captureRoom, encoderOf, freezeRoom } from '../room/capture.ts';
import { discardRoom, divertMethods, thawRoom } from '../room/shell.ts';
import { trackOf } from '../room/track.ts';
import { type MoveContext, shuttingDown } from './context.ts';
import { Departure } from './departure.ts';
import { Forwarding } from './forwarding.ts';
import { inspect, inspectAgain } from './inspection.ts';
import { type Attempt, prepareShells, sendAhead } from './preparation.ts';
import { type CommitReply, METHODS, nowMicros, PROTOCOL_VERSION } from './protocol.ts';
import { companyError, isResting, overdueError, restOrWait, toError, unreachable } from './rest.ts';
import type { MoveOutcome, MoveResult } from './result.ts';
import { askWhoRuns } from './uncertain.ts';

/** How long the target may take for a commit; past it the move is fenced off. */
const COMMIT_TIMEOUT_MS = 3_000;
/** Colyseus' MAY_TRY_RECONNECT. */
const LOST_CLOSE_CODE = 4010;

export interface MoveOptions {
  /** How long a room may take to come to rest (ms). */
  quiesceMs: number;
  /** Rooms that are frozen in one go or not yet, the room itself among them. */
  groupOf?: GroupOf;
}

type GroupOf = (roomId: string) => string[];

export class MoveSource {
  private readonly context: MoveContext;
  private readonly departures = new Map<string, Departure>();
  private readonly forwarding: Forwarding;

  constructor(context: MoveContext) {
    this.context = context;
    this.forwarding = new Forwarding(context);
  }

  /** The move the room is in, if any. */
  departure(roomId: string): Departure | undefined {
    return this.departures.get(roomId);
  }

  /** The new host lists the rooms. */
  published(roomIds: string[]): void {
    this.forwarding.published(roomIds);
  }

  /**
   * Moves rooms to one host, together where they come to rest together. Never throws for a single room: each has
   * its outcome, and every room that did not move runs on here.
   */
  async move(roomIds: string[], target: HostRecord, options: MoveOptions): Promise<MoveOutcome[]> {
    const outcomes: MoveOutcome[] = [];
    const attempt = this.attempt(target, (outcome) => outcomes.push(outcome));
    await this.context.ownership.reclaimed(roomIds, options.quiesceMs);
    const span = traced('move', 'INTERNAL', { 'baton.rooms': roomIds.length, 'baton.to': target.id });
    await this.carryOut(roomIds, attempt, outcomes, options);
    for (const outcome of outcomes) count(outcome, this.context.host, target.id);
    const failed = outcomes.find((outcome) => 'error' in outcome);
    span?.end(failed?.error);
    return outcomes;
  }

  private async carryOut(
    roomIds: string[],
    attempt: Attempt,
    outcomes: MoveOutcome[],
    options: MoveOptions,
  ): Promise<void> {
    const groupOf = options.groupOf ?? ((roomId: string) => [roomId]);
    const whole = (departures: Departure[]) => this.keepWhole(attempt, departures, outcomes, groupOf);
    const known = new Set(roomIds);
    let moving = await this.prepare(attempt, roomIds, whole);
    const deadline = Date.now() + options.quiesceMs;
    while (moving.length > 0) {
      await Promise.race(moving.map((d) => restOrWait(d, deadline)));
      const joined = moving.flatMap((d) => groupOf(d.roomId)).filter((roomId) => !known.has(roomId));
      if (joined.length > 0) {
        for (const roomId of joined) known.add(roomId);
        moving.push(...(await this.prepare(attempt, [...new Set(joined)], whole)));
        continue;
      }
      moving = whole(moving);
      // one synchronous stretch: what rests now is frozen now, groups only as a whole
      const rests = new Set(moving.filter(isResting).map((d) => d.roomId));
      const resting = moving.filter((d) =>
        groupOf(d.roomId).every((id) => rests.has(id) || !moving.some((m) => m.roomId === id)),
      );
      moving = moving.filter((d) => !resting.includes(d));
      if (resting.length > 0) moving.push(...(await this.transfer(attempt, resting, outcomes, groupOf)));
      moving = this.dropOverdue(attempt, moving, deadline);
    }
  }

  /** @param whole leaves out those whose group does not move */
  private async prepare(
    attempt: Attempt,
    roomIds: string[],
    whole: (departures: Departure[]) => Departure[],
  ): Promise<Departure[]> {
    const { context } = this;
    let begun = whole(this.beginAll(roomIds, attempt));
    if (begun.length > 0) begun = whole(await prepareShells(context, attempt, begun));
    if (begun.length > 0) begun = whole(await sendAhead(context, attempt, begun));
    for (const departure of begun) departure.advance('quiescing');
    return begun;
  }

  /** Everything a move does before it would stop a room; then the target throws its shells away. */
  async rehearse(roomIds: string[], target: HostRecord): Promise<{ roomId: string; error: BatonError }[]> {
    const errors: { roomId: string; error: BatonError }[] = [];
    const attempt = this.attempt(target, (failure) => errors.push(failure));
    const begun = this.beginAll(roomIds, attempt);
    const ready = begun.length === 0 ? [] : await prepareShells(this.context, attempt, begun);
    if (ready.length > 0) await this.callOff(attempt, ready);
    for (const departure of ready) this.stay(departure, undefined);
    return errors;
  }

  private attempt(
    target: HostRecord,
    failed: (failure: { roomId: string; error: BatonError }) => void,
  ): Attempt {
    const refused = (departure: Departure, error: unknown) =>
      failed({ roomId: departure.roomId, error: this.stay(departure, error) });
    const attempt: Attempt = {
      transferId: randomUUID(),
      target,
      refused,
      fail: (departure, error) => {
        void this.callOff(attempt, [departure]);
        refused(departure, error);
      },
      unbegun: (roomId, error) => failed({ roomId, error: toError(roomId, error) }),
    };
    return attempt;
  }

  private callOff({ transferId, target }: Attempt, departures: Departure[]): Promise<void> {
    const rooms = departures.map(({ roomId }) => roomId);
    return this.context.tell(target.handoffPath, METHODS.abort, {
      transferId,
      from: this.context.host,
      rooms,
    });
  }

  private beginAll(roomIds: string[], attempt: Attempt): Departure[] {
    return roomIds.flatMap((roomId) => {
      try {
        return [this.begin(roomId)];
      } catch (error) {
        attempt.unbegun(roomId, error);
        return [];
      }
    });
  }

  private begin(roomId: string): Departure {
    const { context } = this;
    const room = matchMaker.getLocalRoomById(roomId) as Room | undefined;
    if (!room || trackOf(room).shell) throw roomNotFound({ roomId });
    // nor while the registry may still name the target of an earlier move
    if (this.departures.has(roomId) || context.ownership.reclaiming(roomId)) throw moveInProgress({ roomId });
    if (internals(room)._internalState === 2) throw roomDisposing({ roomId });
    const departure = new Departure(room, inspect(context, room), context.transport);
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

  /** Of a group all rooms move, or none. @returns those that may go on */
  private keepWhole(
    attempt: Attempt,
    moving: Departure[],
    outcomes: MoveOutcome[],
    groupOf: GroupOf,
  ): Departure[] {
    const failed = new Map(
      outcomes.flatMap((outcome) => ('error' in outcome ? [[outcome.roomId, outcome.error] as const] : [])),
    );
    if (failed.size === 0) return moving;
    return moving.filter((departure) => {
      const stays = groupOf(departure.roomId).find((roomId) => failed.has(roomId));
      if (stays !== undefined) attempt.fail(departure, companyError(departure, failed.get(stays)!));
      return stays === undefined;
    });
  }

  private dropOverdue(attempt: Attempt, moving: Departure[], deadline: number): Departure[] {
    const overdue = moving.filter((d) => Date.now() >= deadline || internals(d.room)._internalState === 2);
    for (const departure of overdue) attempt.fail(departure, overdueError(departure));
    return moving.filter((d) => !overdue.includes(d));
  }

  /** @returns rooms that have to come to rest once more */
  private async transfer(
    attempt: Attempt,
    resting: Departure[],
    outcomes: MoveOutcome[],
    groupOf: GroupOf,
  ): Promise<Departure[]> {
    const { context } = this;
    const { transferId, target } = attempt;
    const groups = new Map(resting.map(({ roomId }) => [roomId, groupOf(roomId)]));
    const { frozen, again } = this.freezeAll(attempt, resting, groups);
    if (frozen.length === 0) return again;
    context.gates.presence.cut(
      transferId,
      frozen.map((d) => d.room),
    );
    const sent = nowMicros();
    const connections = frozen.flatMap((d) => d.connections);
    const rooms = frozen.map((d) => d.message(context.ownership.epoch(d.roomId) ?? 0, groups.get(d.roomId)!));
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
      await Promise.all(frozen.map((d) => this.recover(attempt, d, error, outcomes)));
      return again;
    }
    const answers = new Map(replies.map((reply) => [reply.roomId, reply]));
    for (const departure of frozen) {
      const { roomId } = departure;
      const reply = answers.get(roomId);
      if (reply?.epoch !== undefined) outcomes.push(this.release(departure, target, reply, sent));
      else {
        this.thaw(departure);
        if (reply?.unsure) context.ownership.reclaim(roomId, target.id);
        if (reply?.error) attempt.refused(departure, BatonError.fromJSON(reply.error));
        else attempt.fail(departure, moveFailed({ roomId, reason: 'the target did not mention it' }));
      }
    }
    return again;
  }

  private freezeAll(
    attempt: Attempt,
    resting: Departure[],
    groups: ReadonlyMap<string, string[]>,
  ): { frozen: Departure[]; again: Departure[] } {
    let frozen: Departure[] = [];
    const again: Departure[] = [];
    const failed = new Set<string>();
    for (const departure of resting) {
      try {
        inspectAgain(this.context, departure, attempt.target.id);
        this.freeze(attempt.transferId, departure);
        frozen.push(departure);
      } catch (error) {
        failed.add(departure.roomId);
        if (departure.state === 'frozen') this.thaw(departure);
        if (error instanceof BatonError && error.code === 'BATON_CONNECTION_GONE') {
          // the last patch told us that a client is gone: once it has left, the room rests again
          departure.advance('quiescing');
          departure.forgetConnections();
          again.push(departure);
        } else {
          attempt.fail(departure, error);
        }
      }
    }
    if (failed.size > 0) {
      frozen = frozen.filter((departure) => {
        if (!groups.get(departure.roomId)!.some((roomId) => failed.has(roomId))) return true;
        this.thaw(departure);
        departure.advance('quiescing');
        departure.forgetConnections();
        again.push(departure);
        return false;
      });
    }
    return { frozen, again };
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
        if (departure.state === 'released' && shuttingDown()) return undefined;
        return matchMaker.remoteRoomCall(departure.roomId, method as never, args);
      }),
    );
    context.gates.presence.divert(departure.roomId, (call) => departure.hold(call));
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
    handOver?.then((letters) => context.tell(target.handoffPath, METHODS.letters, { roomId, letters }));
    discardRoom(room, context.gates);
    for (const client of departure.detached) context.transport.forget(client);
    this.forwarding.begin(roomId, target, departure.takeCalls());
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

  /** No answer to the commit: registry and target decide; until they are heard the room stays frozen. */
  private async recover(
    attempt: Attempt,
    departure: Departure,
    error: unknown,
    outcomes: MoveOutcome[],
  ): Promise<void> {
    const { context } = this;
    const { transferId, target } = attempt;
    const { roomId } = departure;
    const verdict = await askWhoRuns(context, { transferId, roomId, target }, error);
    if (verdict.runs === 'target') {
      const epoch = (context.ownership.epoch(roomId) ?? 0) + 1;
      const blackoutMs = (nowMicros() - departure.frozenAt) / 1000;
      outcomes.push(this.release(departure, target, { roomId, epoch, blackoutMs }, departure.frozenAt));
    } else if (verdict.runs === 'source') {
      this.thaw(departure);
      if (verdict.unsettled) context.ownership.reclaim(roomId, target.id);
      attempt.fail(departure, unreachable(target.id, error));
    } else {
      this.lose(departure, verdict.dead);
      const reason = verdict.dead
        ? `${target.id} took it over and died`
        : `whether ${target.id} took it over is unknown`;
      attempt.refused(departure, moveFailed({ roomId, reason }, error));
    }
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
    if (closing) this.forwarding.unlist(roomId);
  }
}

/** For the metrics, and for those who watch. */
function count(outcome: MoveOutcome, from: string, to: string): void {
  counters.moves.add('error' in outcome ? outcome.error.code : 'moved');
  const { roomId } = outcome;
  const at = Date.now();
  if ('error' in outcome) {
    recentMoves.add({ at, roomId, from, to, code: outcome.error.code });
    return;
  }
  const { clients, bytes, blackoutMs, phases } = outcome.result;
  counters.blackouts.add(blackoutMs / 1_000);
  recentMoves.add({ at, roomId, from, to, clients, bytes, blackoutMs, phases: { ...phases } });
}
