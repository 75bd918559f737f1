// Writes single instances into the columns of a snapshot.

import type { CollectionInternals, Ref, TreeInternals } from '../../colyseus/schema-internals.ts';
import {
  $childType,
  $numFields,
  collectionOf,
  declaredPriority,
  descriptorOf,
  rawOf,
  refIdOf,
  treeOf,
  valuesOf,
} from '../../colyseus/schema-internals.ts';
import { packColumn } from './columns.ts';
import { ExtrasWriter } from './extras-writer.ts';
import { holdsRefs, isSchemaInstance, kindOf } from './kinds.ts';
import { marksOf, writeRarities } from './rare-writer.ts';
import type { Edits, NodeGroup, NodeId, Packed, Rarities, StreamRecord, TypeRef } from './snapshot.ts';
import { Kind, META, NO_REF, NULL_REF } from './snapshot.ts';
import type { WriterContext } from './writer-context.ts';
import { emptyRarities } from './writer-context.ts';

interface OpenGroup {
  kind: Kind;
  type: TypeRef;
  /** Schema: per field, whether it holds a reference. Collection: one entry; `mixed` decides value by value. */
  holds: ('refs' | 'plain' | 'mixed')[];
  names: string[];
  className: string;
  metadata: Record<PropertyKey, unknown> | undefined;
  ids: number[];
  meta: number[];
  columns: unknown[][];
  lengths: number[];
  counters: number[];
  keys: string[];
  indexes: number[];
}

export class NodeWriter {
  readonly #context: WriterContext;
  readonly #groups = new Map<unknown, Map<unknown, OpenGroup>>();
  readonly rare = emptyRarities();
  readonly extras: ExtrasWriter;

  constructor(context: WriterContext) {
    this.#context = context;
    this.extras = new ExtrasWriter(context);
  }

