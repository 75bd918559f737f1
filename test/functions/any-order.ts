// What is done to pools in tests that do anything in any order, and what has to hold whatever was done.
import { memoryPool, type PooledTicket, type TicketPool } from '@baton/functions';
import { redisPool } from '@baton/functions/redis';
import { expect } from '@jest/globals';
import fc from 'fast-check';
import type { RedisServer } from '../support/redis.ts';

/** Printed with the name of each test: with the same one the same is tried. */
export const SEED = Number(process.env['POOL_SEED'] ?? Date.now() % 2 ** 31);
export const ACCEPT_MS = 10_000;
export const WAIT_MS = 25_000;
export const KEPT_MS = 60_000;
/** Of one property. */
export const TIME_MS = 3_000;
export const FEWEST_RUNS = 15;

export type State = PooledTicket['state'] | 'new' | 'gone';
export const NEXT: Record<State, readonly State[]> = {
  new: ['searching'],
  searching: ['proposed', 'timed-out', 'cancelled'],
  proposed: ['accepted', 'matched', 'searching', 'timed-out', 'cancelled'],
  accepted: ['matched', 'searching', 'timed-out', 'cancelled'],
  matched: ['cancelled'],
  'timed-out': ['gone'],
  cancelled: ['gone'],
  gone: [],
};
export const LIVE: readonly State[] = ['searching', 'proposed', 'accepted', 'matched'];

/** Whether the one state can come after the other, in any number of steps. */
export function reaches(from: State, to: State, seen: State[] = []): boolean {
  if (from === to || NEXT[from].includes(to)) return true;
  return NEXT[from].some((next) => !seen.includes(next) && reaches(next, to, [...seen, from]));
}

export const kinds = [
  'enter',
  'leave',
  'propose',
  'accept',
  'match',
  'release',
  'miss',
  'time out',
  'pass',
] as const;
export const step = fc.record({
  kind: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...kinds) },
    { weight: 3, arbitrary: fc.constantFrom('enter', 'propose', 'accept', 'match') },
  ),
  n: fc.nat(10_000),
  m: fc.nat(10_000),
});
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export const pick = <T>(all: readonly T[], n: number): T | undefined => all[n % all.length];

/** Looks at a pool at rest, again and again. */
export class Watch {
  readonly #before = new Map<string, State>();

  /** @param sockets all there have ever been, with their players */
  async look(
    pool: TicketPool,
    sockets: ReadonlyMap<string, string>,
    follows: (a: State, b: State) => boolean,
  ) {
    const ids = [...sockets.keys()];
    const [waiting, found] = await Promise.all([pool.waiting(), Promise.all(ids.map((id) => pool.get(id)))]);
    const tickets = new Map(ids.map((id, i) => [id, found[i]]));
    const states = new Map(ids.map((id, i): [string, State] => [id, found[i]?.state ?? 'gone']));
    for (const [id, state] of states) {
      const before = this.#before.get(id) ?? 'new';
      if (before !== state && !follows(before, state)) throw new Error(`${id} was ${before} and is ${state}`);
      this.#before.set(id, state);
    }
    // what waits is in no match, and each socket in one ticket
    for (const { id, sockets: own } of waiting)
      for (const each of own) {
        const { id: ticket, state, match } = tickets.get(each) ?? {};
        expect([ticket, state, match]).toEqual([id, 'searching', undefined]);
      }
    const inLine = waiting.flatMap((ticket) => ticket.sockets);
    expect(new Set(inLine).size).toBe(inLine.length);
    // a player has one ticket
    const live = ids.filter((id) => LIVE.includes(states.get(id)!)).map((id) => sockets.get(id));
    expect(new Set(live).size).toBe(live.length);
    return { states, line: waiting.map(({ id }) => id) };
  }
}

let pools = 0;
export const inMemory = async (now: () => number) => {
  const pool = memoryPool({ now });
  return { one: pool, two: pool, close: async () => {} };
};
export const inRedis = async (redis: RedisServer, now: () => number) => {
  const options = { url: redis.url, name: `model-${pools++}`, now };
  const [one, two] = await Promise.all([redisPool(options), redisPool(options)]);
  return { one, two, close: async () => void (await Promise.all([one.close(), two.close()])) };
};

/** As many runs as there is time for, but enough of them for everything to happen. */
export function holds<T>(
  numRuns: number,
  steps: fc.Arbitrary<T>,
  promise: (steps: T) => Promise<void>,
): Promise<void> {
  const end = performance.now() + TIME_MS;
  let run = 0;
  const each = async (some: T) => {
    if (run++ < FEWEST_RUNS || performance.now() < end) await promise(some);
  };
  return fc.assert(fc.asyncProperty(steps, each), { seed: SEED, numRuns });
}
