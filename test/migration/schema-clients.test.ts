import type { Decoder, Schema } from '@colyseus/schema';
import { Encoder, Reflection } from '@colyseus/schema';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Family } from './schema/families.ts';
import { families } from './schema/families.ts';
import { Random } from './schema/random.ts';
import type { World } from './schema/world.ts';
import { act, createWorld, flush, full, move, SlowMove } from './schema/world.ts';

Encoder.BUFFER_SIZE = 256 * 1024;

const complaints: string[] = [];
beforeAll(() => {
  for (const level of ['warn', 'error'] as const) {
    jest.spyOn(console, level).mockImplementation((...args: unknown[]) => {
      complaints.push(String(args[0]));
    });
  }
});
afterAll(() => {
  jest.restoreAllMocks();
});

/** As an SDK client: learns the classes at the join, then the state, then patches. */
function join(world: World): Decoder {
  const decoder = Reflection.decode(Reflection.encode(world.encoder));
  decoder.decode(full(world)[0]!);
  return decoder;
}

/** Fields that by declaration do not reach every client at every time. */
const hidden = new Set(['mp', 'speed', 'temp', 'seed', 'fixed', 'manual']);

function seen(state: Schema): unknown {
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key]) => !hidden.has(key))
        .map(([key, child]) => [key, plain(child)]),
    );
  };
  return plain(state.toJSON());
}

function lifetime(family: Family, seed: number): number {
  const random = new Random(seed);
  const tamed = (wild: World): World => ({ ...wild, tame: true, touched: new Set() });
  let world = tamed(createWorld(family));
  flush(world);
  const clients: Decoder[] = [];
  let moves = 0;
  let slow: SlowMove | undefined;
  for (let step = 0; step < 60; step++) {
    for (let n = random.int(6); n > 0; n--) {
      act(world, random.int(2 ** 31));
      slow?.step(true, random.chance(0.3));
    }
    complaints.length = 0;
    const [patch] = flush(world);
    world.touched!.clear();
    for (const client of clients) client.decode(patch!);
    if (random.chance(0.4)) {
      if (slow) world = tamed(slow.finish());
      else if (random.chance(0.5)) world = tamed(move(world));
      slow = slow ? undefined : random.chance(0.5) ? new SlowMove(world) : undefined;
      moves++;
    }
    if (clients.length < 3 && random.chance(0.1)) clients.push(join(world));
    for (const client of clients) {
      try {
        expect(seen(client.state)).toEqual(seen(world.state));
        expect(complaints).toEqual([]);
      } catch (error) {
        throw new Error(
          `family "${family.name}", seed ${seed}, step ${step}, ${moves} moves\n${(error as Error).message}`,
        );
      }
    }
  }
  return moves;
}

describe('clients of a state that moves', () => {
  test.each(families.filter((family) => family.decodes))('keep the same state: $name', (family) => {
    const wanted = process.env.BATON_NIGHTLY ? 500 : 50;
    let moves = 0;
    for (let seed = Number(process.env.BATON_SEED ?? 1); moves < wanted; seed++)
      moves += lifetime(family, seed);
  });
});
