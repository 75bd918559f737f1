// What the source does while its rooms still run: shells on the target, and large states ahead of the freeze.
import { BatonError } from '../../errors.ts';
import type { HostRecord } from '../../store/index.ts';
import { encoderOf } from '../room/capture.ts';
import { handlerSignature } from '../room/handlers.ts';
import { sketchOf, timerProblems, timersOfCreation } from '../room/timers.ts';
import { trackOf } from '../room/track.ts';
import { reflectionHash } from '../schema/index.ts';
import type { MoveContext } from './context.ts';
import type { Departure } from './departure.ts';
import { preCopy } from './precopy.ts';
import { METHODS, nowMicros, PROTOCOL_VERSION, type PrepareReply } from './protocol.ts';
import { unreachable } from './rest.ts';

/** How long the target may take for shells … */
const PREPARE_TIMEOUT_MS = 15_000;
/** … and for each beyond the first. */
const MORE_ROOM_MS = 1_000;

/** One go at moving rooms to a host. */
export interface Attempt {
  readonly transferId: string;
  readonly target: HostRecord;
  /** The room does not move, for this reason. The target is told to throw its shell away. */
  fail(departure: Departure, error: unknown): void;
  /** The same where the target said so itself: it has no shell. */
  refused(departure: Departure, error: unknown): void;
  /** The same for a room that is no departure yet. */
  unbegun(roomId: string, error: unknown): void;
}

/** Has the target build shells for the rooms. @returns those that may go on; the others have failed */
export async function prepareShells(
  context: MoveContext,
  { transferId, target, fail, refused }: Attempt,
  moving: Departure[],
): Promise<Departure[]> {
  const started = nowMicros();
  const rooms = moving.map((departure) => {
    const { room, report } = departure;
    const encoder = encoderOf(room);
    departure.handlers = handlerSignature(room);
    return {
      roomId: room.roomId,
      roomName: room.roomName,
      options: trackOf(room).createOptions,
      reflection: encoder && reflectionHash(encoder),
      handlers: departure.handlers,
      report,
      timers: timersOfCreation(room)
        .filter((delayed) => delayed.active)
        .map(sketchOf),
    };
  });
  let replies: PrepareReply;
  try {
    replies = await context.handoff.call<PrepareReply>(
      target.handoffPath,
      METHODS.prepare,
      {
        v: PROTOCOL_VERSION,
        transferId,
        from: context.host,
        generation: context.generation,
        rooms,
      },
      { timeoutMs: PREPARE_TIMEOUT_MS + (rooms.length - 1) * MORE_ROOM_MS },
    );
  } catch (error) {
    for (const departure of moving) fail(departure, unreachable(target.id, error));
    return [];
  }
  const answers = new Map(replies.map((reply) => [reply.roomId, reply]));
  const ready: Departure[] = [];
  for (const departure of moving) {
    departure.phases.prepare = (nowMicros() - started) / 1000;
    const { error, missingTimers = [] } = answers.get(departure.roomId) ?? {};
    trackOf(departure.room).missingTimers = new Set(missingTimers);
    const problems = error ? [] : timerProblems(departure.room);
    if (error) refused(departure, BatonError.fromJSON(error));
    else if (problems.length > 0) fail(departure, context.immovable(departure.roomId, problems));
    else ready.push(departure);
  }
  return ready;
}

/** Large states go over while their rooms run, so that the blackout does not grow with them. */
export async function sendAhead(
  context: MoveContext,
  { transferId, target, fail }: Attempt,
  moving: Departure[],
): Promise<Departure[]> {
  const failed = new Set<Departure>();
  for (const departure of moving) {
    try {
      await preCopy(departure, (bytes) =>
        context.handoff.call(
          target.handoffPath,
          METHODS.precopy,
          { transferId, roomId: departure.roomId, ...(bytes ? { bytes } : {}) },
          { timeoutMs: PREPARE_TIMEOUT_MS },
        ),
      );
    } catch (error) {
      failed.add(departure);
      fail(departure, unreachable(target.id, error));
    }
  }
  return moving.filter((d) => !failed.has(d));
}
