// A drain over rooms that say what they like: it comes to an end, and does not try what cannot help.
import { describe, expect, test } from '@jest/globals';
import {
  type BatonError,
  moveFailed,
  roomBusy,
  roomDisposing,
  roomNotFound,
} from '../../server/src/errors.ts';
import { type Drainable, drain } from '../../server/src/migration/move/drain.ts';
import type { MoveOutcome } from '../../server/src/migration/move/result.ts';
import type { HostRecord } from '../../server/src/store/index.ts';

const host = (id: string) =>
  ({ id, state: 'up', machine: 'm', generation: 1, rooms: 0, handoffPath: `/${id}` }) as HostRecord;

/** Rooms that fail at each try as they are told, or move. */
function house(rooms: Record<string, (attempt: number) => BatonError | undefined>) {
  const attempts = new Map<string, number>();
  const here = new Set(Object.keys(rooms));
  const source: Drainable = {
    host: host('h1'),
    hosts: async () => [host('h1'), host('h2')],
    groups: () => [...here].map((roomId) => [roomId]),
    clientsOf: () => 0,
    move: async (roomIds) =>
      roomIds.map((roomId): MoveOutcome => {
        const attempt = (attempts.get(roomId) ?? 0) + 1;
        attempts.set(roomId, attempt);
        const error = rooms[roomId]!(attempt);
        if (error) return { roomId, error };
        here.delete(roomId);
        return { roomId, result: {} as never };
      }),
  };
  return { source, attempts, here };
}

const stayed = ({ message, code }: BatonError) => ({ roomId: 'r', reason: message, code });

describe('a drain', () => {
  test.each([
    ['that never finishes ending', roomDisposing({ roomId: 'r' })],
    ['that is owned, but nowhere', roomNotFound({ roomId: 'r' })],
    ['that is always busy', roomBusy({ roomId: 'r', ms: 1, reason: 'it is' })],
  ])('ends at its deadline with a room %s', async (_what, error) => {
    const { source } = house({ r: () => error, other: () => undefined });
    const { moved, refused } = await drain(source, 300);
    expect({ moved, refused }).toEqual({ moved: 1, refused: [stayed(error)] });
  });

  test('does not name rooms that ended by themselves', async () => {
    const { source, here } = house({
      r: () => {
        here.delete('r');
        return roomNotFound({ roomId: 'r' });
      },
    });
    expect((await drain(source, 0)).refused).toEqual([]);
  });

  test('gives a room up that comes back from its freeze with the same failure three times', async () => {
    const error = moveFailed({ roomId: 'r', reason: 'onRestoreRoom() throws' });
    const { source, attempts } = house({ r: () => error });
    const { refused } = await drain(source, 60_000);
    expect(refused).toEqual([stayed(error)]);
    expect(attempts.get('r')).toBe(3);
  });

  test('goes on trying while the failures differ', async () => {
    const { source, attempts } = house({
      r: (n) => (n < 5 ? moveFailed({ roomId: 'r', reason: `reason ${n}` }) : undefined),
    });
    expect((await drain(source, 60_000)).moved).toBe(1);
    expect(attempts.get('r')).toBe(5);
  });

  test('backs off while nothing moves', async () => {
    const { source, attempts } = house({ r: () => roomBusy({ roomId: 'r', ms: 0, reason: 'at once' }) });
    await drain(source, 700);
    // 50 + 100 + 200 + 400 ms of pauses; a fixed pause of 50 ms would make 14 of them
    expect(attempts.get('r')).toBeLessThan(8);
  });
});
