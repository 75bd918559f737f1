import type { Encoder, StateView } from '@colyseus/schema';
import type { Ref } from '../../colyseus/schema-internals.ts';
import { descriptorOf, rawOf } from '../../colyseus/schema-internals.ts';
import type { RestoreOptions, Slice } from './assembly.ts';
import { Assembly, finish } from './assembly.ts';
import { restoreEncoder, restoreViews } from './encoder-restore.ts';
import type { NodeId, Problem, StateSnapshot } from './snapshot.ts';

/**
 * Builds a state in this process from a snapshot. Order of use: construct, assign `root` as the room's state (which
 * makes an Encoder), `settle` with that encoder, then put back the extras and hand out the views.
 */
export class StateRestore {
  readonly root: object;
  /** Views by the keys of `StateCapture.viewId`; filled by `settle`. */
  readonly views = new Map<number, StateView>();
  /** What turned out not to have come along. */
  readonly problems: Problem[];
  readonly #snapshot: StateSnapshot;
  readonly #assembly: Assembly;
  /** Slices of a pre-copy that came too late to be built before. */
  readonly #slices: StateSnapshot[];

  /**
   * @param rootClass class of the state here
   * @param existing  state that onCreate() built here; its instances are taken over where possible
   * @param base      what a pre-copy has built (see `PreCopyTarget.finish`); the root stays attached then
   * @throws BATON_SCHEMA_MISMATCH before anything is touched
   */
  constructor(
    snapshot: StateSnapshot,
    rootClass: Function,
    existing?: object,
    options?: RestoreOptions,
    base?: { assembly: Assembly; attached: boolean; rest: Slice[] },
  ) {
    this.#snapshot = snapshot;
    this.#assembly = base?.assembly ?? new Assembly(rootClass, options);
    this.problems = this.#assembly.problems;
    const groups = this.#assembly.resolve(snapshot);
    this.#slices = base?.rest.map((slice) => slice.snapshot) ?? [];
    finish(this.#assembly.apply([...(base?.rest ?? []), { snapshot, groups }], existing as Ref | undefined));
    const { refs } = this.#assembly.builder;
    this.root = base?.attached ? refs[snapshot.root]! : this.#assembly.shield(snapshot.root);
  }

  byId(id: NodeId): object | undefined {
    return this.#assembly.builder.refs[id];
  }

  /**
   * Own properties to put back: each instance with names and values (primitives as they are, the rest as pickled).
   * Properties that the instance does not have over there are removed, functions excepted. Call after `settle`.
   */
  *extras(): Iterable<[object, [string, unknown][]]> {
    for (const slice of this.#slices) yield* this.#assembly.extras(slice);
    for (const entry of this.#assembly.extras(this.#snapshot)) {
      prune(...entry);
      yield entry;
    }
    for (const { id, extras } of this.#snapshot.views) {
      if (extras) yield [this.views.get(id)!, extras];
    }
  }

  /** Continues the source's numbering, queues and views in the encoder that was made for `root`. */
  settle(encoder: Encoder): void {
    const { encoder: record, views } = this.#snapshot;
    const { builder } = this.#assembly;
    this.#assembly.register(encoder);
    restoreEncoder(encoder, record!, builder);
    for (const [id, view] of restoreViews(encoder, views, record!, builder)) this.views.set(id, view);
  }
}

function prune(ref: Ref, entries: [string, unknown][]): void {
  const raw = rawOf(ref);
  const keys = Object.keys(raw);
  if (keys.length === entries.length) return;
  const { metadata } = descriptorOf(raw);
  for (const key of keys) {
    if (metadata?.[key] !== undefined || typeof raw[key] === 'function') continue;
    if (!entries.some(([name]) => name === key)) delete raw[key];
  }
}
