import { type Matchmaking, matchmake } from './match/matchmake.ts';
import { firstCome } from './matchmakers/first-come.ts';
import { memoryPool } from './pool/pool.ts';

export interface PairOptions {
  /** Players who wait at most; more are turned away. Default: 100,000. */
  capacity?: number;
}

/**
 * The smallest matchmaking: whoever comes is paired with the one waiting longest on the same mapping, in memory, with
 * nothing but the answers to open calls. The first of two gets `{}` and waits, the second `{ peer }`. A player never meets
 * himself, a repeated call gets the answer it already had, and a socket that closed is not offered to anyone.
 *
 * When a player opens a second socket while the first one waits, the second one waits in its place: the first one stays
 * open and gets nobody, since an answer to one socket's call cannot close another one. `matchmake(firstCome(), { service })`
 * closes it, over the control API.
 */
export function firstComePairs({ capacity }: PairOptions = {}): Matchmaking {
  return matchmake(firstCome(), { pool: memoryPool({ capacity }) });
}
