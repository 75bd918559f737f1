// When a departing room rests, and what is said when it does not, or when its move fails.
import { setTimeout as wait } from 'node:timers/promises';
import { internals } from '../../colyseus/room-internals.ts';
import { BatonError, hostUnreachable, moveFailed, roomBusy, roomDisposing } from '../../errors.ts';
import { blockers, quiesce } from '../room/quiesce.ts';
import type { Departure } from './departure.ts';
import { nowMicros } from './protocol.ts';

/** Between looks at a room that rests while others of its group do not. */
const GROUP_LOOK_MS = 5;

/** Why a room did not move in its time. */
export function overdueError({ room, roomId, since }: Departure): BatonError {
  if (internals(room)._internalState === 2) return roomDisposing({ roomId });
  const reason = blockers(room).join('; ') || 'it came to rest too late';
  return roomBusy({ roomId, ms: Math.round((nowMicros() - since) / 1000), reason });
}

/** Why a room does not move whose group stays: for the same reason, unless that ends by itself. */
export function companyError({ roomId, since }: Departure, error: BatonError): BatonError {
  if (error.code !== 'BATON_ROOM_DISPOSING') return error;
  const ms = Math.round((nowMicros() - since) / 1000);
  return roomBusy({ roomId, ms, reason: 'a room that it moves with is being disposed' });
}

/** Resolves when the room rests, or soon when others of its group are what is waited for; one wait at a time. */
export function restOrWait(departure: Departure, deadline: number): Promise<void> {
  departure.rest ??= (isResting(departure) ? wait(GROUP_LOOK_MS) : quiesce(departure.room, deadline))
    .catch(() => {})
    .finally(() => {
      departure.rest = undefined;
    });
  return departure.rest;
}

export const isResting = ({ room }: Departure) =>
  internals(room)._internalState === 1 && blockers(room).length === 0;

export function unreachable(host: string, error: unknown): BatonError {
  if (error instanceof BatonError && !error.code.startsWith('BATON_HANDOFF_')) return error;
  return hostUnreachable({ host, reason: error instanceof Error ? error.message : String(error) }, error);
}

export function toError(roomId: string, error: unknown): BatonError {
  if (error instanceof BatonError) return error;
  return moveFailed({ roomId, reason: error instanceof Error ? error.message : String(error) }, error);
}
