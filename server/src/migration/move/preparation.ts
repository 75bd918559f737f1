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

/** How long the target may take for shells. */
const PREPARE_TIMEOUT_MS = 15_000;

export interface Preparation {
  transferId: string;
  target: HostRecord;
  /** The room does not move, for this reason. */
  fail: (departure: Departure, error: unknown) => void;
}

/** Has the target build shells for the rooms. @returns those that may go on; the others have failed */
export async function prepareShells(
  context: MoveContext,
  { transferId, target, fail }: Preparation,
  moving: Departure[],
): Promise<Departure[]> {
  const started = nowMicros();
  const rooms = moving.map(({ room, report }) => {
    const encoder = encoderOf(room);
    return {
      roomId: room.roomId,
      roomName: room.roomName,
      options: trackOf(room).createOptions,
      reflection: encoder && reflectionHash(encoder),
      handlers: handlerSignature(room),
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
      { timeoutMs: PREPARE_TIMEOUT_MS },
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
    if (error) fail(departure, BatonError.fromJSON(error));
    else if (problems.length > 0) {
      context.tell(target.id, METHODS.abort, {
        transferId,
        from: context.host,
        rooms: [departure.roomId],
      });
      fail(departure, context.immovable(departure.roomId, problems));
    } else ready.push(departure);
  }
  return ready;
}

/** Large states go over while their rooms run, so that the blackout does not grow with them. */
export async function sendAhead(
  context: MoveContext,
  { transferId, target, fail }: Preparation,
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
      await context.tell(target.id, METHODS.abort, {
        transferId,
        from: context.host,
        rooms: [departure.roomId],
      });
      fail(departure, unreachable(target.id, error));
    }
  }
  return moving.filter((d) => !failed.has(d));
}
