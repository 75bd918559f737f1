// Whatever is done to a pool, in whatever order: against a model of it, and by two processes at the same moment.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RedisServer } from '../support/redis.ts';
import { holds, inMemory, inRedis, kinds, NEXT, reaches, SEED, type Step, step, Watch } from './any-order.ts';
import { Crowd } from './pool-crowd.ts';
import { Model } from './pool-model.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.stop());

describe.each([
  ['in memory', inMemory, 100],
  ['in Redis', (now: () => number) => inRedis(redis, now), 30],
] as const)(`a pool %s, POOL_SEED=${SEED}`, (_kind, open, runs) => {
  test('does what its model does', async () => {
    const done: Partial<Record<Step['kind'], number>> = {};
    await holds(runs, fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const model = new Model();
      const { one, close } = await open(() => model.clock);
      const watch = new Watch();
      try {
        model.pool = one;
        for (const { kind, n, m } of steps) {
          model.clock++;
          await model.steps[kind](n, m);
          done[kind] = (done[kind] ?? 0) + 1;
          const players = new Map([...model.searchers].map(([id, { player }]) => [id, player]));
          const { states, line } = await watch.look(one, players, (a, b) => NEXT[a].includes(b));
          expect(states).toEqual(new Map([...model.searchers].map(([id, { state }]) => [id, state])));
          expect(line).toEqual(model.waiting());
        }
      } finally {
        await close();
      }
    });
    expect(Object.keys(done).sort()).toEqual([...kinds].sort());
  });

  test('keeps its word to two processes at the same moment, parties among their players', async () => {
    const moments = fc.array(fc.array(step, { minLength: 2, maxLength: 8 }), {
      minLength: 15,
      maxLength: 25,
    });
    let matched = 0;
    await holds(runs, moments, async (all) => {
      const crowd = new Crowd();
      const { one, two, close } = await open(() => crowd.clock);
      const watch = new Watch();
      try {
        for (const steps of all) {
          crowd.clock += 1_000;
          await Promise.all(steps.map((each, i) => crowd.do(i % 2 === 0 ? one : two, each)));
          const { states } = await watch.look(one, crowd.sockets, reaches);
          for (const socketId of crowd.matched.keys())
            expect(['matched', 'cancelled', 'gone']).toContain(states.get(socketId));
          await crowd.look(two);
        }
      } finally {
        await close();
      }
      matched += crowd.matched.size;
    });
    expect(matched).toBeGreaterThan(0);
  });
});
