// Pours the columns of a snapshot into instances. Nothing here runs a setter: the change lists stay untouched.

import type { CollectionInternals, Ref, TreeInternals } from '../../colyseus/schema-internals.ts';
import { $childType, collectionOf, setRefId, treeOf, valuesOf } from '../../colyseus/schema-internals.ts';
import type { NodeBuilder, ResolvedGroup } from './builder.ts';
import { holdsRefs } from './kinds.ts';
import type { Column, NodeGroup, Packed } from './snapshot.ts';
import { Kind, Mark, META, NO_REF, NULL_REF } from './snapshot.ts';

export class NodeFiller {
  readonly #refs: Ref[];
  readonly #raws: Ref[];

  constructor(builder: NodeBuilder) {
    this.#refs = builder.refs;
    this.#raws = builder.raws;
  }

  fill({ group, type }: ResolvedGroup): void {
    this.#trees(group);
    if (group.kind === Kind.schema) this.#schemas(group);
    else if (group.kind === Kind.array) this.#arrays(group, type);
    else if (group.kind === Kind.map) this.#maps(group, type);
    else this.#indexed(group, type);
  }

  unpack(value: Packed): unknown {
    return value[0] === -1 ? value[1] : this.#refs[value[0]];
  }

  #reference(id: number): unknown {
    return id >= 0 ? this.#refs[id] : id === NULL_REF ? null : undefined;
  }

  #trees(group: NodeGroup): void {
    const { ids, meta } = group;
    for (let row = 0; row < ids.length; row++) {
      const raw = this.#raws[ids[row]!]!;
      const at = row * META;
      const refId = meta[at + 1]!;
      const parent = meta[at + 3]!;
      const index = meta[at + 4]!;
      const tree = treeOf(raw);
      setRefId(raw, refId === -1 ? undefined : refId);
      resetTree(tree, meta[at]!);
      tree.parentRef = parent === NO_REF ? undefined : this.#refs[parent];
      tree._parentIndex = index === -1 ? undefined : index;
    }
  }

  #schemas(group: NodeGroup): void {
    const { ids, columns } = group;
    if (ids.length === 0) return;
    const types = treeOf(this.#raws[ids[0]!]!).encDescriptor.types;
    for (let field = 0; field < columns.length; field++) {
      const column = columns[field]!;
      if (holdsRefs(types[field])) {
        for (let row = 0; row < ids.length; row++)
          valuesOf(this.#raws[ids[row]!]!)[field] = this.#reference(column[row] as number);
      } else {
        for (let row = 0; row < ids.length; row++) valuesOf(this.#raws[ids[row]!]!)[field] = column[row];
      }
    }
  }

  /** Reads entries of a collection's column: by class all references, by name all plain, else value by value. */
  #entries(type: unknown, column: Column): (at: number) => unknown {
    if (typeof type === 'string') return (at) => column[at];
    if (typeof type === 'function') return (at) => this.#reference(column[at] as number);
    return (at) => this.unpack(column[at] as Packed);
  }

  #arrays(group: NodeGroup, type: unknown): void {
    const entry = this.#entries(type, group.columns[0]!);
    let at = 0;
    for (let row = 0; row < group.ids.length; row++) {
      const raw = this.#raws[group.ids[row]!]!;
      const array = collectionOf(raw);
      if (group.lengths![row] === -1) continue;
      const items: unknown[] = [];
      for (let end = at + group.lengths![row]!; at < end; at++) items.push(entry(at));
      raw[$childType] = type;
      array.items = items;
      array.tmpItems = items.slice();
      array.deletedIndexes = [];
      array.isMovingItems = false;
    }
  }

  #maps(group: NodeGroup, type: unknown): void {
    const entry = this.#entries(type, group.columns[0]!);
    let at = 0;
    for (let row = 0; row < group.ids.length; row++) {
      const raw = this.#raws[group.ids[row]!]!;
      const { $items, journal } = collectionOf(raw);
      raw[$childType] = type;
      journal.snapshots = undefined;
      journal.nextIndex = group.counters![row]!;
      if (group.lengths![row] === -1) continue;
      $items.clear();
      journal.indexByKey = {};
      journal.keyByIndex.clear();
      for (let end = at + group.lengths![row]!; at < end; at++) {
        const key = group.keys![at]!;
        const index = group.indexes![at]!;
        $items.set(key, entry(at));
        journal.keyByIndex.set(index, key);
        journal.indexByKey[key] = index;
      }
    }
  }

  #indexed(group: NodeGroup, type: unknown): void {
    const entry = this.#entries(type, group.columns[0]!);
    const stream = group.kind === Kind.stream;
    let at = 0;
    for (let row = 0; row < group.ids.length; row++) {
      const raw = this.#raws[group.ids[row]!]!;
      const collection = collectionOf(raw);
      raw[$childType] = type;
      if (!stream) collection.deletedItems = {};
      setCounter(collection, stream, group.counters![row]!);
      if (group.lengths![row] === -1) continue;
      collection.$items.clear();
      if (stream) collection._itemIndex.clear();
      for (let end = at + group.lengths![row]!; at < end; at++) {
        const index = group.indexes![at]!;
        const value = entry(at);
        collection.$items.set(index, value);
        if (stream) collection._itemIndex.set(value, index);
      }
    }
  }
}

function setCounter(collection: CollectionInternals, stream: boolean, counter: number): void {
  if (stream) collection.$nextPosition = counter;
  else collection.$refId = counter;
}

/** A tree with nothing recorded, no parents and no views. `root` is left alone: it belongs to the encoder. */
function resetTree(tree: TreeInternals, marks: number): void {
  tree.flags = marks & Mark.flags;
  tree.paused = (marks & Mark.paused) !== 0;
  tree.extraParents = undefined;
  tree.visibleViews = undefined;
  tree.subscribedViews = undefined;
  tree.tagViews = undefined;
  tree._fullSyncGen = 0;
  if (tree._isSchema) {
    tree.dirtyLow = 0;
    tree.dirtyHigh = 0;
    tree.opsLow = 0;
    tree.opsHigh = 0;
    tree.ops?.fill(0);
  } else {
    tree.collDirty?.clear();
    tree.collPureOps = undefined;
  }
  tree.unreliableRecorder?.reset();
}
