// The state under construction on the target, from one snapshot or from the slices of a pre-copy.
import type { Encoder, TypeContext } from '@colyseus/schema';
import { TypeContext as Contexts } from '@colyseus/schema';
import type { Ref, TreeInternals } from '../../colyseus/schema-internals.ts';
import { setTree, treeOf } from '../../colyseus/schema-internals.ts';
import { schemaMismatch } from '../../errors.ts';
import type { Place, ResolvedGroup } from './builder.ts';
import { NodeBuilder } from './builder.ts';
import { register } from './encoder-restore.ts';
import { NodeFiller } from './filler.ts';
import { readRarities } from './rare-reader.ts';
import type { SchemaDescription } from './reflection.ts';
import { schemaDifference, schemaText } from './reflection.ts';
import type { NodeGroup, NodeId, Problem, StateSnapshot } from './snapshot.ts';
import { SNAPSHOT_VERSION } from './snapshot.ts';

export interface RestoreOptions {
  /** For the texts of errors. */
  place?: Place;
  /** Classes of instances that only room fields hold and that no field of the state's classes names. */
  classes?: ReadonlyMap<string, Function>;
}

/** A snapshot (or a slice of one) with its classes here. */
export interface Slice {
  snapshot: StateSnapshot;
  groups: ResolvedGroup[];
}

export class Assembly {
  readonly builder: NodeBuilder;
  readonly problems: Problem[] = [];
  readonly #context: TypeContext;
  readonly #rootClass: Function;
  readonly #place: Place;
  readonly #filler: NodeFiller;
  /** Groups whose instances the encoder does not know yet. */
  #unregistered: NodeGroup[] = [];
  #shielded: { raw: Ref; tree: TreeInternals } | undefined;

  constructor(rootClass: Function, options: RestoreOptions = {}) {
    this.#context = Contexts.cache(rootClass as never);
    this.#rootClass = rootClass;
    this.#place = options.place ?? {};
    this.builder = new NodeBuilder(this.#context, options.place, options.classes);
    this.#filler = new NodeFiller(this.builder);
  }

  /** Classes of a snapshot in this process. Throws schemaMismatch when they differ; nothing was touched then. */
  resolve(snapshot: StateSnapshot): ResolvedGroup[] {
    const where = { roomName: this.#rootClass.name, host: 'this host', ...this.#place };
    if (snapshot.version !== SNAPSHOT_VERSION) {
      const reason = `the snapshot has version ${snapshot.version}, this host reads ${SNAPSHOT_VERSION}`;
      throw schemaMismatch({ ...where, reason });
    }
    const mine = schemaText(this.#context, this.#rootClass);
    if (mine !== snapshot.schema) {
      const [here, there] = [mine, snapshot.schema].map((text) => JSON.parse(text) as SchemaDescription);
      const reason = schemaDifference(here!, there!) ?? 'the descriptions differ';
      throw schemaMismatch({ ...where, reason });
    }
    return this.builder.resolve(snapshot);
  }

  /** Makes the instances of all groups, then fills in one snapshot after the other, pausing at every `yield`. */
  *apply(snapshots: Slice[], existing?: Ref): Generator<void> {
    const all = snapshots.flatMap(({ groups }) => groups);
    const root = snapshots[0]?.snapshot.root;
    yield* this.builder.build(all, existing && root !== undefined ? { root, state: existing } : undefined);
    for (const { snapshot, groups } of snapshots) {
      for (const group of groups) {
        this.#filler.fill(group);
        this.#unregistered.push(group.group);
      }
      readRarities(snapshot.rare, this.builder, this.#filler, this.problems);
      yield;
    }
  }

  /**
   * An Encoder's constructor walks the whole state, hands out ids and queues everything as new. `register` does
   * better, so until then the root carries a tree that ignores the call.
   */
  shield(root: NodeId): Ref {
    const raw = this.builder.raws[root]!;
    const tree = treeOf(raw);
    this.#shielded = { raw, tree };
    setTree(raw, { ref: tree.ref, setRoot: () => {} });
    return this.builder.refs[root]!;
  }

  /** Makes the instances filled in since the last call known to the encoder. */
  register(encoder: Encoder): void {
    if (this.#shielded) setTree(this.#shielded.raw, this.#shielded.tree);
    this.#shielded = undefined;
    register(encoder, this.#unregistered, this.builder);
    this.#unregistered = [];
  }

  /** Instances with the non-synced properties that a snapshot gives them. */
  *extras({ extras }: StateSnapshot): Generator<[Ref, [string, unknown][]]> {
    const { ids, shape, shapes, values } = extras;
    for (let i = 0, at = 0; i < ids.length; i++) {
      const entries = shapes[shape[i]!]!.map((name): [string, unknown] => [name, values[at++]]);
      yield [this.builder.refs[ids[i]!]!, entries];
    }
  }
}

/** Runs what can pause without a pause. */
export function finish(work: Generator<void>): void {
  while (!work.next().done);
}
