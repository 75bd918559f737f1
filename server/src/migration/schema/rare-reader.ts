import type { ParentLink, Ref, StreamState, TreeInternals } from '../../colyseus/schema-internals.ts';
import { collectionOf, declaredPriority, rawOf, treeOf } from '../../colyseus/schema-internals.ts';
import type { NodeBuilder } from './builder.ts';
import { IntReader } from './columns.ts';
import { applyEdits } from './edits.ts';
import type { NodeFiller } from './filler.ts';
import type { Problem, Rarities, StreamRecord } from './snapshot.ts';

/** Counterpart of `writeRarities` and of the rare parts of `NodeWriter`; runs after all columns are in place. */
export function readRarities(
  rare: Rarities,
  builder: NodeBuilder,
  filler: NodeFiller,
  problems: Problem[],
): void {
  const { raws, refs } = builder;
  const treeAt = (id: number): TreeInternals => treeOf(raws[id]!);
  readBits(rare, treeAt);
  readParents(rare.extraParents, treeAt, refs);
  readChanges(rare.dirty, treeAt);
  readUnreliable(rare.unreliable, treeAt);
  for (const edits of rare.edits)
    applyEdits(edits, collectionOf(raws[edits.id]!), (value) => filler.unpack(value));
  for (let i = 0; i < rare.holes.length; i += 2) {
    const array = collectionOf(raws[rare.holes[i]!]!);
    delete array.items[rare.holes[i + 1]!];
    delete array.tmpItems[rare.holes[i + 1]!];
  }
  for (const { id, items, deleted, marks } of rare.staged) {
    const array = collectionOf(raws[id]!);
    array.tmpItems = items.map((item) => filler.unpack(item));
    array.deletedIndexes = new Array<boolean>(marks).fill(false);
    for (const index of deleted) array.deletedIndexes[index] = true;
  }
  for (const { id, indexes, keys } of rare.journals) {
    const { journal } = collectionOf(raws[id]!);
    journal.keyByIndex = new Map(indexes.map((index, i) => [index, keys[i]!]));
    for (const [index, key] of journal.keyByIndex) journal.indexByKey[key] = index;
  }
  for (const { id, indexes, values } of rare.removed) {
    const collection = collectionOf(raws[id]!);
    const entries = indexes.map((index, i) => [index, filler.unpack(values[i]!)] as const);
    if (collection.journal !== undefined) collection.journal.snapshots = new Map(entries);
    else collection.deletedItems = Object.fromEntries(entries);
  }
  for (const { id, name, value } of rare.own) raws[id]![name] = filler.unpack(value);
  for (const stream of rare.streams) readStream(stream, raws[stream.id]!, problems);
}

function readBits(rare: Rarities, treeAt: (id: number) => TreeInternals): void {
  for (const reader = new IntReader(rare.visible); reader.more; ) {
    const tree = treeAt(reader.next());
    tree.visibleViews = reader.take(reader.next());
  }
  for (const reader = new IntReader(rare.subscribed); reader.more; ) {
    const tree = treeAt(reader.next());
    tree.subscribedViews = reader.take(reader.next());
  }
  for (const reader = new IntReader(rare.tags); reader.more; ) {
    const tree = treeAt(reader.next());
    tree.tagViews = new Map();
    for (let count = reader.next(); count > 0; count--) {
      const tag = reader.next();
      tree.tagViews.set(tag, reader.take(reader.next()));
    }
  }
}

function readParents(ints: Int32Array, treeAt: (id: number) => TreeInternals, refs: Ref[]): void {
  for (const reader = new IntReader(ints); reader.more; ) {
    const tree = treeAt(reader.next());
    let tail: ParentLink | undefined;
    for (let count = reader.next(); count > 0; count--) {
      const link: ParentLink = { ref: refs[reader.next()]!, index: reader.next(), next: undefined };
      if (tail) tail.next = link;
      else tree.extraParents = link;
      tail = link;
    }
  }
}

function readChanges(ints: Int32Array, treeAt: (id: number) => TreeInternals): void {
  for (const reader = new IntReader(ints); reader.more; ) {
    const tree = treeAt(reader.next());
    if (reader.next() === 0) {
      tree.dirtyLow = reader.next();
      tree.dirtyHigh = reader.next();
      tree.opsLow = reader.next();
      tree.opsHigh = reader.next();
      const ops = reader.take(reader.next());
      tree.ops?.set(ops);
      continue;
    }
    for (let count = reader.next(); count > 0; count--) tree.collDirty!.set(reader.next(), reader.next());
    for (let count = reader.next(); count > 0; count--)
      (tree.collPureOps ??= []).push([reader.next(), reader.next()]);
  }
}

function readUnreliable(ints: Int32Array, treeAt: (id: number) => TreeInternals): void {
  for (const reader = new IntReader(ints); reader.more; ) {
    const recorder = treeAt(reader.next()).ensureUnreliableRecorder();
    recorder.dirtyLow = reader.next();
    recorder.dirtyHigh = reader.next();
    recorder.ops.set(reader.take(reader.next()));
  }
}

function readStream(record: StreamRecord, raw: Ref, problems: Problem[]): void {
  const collection = collectionOf(raw);
  const tree = treeOf(raw);
  const parent = tree.parentRef && treeOf(rawOf(tree.parentRef));
  const declared =
    parent && tree._parentIndex !== undefined
      ? declaredPriority(parent.encDescriptor.metadata, tree._parentIndex)
      : undefined;
  const priority = record.ownPriority ? collection._stream?.priority : declared;
  if (record.ownPriority && priority === undefined) {
    problems.push({
      path: 'stream.priority',
      what: 'a priority function was set on a stream after onCreate(); functions cannot move',
      hint: 'declare the priority with the field: t.stream(…).priority(fn)',
    });
  }
  const sets = (lists: [number, number[]][]) => new Map(lists.map(([view, list]) => [view, new Set(list)]));
  const stream: StreamState = {
    pendingByView: sets(record.pending),
    sentByView: sets(record.sent),
    broadcastPending: new Set(record.broadcastPending),
    sentBroadcast: new Set(record.sentBroadcast),
    broadcastDeletes: new Set(record.broadcastDeletes),
    maxPerTick: record.maxPerTick,
  };
  if (priority !== undefined) stream.priority = priority;
  collection._stream = stream;
}
