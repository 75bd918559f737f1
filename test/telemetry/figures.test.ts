import { expect, test } from '@jest/globals';
import { Figures, merge, percentile, RECENT_MS, RecentMoves } from '../../server/src/telemetry/index.ts';

const one = (figures: Figures, now: number) => figures.read(now)[0]!;

test('percentiles are within a tenth of what they are of', () => {
  const figures = new Figures();
  for (let ms = 1; ms <= 1_000; ms++) figures.add('default', 'duel', 'open', ms, false, 0);
  const { durations, recent } = one(figures, 0);
  expect(recent).toBe(1_000);
  for (const part of [0.1, 0.5, 0.9, 0.99]) {
    const exact = part * 1_000;
    expect(Math.abs(percentile(durations, part)! - exact) / exact).toBeLessThan(0.1);
  }
  expect(percentile([], 0.5)).toBeUndefined();
});

test('what is older than a minute is in the total only', () => {
  const figures = new Figures();
  figures.add('default', 'duel', 'open', 5, true, 0);
  figures.add('default', 'duel', 'open', 5, false, 30_000);
  expect(one(figures, 59_999)).toMatchObject({ total: 2, failed: 1, recent: 2, recentFailed: 1 });
  expect(one(figures, RECENT_MS)).toMatchObject({ total: 2, failed: 1, recent: 1, recentFailed: 0 });
  expect(one(figures, 10 * RECENT_MS)).toMatchObject({ total: 2, recent: 0, durations: [] });
  figures.add('default', 'duel', 'open', 5, false, 20 * RECENT_MS);
  expect(one(figures, 20 * RECENT_MS)).toMatchObject({ total: 3, recent: 1 });
});

test('those of several processes are those of all', () => {
  const [a, b] = [new Figures(), new Figures()];
  for (let i = 0; i < 90; i++) a.add('default', 'duel', 'open', 1, false, 0);
  for (let i = 0; i < 10; i++) b.add('default', 'duel', 'open', 100, false, 0);
  const both = merge([one(a, 0).durations, one(b, 0).durations]);
  expect(percentile(both, 0.5)!).toBeLessThan(1.2);
  expect(percentile(both, 0.95)!).toBeGreaterThan(84);
});

test('there are so many kinds; the one that was silent for longest goes', () => {
  const figures = new Figures();
  for (let i = 0; i < 2_000; i++) figures.add('default', `m${i}`, 'open', 1, false, i === 7 ? 0 : 60_000);
  figures.add('default', 'another', 'open', 1, false, 60_000);
  const names = figures.read(60_000).map(({ mapping }) => mapping);
  expect(names).toHaveLength(2_000);
  expect(names).not.toContain('m7');
});

test('of moves the last are kept, and told once', () => {
  const moves = new RecentMoves();
  const add = (n: number) => moves.add({ at: n, roomId: `r${n}`, from: 'h1', to: 'h2' });
  for (let n = 1; n <= 300; n++) add(n);
  expect(moves.since(0)).toHaveLength(200);
  expect(moves.since(298).map(({ at }) => at)).toEqual([299, 300]);
  expect(moves.since(300)).toEqual([]);
});
