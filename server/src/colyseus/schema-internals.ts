// The fields of @colyseus/schema 5 that its types hide and a move has to read or write, listed in one place so
// that an upgrade of the package has one file to check against. Nothing else reaches into the package.

import type { EncodeDescriptor, Encoder, Root, StateView } from '@colyseus/schema';
import { $changes, $refId, $values, getEncodeDescriptor, Metadata } from '@colyseus/schema';

export { $changes, $childType, $numFields, $refId, $values } from '@colyseus/schema';

/** Leads from an `ArraySchema` (a Proxy) to the object behind it; absent on everything that is no Proxy. */
export const $proxyTarget: unique symbol = Symbol.for('$proxyTarget') as never;

/** Any instance that an encoder tracks, with the package's own symbols as plain properties. */
export type Ref = { [key: PropertyKey]: any };
export type SchemaClass = (new (...args: any[]) => Ref) & { [key: PropertyKey]: any };

/** A node of the two queues "has changes for the next patch"; only the order of nodes carries meaning. */
export interface QueueNode {
  changeTree: TreeInternals;
  next?: QueueNode;
  prev?: QueueNode;
  position: number;
}

/** One queue: `next` is its head. `nextPosition` restarts at 0 when the queue was empty. */
export interface QueueInternals {
  next?: QueueNode;
  tail?: QueueNode;
  nextPosition: number;
}

/** Second and further parents of an instance that sits in several places. */
export interface ParentLink {
  ref: Ref;
  index: number;
  next: ParentLink | undefined;
}

/** Changes of `@unreliable` fields (`SchemaChangeRecorder`); same layout as the reliable ones on the tree. */
export interface UnreliableRecorder {
  dirtyLow: number;
  dirtyHigh: number;
  ops: Uint8Array;
  has(): boolean;
  reset(): void;
}

/** `ChangeTree`: what the encoder knows about one instance. Declared public upstream, though not documented. */
export interface TreeInternals {
  ref: Ref;
  refTarget: Ref;
  root: RootInternals | undefined;
  encDescriptor: EncodeDescriptor;
  /** First parent; kept (dangling) after the instance left its collection. */
  parentRef: Ref | undefined;
  _parentIndex: number | undefined;
  extraParents: ParentLink | undefined;
  /** Bit field. */
  flags: number;
  /** Stamp of the last full-state walk; must differ from the encoder's next one. */
  _fullSyncGen: number;
  /** False for collections, and for a Schema class without any field. */
  _isSchema: boolean;
  dirtyLow: number;
  dirtyHigh: number;
  opsLow: number;
  opsHigh: number;
  ops: Uint8Array | undefined;
  collDirty: Map<number, number> | undefined;
  collPureOps: [number, number][] | undefined;
  unreliableRecorder: UnreliableRecorder | undefined;
  /** `pauseTracking()` was called. */
  paused: boolean;
  changesNode: QueueNode | undefined;
  unreliableChangesNode: QueueNode | undefined;
  /** Bit `viewId & 31` of slot `viewId >> 5`: that view sees the instance. */
  visibleViews: number[] | undefined;
  subscribedViews: number[] | undefined;
  /** Per tag bit, the views that hold it on this instance. */
  tagViews: Map<number, number[]> | undefined;
  ensureUnreliableRecorder(): UnreliableRecorder;
}

/** `_stream` of a collection declared with `.stream()`: what each view got and still waits for. */
export interface StreamState {
  pendingByView: Map<number, Set<number>>;
  sentByView: Map<number, Set<number>>;
  broadcastPending: Set<number>;
  sentBroadcast: Set<number>;
  broadcastDeletes: Set<number>;
  maxPerTick: number;
  priority?: (view: unknown, element: unknown) => number;
  priorityByView?: Map<number, (element: unknown) => number>;
}

