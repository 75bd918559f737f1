import { describe, expect, test } from '@jest/globals';
import { Sequence } from '../../examples/arena/web/sequence.ts';
import { type Pose, Timeline } from '../../examples/arena/web/timeline.ts';

describe('the numbered channel on the page', () => {
  const counted = (...numbers: number[]) => {
    const sequence = new Sequence();
    for (const n of numbers) sequence.add(n);
    const { received, lost, duplicated, reordered } = sequence;
    return { received, lost, duplicated, reordered };
  };

  test('one after the other is intact, wherever it begins', () => {
    expect(counted(5, 6, 7)).toEqual({ received: 3, lost: 0, duplicated: 0, reordered: 0 });
  });
  test('a hole is a loss', () => {
    expect(counted(1, 2, 5)).toEqual({ received: 3, lost: 2, duplicated: 0, reordered: 0 });
  });
  test('what comes late was not lost, but out of order', () => {
    expect(counted(1, 3, 2)).toEqual({ received: 3, lost: 0, duplicated: 0, reordered: 1 });
  });
  test('what comes twice is counted as such', () => {
    expect(counted(1, 2, 2, 1)).toEqual({ received: 4, lost: 0, duplicated: 2, reordered: 0 });
  });
});

describe('drawing between patches', () => {
  const at = (x: number): Map<string, Pose> => new Map([['a', { x, y: 0, angle: 0 }]]);

  test('a ship is drawn between the two states around that time', () => {
    const timeline = new Timeline();
    timeline.add(1_000, 0, at(0));
    timeline.add(1_100, 100, at(50));
    expect(timeline.pose('a', 1_050)!.x).toBeCloseTo(25);
    expect(timeline.pose('b', 1_050)).toBeUndefined();
  });

  test('when patches stay away it goes on for a moment, not for ever', () => {
    const timeline = new Timeline();
    timeline.add(1_000, 0, at(0));
    timeline.add(1_100, 100, at(50));
    expect(timeline.pose('a', 1_150)!.x).toBeCloseTo(75);
    expect(timeline.pose('a', 9_000)!.x).toBeCloseTo(110);
  });

  test('a respawned ship does not slide across the arena', () => {
    const timeline = new Timeline();
    timeline.add(1_000, 0, at(0));
    timeline.add(1_033, 33, at(900));
    expect(timeline.pose('a', 1_010)!.x).toBe(900);
  });

  test('an angle turns the short way', () => {
    const timeline = new Timeline();
    timeline.add(0, 0, new Map([['a', { x: 0, y: 0, angle: 3 }]]));
    timeline.add(100, 100, new Map([['a', { x: 0, y: 0, angle: -3 }]]));
    expect(Math.abs(timeline.pose('a', 50)!.angle)).toBeCloseTo(Math.PI, 1);
  });

  test('the room clock follows late patches without a jump', () => {
    const timeline = new Timeline();
    let before = 0;
    for (let now = 0; now < 3_000; now += 16) {
      // Every third patch is 40 ms late.
      if (now % 48 === 0) timeline.add(now + 500 - (now % 144 === 0 ? 40 : 0), now, at(now));
      const time = timeline.roomTime(now);
      if (now > 100) expect(time - before).toBeGreaterThan(0);
      if (now > 200) expect(time - before).toBeLessThan(24);
      before = time;
    }
  });
});
