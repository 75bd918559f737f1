import type { Ref, RootInternals } from '../../colyseus/schema-internals.ts';
import type { NodeId, Problem, Rarities, TypeRef } from './snapshot.ts';

/** How the writer sees the rest of the capture. */
export interface WriterContext {
  root: RootInternals;
  typeRef(type: unknown): TypeRef;
  idOf(ref: Ref): NodeId;
  pickle?: (value: unknown, path: string) => unknown;
  /** False leaves extras with objects among them for later (pre-copy: those are pickled when the room rests). */
  deepExtras: boolean;
  problem(problem: Problem): void;
}

/** Growing form of `Rarities`. */
export type OpenRarities = {
  [K in keyof Rarities]: Rarities[K] extends Int32Array ? number[] : Rarities[K];
};

export const emptyRarities = (): OpenRarities => ({
  visible: [],
  subscribed: [],
  tags: [],
  extraParents: [],
  dirty: [],
  unreliable: [],
  holes: [],
  edits: [],
  staged: [],
  journals: [],
  removed: [],
  streams: [],
  own: [],
});