/** `Root`: ids, reference counts, queues and views of one encoder. */
export interface RootInternals {
  /** protected: the id that the next new instance gets. Ids are never used twice. */
  nextUniqueId: number;
  refCount: Record<number, number>;
  changeTrees: Record<number, TreeInternals>;
  changes: QueueInternals;
  unreliableChanges: QueueInternals;
  pendingFilterRefresh: TreeInternals[];
  /** private: the first view id that was never given out. */
  _nextViewId: number;
  /** private: ids of disposed views; the last one is given out first. */
  _freeViewIds: number[];
  activeViews: Map<number, WeakRef<StateView>>;
  streamTrees: Set<Ref>;
  enqueueChangeTree(tree: TreeInternals): void;
  enqueueUnreliable(tree: TreeInternals): void;
}

/** `StateView`: `_bindRoot` takes the id on top of the root's free list and registers the view. */
export interface ViewInternals {
  id: number;
  iterable: boolean;
  items: Ref[] | undefined;
  /** refId → (field index, or the tree of an array's element) → operation: sent with the view's next patch. */
  changes: Map<number, Map<number | TreeInternals, number>>;
  _bindRoot(root: RootInternals): void;
}

/** `MapSchema.journal`: the wire index of each key. */
export interface JournalInternals {
  keyByIndex: Map<number, string>;
  indexByKey: Record<string, number>;
  nextIndex: number;
  /** Values removed since the last patch, by wire index. */
  snapshots: Map<number, unknown> | undefined;
}

/** The object behind any of the five collections; each has some of these. */
export interface CollectionInternals {
  /** Map, Set, Collection, Stream: user-visible content in order (Map: by key, others: by wire index). */
  $items: Map<any, unknown>;
  journal: JournalInternals;
  /** Array: content, content as of the last patch with changes staged, and which staged slots are deleted. */
  items: unknown[];
  tmpItems: unknown[];
  deletedIndexes: boolean[];
  isMovingItems: boolean;
  /** Set and Collection: next wire index (a plain property that happens to be called like the symbol). */
  $refId: number;
  /** Set and Collection: values removed since the last patch, by wire index. */
  deletedItems: Record<string, unknown>;
  /** Stream: next wire index, and the way back from element to index. */
  $nextPosition: number;
  _itemIndex: Map<unknown, number>;
  _stream: StreamState | undefined;
}

/** The object behind a Proxy, or the instance itself. */
export const rawOf = (ref: Ref): Ref => ref[$proxyTarget] ?? ref;
export const treeOf = (ref: Ref): TreeInternals => ref[$changes] as unknown as TreeInternals;
export const rootOf = (encoder: Encoder): RootInternals => encoder.root as Root as unknown as RootInternals;
export const valuesOf = (ref: Ref): unknown[] => ref[$values] as unknown[];
export const refIdOf = (ref: Ref): number | undefined => ref[$refId] as number | undefined;
export const collectionOf = (ref: Ref): CollectionInternals => ref as unknown as CollectionInternals;
export const viewOf = (view: StateView): ViewInternals => view as unknown as ViewInternals;

/** Field names, types and tags of a class in index order, as the encoder sees them. */
export const descriptorOf = (ref: Ref): EncodeDescriptor => getEncodeDescriptor(ref as never);

/** The `.priority(fn)` that a stream field declares. */
export const declaredPriority = (metadata: unknown, index: number): StreamState['priority'] =>
  Metadata.getStreamPriority(metadata as never, index) as StreamState['priority'];

/** Sets `$refId` as `Root.add` does: hidden from enumeration. */
export function setRefId(ref: Ref, refId: number | undefined): void {
  if (Object.hasOwn(ref, $refId)) ref[$refId] = refId;
  else if (refId !== undefined)
    Object.defineProperty(ref, $refId, { value: refId, enumerable: false, writable: true });
}

/** Sets `$changes` as the package's constructors do. */
export function setTree(ref: Ref, tree: unknown): void {
  Object.defineProperty(ref, $changes, { value: tree, enumerable: false, writable: true });
}
