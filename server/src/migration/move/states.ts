// The move of one room as a state machine. The source decides nothing that the registry's epoch contradicts:
//   running → preparing → quiescing → frozen → transferring → released      (the target owns the room)
//                 │            │          │          │
//                 └────────────┴──────────┴──────────┴──→ running            (it stays here)
//                                                    └──→ lost               (the target took it and died)
import { BatonError } from '../../errors.ts';

export type SourceState =
  | 'running'
  | 'preparing'
  | 'quiescing'
  | 'frozen'
  | 'transferring'
  | 'released'
  | 'lost';

const NEXT: Record<SourceState, readonly SourceState[]> = {
  running: ['preparing'],
  preparing: ['quiescing', 'running'],
  quiescing: ['frozen', 'running'],
  frozen: ['transferring', 'running', 'quiescing'],
  transferring: ['released', 'running', 'lost'],
  released: [],
  lost: [],
};

export function advance(from: SourceState, to: SourceState): SourceState {
  if (!NEXT[from].includes(to)) {
    throw new BatonError('BATON_MOVE_FAILED', 500, `A move cannot go from ${from} to ${to}.`, { from, to });
  }
  return to;
}
