// What keeps a room from moving for good, found on the source: before it is prepared, and again before it is frozen,
// because it has gone on running in between.
import { serialize } from 'node:v8';
import { matchMaker, type Room } from '@colyseus/core';
import { handlersMismatch } from '../../errors.ts';
import { inspectRoom, type MovabilityReport, type Problem } from '../fields/index.ts';
import { handlerSignature } from '../room/handlers.ts';
import { loopProblem } from '../room/loop-handler.ts';
import { timerNames, timerProblems } from '../room/timers.ts';
import { trackOf } from '../room/track.ts';
import type { MoveContext } from './context.ts';
import type { Departure } from './departure.ts';

/** @throws BATON_ROOM_IMMOVABLE */
export function inspect(context: MoveContext, room: Room): MovabilityReport {
  const report = inspectRoom(room, { timers: timerNames });
  const problems = [...report.problems, ...madeSince(room), ...optionProblems(room)];
  if (problems.length > 0) throw context.immovable(room.roomId, problems);
  return report;
}

/**
 * The same for what the room did since its shell was built; fields are looked at when they are captured.
 * @throws BATON_ROOM_IMMOVABLE, BATON_HANDLERS_MISMATCH
 */
export function inspectAgain(context: MoveContext, { room, handlers }: Departure, host: string): void {
  const problems = [...madeSince(room), ...timerProblems(room)];
  if (problems.length > 0) throw context.immovable(room.roomId, problems);
  const now = handlerSignature(room);
  if (now !== handlers) {
    const reason = `[${now}] here, [${handlers}] when the move began; register all handlers in onCreate() or as \`messages\``;
    throw handlersMismatch({ roomName: room.roomName, host, reason });
  }
}

function madeSince(room: Room): Problem[] {
  const problems = [...trackOf(room).lateSubscriptions].map((topic) => ({
    path: `room.presence.subscribe("${topic}")`,
    what: 'a subscription made after onCreate()',
    hint: 'subscribe in onCreate(), where the new host can do it again',
  }));
  const loop = loopProblem(room);
  return loop ? [...problems, loop] : problems;
}

/**
 * The options travel so that the target's onCreate() gets them. Those of define() need not: Colyseus lays the target's
 * own over whatever comes.
 */
function optionProblems(room: Room): Problem[] {
  const track = trackOf(room);
  if (!isPlain(track.createOptions)) return travels(track.createOptions) ? [] : [optionProblem('')];
  const preset: unknown = matchMaker.getAllHandlers()[room.roomName]?.options;
  const own = Object.entries(track.createOptions).filter(
    ([key]) => !(isPlain(preset) && Object.hasOwn(preset, key)),
  );
  track.createOptions = Object.fromEntries(own);
  return own.filter(([, value]) => !travels(value)).map(([key]) => optionProblem(`.${key}`));
}

const optionProblem = (key: string): Problem => ({
  path: `options${key}`,
  what: 'a creation option that cannot be copied',
  hint: 'pass plain data to the room, or give the option in define(), which every host runs',
});

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

function travels(value: unknown): boolean {
  try {
    serialize(value);
    return true;
  } catch {
    return false;
  }
}
