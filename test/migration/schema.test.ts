import v8 from 'node:v8';
import { Encoder } from '@colyseus/schema';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Family } from './schema/families.ts';
import { families } from './schema/families.ts';
import { generateFamily } from './schema/generate.ts';
import { Random } from './schema/random.ts';
import type { World } from './schema/world.ts';
import { act, createWorld, flush, flushUnreliable, full, move, portrait, SlowMove } from './schema/world.ts';

Encoder.BUFFER_SIZE = 256 * 1024;

/** What the package complains about; it is part of what both worlds must have in common. */
const complaints: string[] = [];
beforeAll(() => {
  for (const level of ['warn', 'error'] as const) {
    jest.spyOn(console, level).mockImplementation((...args: unknown[]) => {
      complaints.push(String(args[0]).split('\n')[0]!);
    });
  }
});
afterAll(() => {
  jest.restoreAllMocks();
});

/** The package's own errors are part of the outcome, too. */
function attempt<T>(fn: () => T): T | string {
  try {
    return fn();
  } catch (error) {
    return String(error);
  }
}

/** Runs the same script in a world that stays and in one that moves; returns the number of moves. */
function lifetime(family: Family, seed: number, slowly: boolean): number {
  const random = new Random(seed);
  const control = createWorld(family);
  let moved = createWorld(family);
  let moves = 0;
  const both = <T>(what: string, fn: (world: World) => T): T => {
    const [expected, found] = [control, moved].map((world) => {
      complaints.length = 0;
      return [attempt(() => fn(world)), ...complaints];
    }) as [T[], T[]];
    // Jest's own comparison is slow on bytes, so it only has to explain differences.
    if (v8.serialize(found).equals(v8.serialize(expected))) return found[0] as T;
    try {
      expect(found).toEqual(expected);
    } catch (error) {
      throw new Error(
        `family "${family.name}", seed ${seed}, after ${moves} moves, ${what}\n${(error as Error).message}`,
      );
    }
    return found[0] as T;
  };
  let slow: SlowMove | undefined;
  const relocate = () => {
    if (slow) moved = slow.finish();
    else if (slowly) {
      slow = new SlowMove(moved);
      return;
    } else moved = move(moved);
    slow = undefined;
    moves++;
    both('what a capture sees', portrait);
  };
  const copy = () => {
    for (let n = random.int(5); slow && n > 0; n--) {
      if (slow.step(random.chance(0.7), random.chance(0.3)) && random.chance(0.3)) slow.attach();
    }
  };
  for (let step = 0; step < 60; step++) {
    for (let n = random.int(6); n > 0; n--) {
      const action = random.int(2 ** 31);
      both(`step ${step}, action ${action}`, (world) => act(world, action));
      copy();
    }
    if (random.chance(0.2)) relocate();
    if (random.chance(0.7)) both(`patch of step ${step}`, flush);
    if (random.chance(0.4)) both(`unreliable patch of step ${step}`, flushUnreliable);
    if (random.chance(0.2)) both(`full state at step ${step}`, full);
    if (random.chance(0.2)) relocate();
  }
  return moves;
}

describe('a state that moves', () => {
  const wanted = process.env.BATON_NIGHTLY ? 1000 : 50;
  const start = Number(process.env.BATON_SEED ?? 1);
  const run = (family: Family, slowly: boolean) => {
    let moves = 0;
    for (let seed = start; moves < wanted; seed++) moves += lifetime(family, seed, slowly);
    expect(moves).toBeGreaterThanOrEqual(wanted);
  };

  test.each(families)('sends the bytes of one that stays: $name', (family) => run(family, false));
  test.each(families)('… also when it was copied while it ran: $name', (family) => run(family, true));

  test.each([false, true])('… whatever its classes are (copied while it runs: %s)', (slowly) => {
    const some = process.env.BATON_NIGHTLY ? 1000 : 25;
    for (let seed = start; seed < start + some; seed++) lifetime(generateFamily(seed), seed, slowly);
  });
});
