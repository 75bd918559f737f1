// Rooms that move together: of a group all move, or none, and they are frozen in one go.
import type { Departure } from './departure.ts';
import type { Attempt } from './preparation.ts';
import { companyError, isResting } from './rest.ts';
import type { MoveOutcome } from './result.ts';

/** Ids of the rooms with which a room moves, itself among them. */
export type GroupOf = (roomId: string) => string[];

/** Leaves out those of whose group a room does not move; they fail, too. */
export function keepWhole(
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

/** Those that rest, with all of their group that still moves. */
export function restingWhole(moving: Departure[], groupOf: GroupOf): Departure[] {
  const rests = new Set(moving.filter(isResting).map((d) => d.roomId));
  return moving.filter((d) =>
    groupOf(d.roomId).every((id) => rests.has(id) || !moving.some((m) => m.roomId === id)),
  );
}
