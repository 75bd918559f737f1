// Seats that are reserved or held for a client's return: they expire where the room runs, when their time is up.
import type { Room } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';
import { trackOf } from './track.ts';

/** What a pending timeout will call; Node keeps it there until the timeout is cleared. */
const callbackOf = (timeout: NodeJS.Timeout) => (timeout as unknown as { _onTimeout: () => void })._onTimeout;

/** Time left of a seat, in seconds; a seat that is due keeps a moment, so that it expires on the new host. */
export function seatTimeLeft(room: Room, sessionId: string): number {
  const seat = trackOf(room).seats.get(sessionId);
  if (!seat) return room.seatReservationTimeout;
  return Math.max(0.05, seat.seconds - (Date.now() - seat.at) / 1000);
}

/** No seat of a frozen room expires: that would change listings, or call onLeave(). */
export function pauseSeats(room: Room): void {
  const { pausedSeats } = trackOf(room);
  const timeouts = internals(room)._reservedSeatTimeouts;
  for (const [sessionId, timeout] of Object.entries(timeouts)) {
    const expire = callbackOf(timeout);
    if (!expire) continue; // through already
    pausedSeats.set(sessionId, expire);
    clearTimeout(timeout);
  }
}

/** The room goes on here: its seats have the time they would have had. */
export function resumeSeats(room: Room): void {
  const { pausedSeats } = trackOf(room);
  for (const [sessionId, expire] of pausedSeats) {
    internals(room)._reservedSeatTimeouts[sessionId] = setTimeout(
      expire,
      seatTimeLeft(room, sessionId) * 1000,
    );
  }
  pausedSeats.clear();
}
