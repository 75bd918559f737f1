// The sending side of moves: rooms are checked, their shells prepared on the target, frozen when they come to rest,
// sent, and released or thawed as the answer says.
import { randomUUID } from 'node:crypto';
import { matchMaker, type Room } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';
import { BatonError, moveFailed, moveInProgress, roomDisposing, roomNotFound } from '../../errors.ts';
import type { HostRecord } from '../../store/index.ts';
import { counters, recentMoves, traced } from '../../telemetry/index.ts';
import { trackOf } from '../room/track.ts';
import { freezeAll, lose, release, thaw } from './blackout.ts';
import type { MoveContext } from './context.ts';
import { Departure } from './departure.ts';
import { Forwarding } from './forwarding.ts';
import { type GroupOf, keepWhole, restingWhole } from './groups.ts';
import { inspect } from './inspection.ts';
import { type Attempt, prepareShells, sendAhead } from './preparation.ts';
import { type CommitReply, METHODS, nowMicros, PROTOCOL_VERSION } from './protocol.ts';
import { overdueError, restOrWait, toError, unreachable } from './rest.ts';
import type { MoveOutcome, MoveResult } from './result.ts';
import { askWhoRuns } from './uncertain.ts';

/** How long the target may take for a commit; past it the move is fenced off. */
const COMMIT_TIMEOUT_MS = 3_000;

export interface MoveOptions {
  /** How long a room may take to come to rest (ms). */
  quiesceMs: number;
  /** Default: each room is a group of its own. */
  groupOf?: GroupOf;
}

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
    const whole = (departures: Departure[]) => keepWhole(attempt, departures, outcomes, groupOf);
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
      const resting = restingWhole(moving, groupOf);
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
    const { frozen, again } = freezeAll(context, attempt, resting, groups);
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
        thaw(context, departure);
        if (reply?.unsure) context.ownership.reclaim(roomId, target.id);
        if (reply?.error) attempt.refused(departure, BatonError.fromJSON(reply.error));
        else attempt.fail(departure, moveFailed({ roomId, reason: 'the target did not mention it' }));
      }
    }
    return again;
  }

  private release(
    departure: Departure,
    target: HostRecord,
    reply: CommitReply[number],
    sent: number,
  ): MoveOutcome {
    const { context } = this;
    const { roomId } = departure;
    const clients = departure.room.clients.length;
    release(context, departure, target);
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
      thaw(context, departure);
      if (verdict.unsettled) context.ownership.reclaim(roomId, target.id);
      attempt.fail(departure, unreachable(target.id, error));
    } else {
      lose(context, departure, verdict.dead);
      if (verdict.dead) this.forwarding.unlist(roomId);
      const reason = verdict.dead
        ? `${target.id} took it over and died`
        : `whether ${target.id} took it over is unknown`;
      attempt.refused(departure, moveFailed({ roomId, reason }, error));
    }
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