  /** Appends one instance. False: it is of a class that cannot be built again (reported as a problem). */
  write(id: NodeId, raw: Ref, edits?: Edits): boolean {
    const kind = kindOf(raw);
    if (kind === undefined) {
      this.#context.problem({
        path: `${raw.constructor.name}`,
        what: `a state holds a ${raw.constructor.name}, a class of collection that is not known`,
        hint: 'use ArraySchema, MapSchema, SetSchema, CollectionSchema or StreamSchema themselves',
      });
      return false;
    }
    const group = this.#group(kind, raw);
    const tree = treeOf(raw);
    group.ids.push(id);
    this.#meta(group.meta, tree, raw);
    if (kind === Kind.schema) this.#schema(group, id, raw);
    else this.#collection(group, id, raw, edits);
    writeRarities(this.rare, this.#context, id, tree);
    return true;
  }

  groups(): NodeGroup[] {
    const out: NodeGroup[] = [];
    for (const byType of this.#groups.values()) for (const group of byType.values()) out.push(close(group));
    return out;
  }

  rarities(): Rarities {
    const { rare } = this;
    const ints = (list: number[]) => Int32Array.from(list);
    return {
      ...rare,
      visible: ints(rare.visible),
      subscribed: ints(rare.subscribed),
      tags: ints(rare.tags),
      extraParents: ints(rare.extraParents),
      dirty: ints(rare.dirty),
      unreliable: ints(rare.unreliable),
      holes: ints(rare.holes),
    };
  }

  pack(value: unknown): Packed {
    return isSchemaInstance(value) ? [this.#context.idOf(value as Ref)] : [-1, value];
  }

  #group(kind: Kind, raw: Ref): OpenGroup {
    const outer = kind === Kind.schema ? Kind.schema : kind;
    const type = kind === Kind.schema ? raw.constructor : raw[$childType];
    let byType = this.#groups.get(outer);
    if (!byType) this.#groups.set(outer, (byType = new Map()));
    let group = byType.get(type);
    if (!group) byType.set(type, (group = this.#open(kind, type, raw)));
    return group;
  }

  #open(kind: Kind, type: unknown, raw: Ref): OpenGroup {
    const holds: OpenGroup['holds'] = [];
    let names: string[] = [];
    let metadata: OpenGroup['metadata'];
    if (kind === Kind.schema) {
      const descriptor = descriptorOf(raw);
      metadata = descriptor.metadata;
      names = descriptor.names;
      const last = (metadata?.[$numFields] as number | undefined) ?? -1;
      for (let i = 0; i <= last; i++) holds.push(holdsRefs(descriptor.types[i]) ? 'refs' : 'plain');
    } else {
      holds.push(typeof type === 'string' ? 'plain' : typeof type === 'function' ? 'refs' : 'mixed');
    }
    return {
      kind,
      type: this.#context.typeRef(type),
      holds,
      names,
      metadata,
      className: raw.constructor.name,
      ids: [],
      meta: [],
      columns: holds.map(() => []),
      lengths: [],
      counters: [],
      keys: [],
      indexes: [],
    };
  }

  #meta(meta: number[], tree: TreeInternals, raw: Ref): void {
    const { root } = this.#context;
    const refId = refIdOf(raw);
    const parent = tree.parentRef;
    meta.push(
      marksOf(tree, root, refId),
      refId ?? -1,
      refId === undefined ? -1 : (root.refCount[refId] ?? -1),
      parent === undefined ? NO_REF : this.#context.idOf(parent),
      tree._parentIndex ?? -1,
    );
  }

  #schema(group: OpenGroup, id: NodeId, raw: Ref): void {
    const values = valuesOf(raw);
    const { holds, columns } = group;
    for (let i = 0; i < holds.length; i++) {
      const value = values[i];
      columns[i]!.push(holds[i] === 'plain' ? value : this.#reference(value, group, i));
    }
    const keys = Object.keys(raw);
    if (keys.length === 0) return;
    this.extras.write(id, raw, keys);
    for (const key of keys) {
      if (group.metadata?.[key] !== undefined)
        this.rare.own.push({ id, name: key, value: this.pack(raw[key]) });
    }
  }

  #reference(value: unknown, group: OpenGroup, index: number): number {
    if (value === undefined) return NO_REF;
    if (value === null) return NULL_REF;
    if (isSchemaInstance(value)) return this.#context.idOf(value as Ref);
    this.#context.problem({
      path: `${group.className}.${group.names[index] ?? index}`,
      what: 'the field holds an object that the encoder does not track',
      hint: 'assign an instance of a Schema class',
    });
    return NO_REF;
  }

  #collection(group: OpenGroup, id: NodeId, raw: Ref, edits?: Edits): void {
    const collection = collectionOf(raw);
    const whole = edits === undefined;
    if (edits) {
      group.lengths.push(-1);
      this.rare.edits.push(edits);
    }
    if (group.kind === Kind.array) this.#array(group, id, collection, whole);
    else if (group.kind === Kind.map) this.#map(group, id, collection, whole);
    else this.#indexed(group, id, collection, whole);
    if (collection._stream) this.rare.streams.push(streamRecord(id, collection, treeOf(raw), this.#context));
  }

  #entry(group: OpenGroup, value: unknown): void {
    const holds = group.holds[0];
    const column = group.columns[0]!;
    if (holds === 'plain') column.push(value);
    else if (holds === 'refs') column.push(this.#reference(value, group, 0));
    else column.push(this.pack(value));
  }

  #array(group: OpenGroup, id: NodeId, array: CollectionInternals, whole: boolean): void {
    const { items, tmpItems, deletedIndexes } = array;
    if (whole) group.lengths.push(items.length);
    let same = tmpItems.length === items.length && deletedIndexes.length === 0;
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (item === undefined && !(i in items)) this.rare.holes.push(id, i);
      if (same && !Object.is(item, tmpItems[i])) same = false;
      if (whole) this.#entry(group, item);
    }
    if (same) return;
    const deleted: number[] = [];
    deletedIndexes.forEach((flag, index) => {
      if (flag) deleted.push(index);
    });
    this.rare.staged.push({
      id,
      items: tmpItems.map((item) => this.pack(item)),
      deleted,
      marks: deletedIndexes.length,
    });
  }

  #map(group: OpenGroup, id: NodeId, map: CollectionInternals, whole: boolean): void {
    const { journal } = map;
    group.counters.push(journal.nextIndex);
    if (whole) this.#mapContent(group, id, map);
    if (journal.snapshots !== undefined && journal.snapshots.size > 0) {
      this.rare.removed.push({
        id,
        indexes: [...journal.snapshots.keys()],
        values: [...journal.snapshots.values()].map((value) => this.pack(value)),
      });
    }
  }

  #mapContent(group: OpenGroup, id: NodeId, { $items, journal }: CollectionInternals): void {
    group.lengths.push($items.size);
    const order = journal.keyByIndex.keys();
    let plain = journal.keyByIndex.size === $items.size;
    for (const [key, value] of $items) {
      const index = journal.indexByKey[key] ?? -1;
      if (plain && order.next().value !== index) plain = false;
      group.keys.push(key);
      group.indexes.push(index);
      this.#entry(group, value);
    }
    if (plain) return;
    const { keyByIndex } = journal;
    this.rare.journals.push({ id, indexes: [...keyByIndex.keys()], keys: [...keyByIndex.values()] });
  }

  #indexed(group: OpenGroup, id: NodeId, collection: CollectionInternals, whole: boolean): void {
    const stream = group.kind === Kind.stream;
    group.counters.push(stream ? collection.$nextPosition : collection.$refId);
    if (whole) {
      group.lengths.push(collection.$items.size);
      for (const [index, value] of collection.$items) {
        group.indexes.push(index);
        this.#entry(group, value);
      }
    }
    if (stream) return;
    const removed = Object.keys(collection.deletedItems);
    if (removed.length === 0) return;
    this.rare.removed.push({
      id,
      indexes: removed.map(Number),
      values: removed.map((index) => this.pack(collection.deletedItems[index])),
    });
  }
}

