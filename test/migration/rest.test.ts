// Waiting for a room to come to rest.
import { Room } from '@colyseus/core';
import { afterEach, expect, test } from '@jest/globals';
import { Departure } from '../../server/src/migration/move/departure.ts';
import { isResting, restOrWait } from '../../server/src/migration/move/rest.ts';
import { RoomTrack, trackOf } from '../../server/src/migration/room/track.ts';
import { build, closeRooms } from './fields-rooms.ts';

afterEach(closeRooms);

test('a wait for a busy room leaves nothing behind, whether it ends by rest or by time', async () => {
  const track = new RoomTrack();
  track.enter('work');
  const waiters = () => (track as unknown as { idleWaiters?: Set<unknown> }).idleWaiters?.size ?? 0;
  await Promise.all(Array.from({ length: 20 }, () => track.idle(1)));
  expect(waiters()).toBe(0);
  const rest = track.idle(60_000);
  track.leave('work');
  await rest;
  expect(waiters()).toBe(0);
});

test('however often a group is looked at, each of its rooms is waited for once', async () => {
  const room = build(class extends Room {});
  (room as any)._internalState = 1; // CREATED
  const track = trackOf(room);
  track.phase = 'live';
  const departure = new Departure(room, {} as never, {} as never);
  track.enter('work');
  const waits = new Set(Array.from({ length: 100 }, () => restOrWait(departure, Date.now() + 60_000)));
  expect(waits.size).toBe(1);
  track.leave('work');
  await Promise.all(waits);
  expect(isResting(departure)).toBe(true);
  // it rests, so others are what is waited for: it is looked at again before long
  await restOrWait(departure, Date.now() + 60_000);
});
