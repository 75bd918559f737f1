// What may become of a room whose move is struck: docs/migration.md's table of failures, for every blow at every step.
import type { FaultCase } from './fault-bench.ts';

/** In the order in which a move comes by them. */
export const STEPS = [
  ['source', 'preparing'],
  ['target', 'prepared'],
  ['target', 'precopy'],
  ['source', 'quiescing'],
  ['source', 'frozen'],
  ['source', 'transferring'],
  ['target', 'received'],
  ['target', 'restored'],
  ['target', 'switched'],
  ['target', 'active'],
  ['target', 'published'],
] as const;

/** Where the room runs on, or how its clients learn that it is gone: told to come again (4010), or cut off. */
export type Fate = 'source' | 'target' | 'gone: 4010' | 'gone: cut off';

/** Exactly one, but where a process that was stopped comes back: whether its lease is renewed in time is a race. */
export function fatesOf({ store, side, phase, victim, blow }: FaultCase): Set<Fate> {
  const place = (s: string, p: string) => STEPS.findIndex(([a, b]) => a === s && b === p);
  const at = place(side, phase);
  const from = (s: string, p: string) => at >= place(s, p);
  const switched = from('target', 'switched');
  const either = new Set<Fate>(['source', 'target']);
  switch (victim) {
    case 'source':
      if (from('target', 'received')) return new Set(['target']);
      return blow === 'SIGSTOP' ? either : new Set(['gone: cut off']);
    case 'target':
      // a target that lies still sees the commit neither acknowledged nor switched: the source does not wait for it
      if (!switched) return blow === 'SIGSTOP' && !from('source', 'quiescing') ? either : new Set(['source']);
      if (blow === 'SIGSTOP') return new Set(['target']);
      // by then the source has the answer and let go of the connections
      return new Set([phase === 'published' ? 'gone: cut off' : 'gone: 4010']);
    case 'store':
      if (switched) return new Set(['target']);
      // it is back, empty, after a second: before the freeze that may be soon enough
      return blow === 'SIGKILL' && !from('source', 'frozen') ? either : new Set(['source']);
    case 'supervisor':
      return new Set([switched || store === 'redis' ? 'target' : 'source']);
  }
}

/** @param outcome what FaultBench.run() says */
export function fateIn(outcome: string): Fate | string {
  const [, where] = /^runs on at the (source|target) /.exec(outcome) ?? [];
  if (where) return where;
  const [, codes] = /^gone after \d+ ms, closed with ([\d,]+) /.exec(outcome) ?? [];
  if (codes === '4010') return 'gone: 4010';
  return codes && !codes.split(',').includes('4010') ? 'gone: cut off' : outcome;
}
