// Rooms that may arrive: whose id is taken when, and who may call them off.
import { Room } from '@colyseus/core';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Arrivals, type Shell } from '../../server/src/migration/move/arrivals.ts';
import { build, closeRooms } from './fields-rooms.ts';

afterEach(closeRooms);

function scene() {
  const dropped: string[] = [];
  const gates = {
    driver: { drop: (roomId: string) => dropped.push(roomId) },
    presence: { drop() {}, unsubscribeAll() {} },
  };
  const arrivals = new Arrivals(gates as never);
  const shell = (roomId: string): Shell => {
    const room = build(class extends Room {});
    room.roomId = roomId;
    return { room, classes: {} as never, sameCode: true, undivert: () => {}, ahead: undefined };
  };
  return { arrivals, dropped, shell };
}

const first = { transferId: 'first', from: 'h1' };
const second = { transferId: 'second', from: 'h1' };

describe('an arrival', () => {
  test('has its id from the first moment on: there is no second shell', () => {
    const { arrivals } = scene();
    arrivals.reserve(first, 'r');
    expect(() => arrivals.reserve(second, 'r')).toThrow('already moving');
    expect(() => arrivals.reserve({ ...second, from: 'h9' }, 'r')).toThrow('already moving');
  });

  test('that is called off while its shell is built goes when it is done', async () => {
    const { arrivals, shell } = scene();
    const arrival = arrivals.reserve(first, 'r');
    expect(arrivals.fate('first', 'r')).toBe('discarded');
    expect(() => arrivals.reserve(second, 'r')).toThrow('already moving');
    expect(() => arrivals.ready(arrival, shell('r'))).toThrow('called off');
    arrivals.remove(arrival);
    await arrival.settled;
    expect(arrivals.get('r')).toBeUndefined();
  });

  test('that waits gives way to a new try of the same host, not to another host', () => {
    const { arrivals, shell, dropped } = scene();
    arrivals.ready(arrivals.reserve(first, 'r'), shell('r'));
    expect(() => arrivals.reserve({ ...second, from: 'h9' }, 'r')).toThrow('already moving');
    arrivals.reserve(second, 'r');
    expect(dropped).toEqual(['r']);
    expect(arrivals.get('r')?.transferId).toBe('second');
  });

  test('that is being taken over is nobody’s to throw away', async () => {
    const { arrivals, shell, dropped } = scene();
    const arrival = arrivals.reserve(first, 'r');
    arrivals.ready(arrival, shell('r'));
    arrivals.committing(arrivals.expected('first', 'r').arrival);
    expect(arrivals.fate('first', 'r')).toBe('committing');
    arrivals.discardFrom(() => true);
    expect(() => arrivals.reserve(second, 'r')).toThrow('already moving');
    expect(() => arrivals.expected('first', 'r')).toThrow('does not expect it');
    const closing = arrivals.close();
    expect(dropped).toEqual([]);
    arrivals.taken('first', 'r');
    arrivals.remove(arrival);
    await closing;
    expect(arrivals.fate('first', 'r')).toBe('active');
    expect(arrivals.fate('second', 'r')).toBe('discarded');
  });

  test('that waits when the host ends goes', async () => {
    const { arrivals, shell, dropped } = scene();
    const arrival = arrivals.reserve(first, 'r');
    arrivals.ready(arrival, shell('r'));
    await arrivals.close();
    await arrival.settled;
    expect(dropped).toEqual(['r']);
    expect(arrivals.closed).toBe(true);
  });
});
