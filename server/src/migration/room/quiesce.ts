// When a room may be frozen: nothing in flight, nobody half gone, no one-shot closure pending.
import type { Client, Delayed, Room } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';
import { roomBusy, roomDisposing } from '../../errors.ts';
import { describeTimer, isMadeThere } from './timers.ts';
import { trackOf } from './track.ts';

/** ms between looks at what cannot be awaited (a closing socket, a pending timer). */
const LOOK_AGAIN_MS = 5;

/** What keeps the room from being frozen right now; empty when nothing does. */
export function blockers(room: Room): string[] {
  const track = trackOf(room);
  const inner = internals(room);
  const reasons: string[] = [];
  if (inner._internalState === 0) reasons.push('it is still being created');
  for (const [label, count] of track.busy)
    reasons.push(count === 1 ? `${label} in flight` : `${count} × ${label} in flight`);
  if (track.mailbox && !track.mailbox.settled) reasons.push('messages of its subscriptions are on their way');
  let closing = 0;
  for (const client of room.clients as Iterable<Client>) {
    if (!(client.ref as { detachable?: boolean }).detachable) closing++;
  }
  if (closing > 0) reasons.push(`${closing} connection${closing > 1 ? 's are' : ' is'} closing`);
  if (Object.keys(inner._reconnectionAttempts).length > 0) reasons.push('a client is switching connections');
  for (const delayed of room.clock.delayed as Delayed[]) {
    if (!delayed.active) continue;
    if (isMadeThere(room, delayed)) continue;
    const described = describeTimer(room, delayed);
    if (described.kind === 'postpone') {
      reasons.push(`${described.problem.path} is due in ${Math.ceil(described.dueMs)} ms`);
    }
  }
  return reasons;
}

/**
 * Waits until the room can be frozen in the same tick in which this resolves.
 * @param deadline Date.now() ms
 * @throws BATON_ROOM_BUSY with the reasons, BATON_ROOM_DISPOSING
 */
export async function quiesce(room: Room, deadline: number): Promise<void> {
  const started = Date.now();
  const track = trackOf(room);
  for (;;) {
    if (track.phase !== 'live') return; // frozen meanwhile, with others of its move
    if (internals(room)._internalState === 2) throw roomDisposing({ roomId: room.roomId });
    const reasons = blockers(room);
    if (reasons.length === 0) return;
    const left = deadline - Date.now();
    if (left <= 0)
      throw roomBusy({ roomId: room.roomId, ms: Date.now() - started, reason: reasons.join('; ') });
    if (track.busyCount > 0) await track.idle(Math.min(left, 50));
    else await new Promise((resolve) => setTimeout(resolve, Math.min(left, LOOK_AGAIN_MS)));
  }
}