function close(group: OpenGroup): NodeGroup {
  const { kind } = group;
  const out: NodeGroup = {
    kind,
    type: group.type,
    ids: Int32Array.from(group.ids),
    meta: Int32Array.from(group.meta),
    columns: group.columns.map(packColumn),
  };
  if (group.meta.length !== group.ids.length * META) throw new RangeError('meta and ids of a group differ');
  if (kind === Kind.schema) return out;
  out.lengths = Int32Array.from(group.lengths);
  if (kind === Kind.array) return out;
  out.counters = Int32Array.from(group.counters);
  out.indexes = Int32Array.from(group.indexes);
  if (kind === Kind.map) out.keys = group.keys;
  return out;
}

function streamRecord(
  id: NodeId,
  collection: CollectionInternals,
  tree: TreeInternals,
  context: WriterContext,
): StreamRecord {
  const stream = collection._stream!;
  if (stream.priorityByView !== undefined && stream.priorityByView.size > 0) {
    context.problem({
      path: 'StateView.subscribe',
      what: 'a priority function was given to subscribe(); functions cannot move',
      hint: 'declare the priority with the field: t.stream(…).priority(fn)',
    });
  }
  const lists = (map: Map<number, Set<number>>): [number, number[]][] =>
    [...map].map(([view, set]) => [view, [...set]]);
  const parent = tree.parentRef && treeOf(rawOf(tree.parentRef));
  const declared =
    parent && tree._parentIndex !== undefined
      ? declaredPriority(parent.encDescriptor.metadata, tree._parentIndex)
      : undefined;
  return {
    id,
    pending: lists(stream.pendingByView),
    sent: lists(stream.sentByView),
    broadcastPending: [...stream.broadcastPending],
    sentBroadcast: [...stream.sentBroadcast],
    broadcastDeletes: [...stream.broadcastDeletes],
    maxPerTick: stream.maxPerTick,
    ownPriority: stream.priority !== declared,
  };
}
