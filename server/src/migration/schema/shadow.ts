// What the target of a pre-copy holds of each instance, kept so that the freeze can tell at a glance what changed.
// The change lists alone would not do: untracked writes, view visibility, flags and non-synced properties bypass them.
import type {
  CollectionInternals,
  Ref,
  RootInternals,
  TreeInternals,
} from '../../colyseus/schema-internals.ts';
import {
  $childType,
  collectionOf,
  descriptorOf,
  refIdOf,
  treeOf,
  valuesOf,
} from '../../colyseus/schema-internals.ts';
import type { Content } from './edits.ts';
import { editsOf } from './edits.ts';
import { isPrimitive } from './extras-writer.ts';
import { kindOf } from './kinds.ts';
import { marksOf } from './rare-writer.ts';
import type { Edits, NodeId, Packed } from './snapshot.ts';
import { Kind } from './snapshot.ts';

interface Shadow {
  kind: Kind | undefined;
  /** Cannot be compared cheaply, so it counts as changed. */
  always: boolean;
  marks: number;
  refId: number | undefined;
  refCount: number | undefined;
  parent: Ref | undefined;
  index: number | undefined;
  visible: number[] | undefined;
  subscribed: number[] | undefined;
  /** Schema: its fields. Collection: its content, compared with `content` below. */
  values: unknown[];
  content: Content | undefined;
  counter: number;
  type: unknown;
  /** Non-synced properties as sent, or undefined when the instance has none. */
  extras: ShadowExtras | undefined;
}

interface ShadowExtras {
  keys: string[];
  values: unknown[];
  /** Some are no primitives: they are pickled at the freeze in any case. */
  deep: boolean;
}

export class Shadows {
  readonly #root: RootInternals;
  readonly #shadows: Shadow[] = [];

  constructor(root: RootInternals) {
    this.#root = root;
  }

  /** Notes the instance as it is now. */
  take(id: NodeId, raw: Ref): void {
    const tree = treeOf(raw);
    const kind = kindOf(raw);
    const refId = refIdOf(raw);
    const shadow: Shadow = {
      kind,
      always: isDirty(tree) || tree.extraParents !== undefined || tree.tagViews !== undefined,
      marks: marksOf(tree, this.#root, refId),
      refId,
      refCount: refId === undefined ? undefined : this.#root.refCount[refId],
      parent: tree.parentRef,
      index: tree._parentIndex,
      visible: tree.visibleViews?.slice(),
      subscribed: tree.subscribedViews?.slice(),
      values: [],
      content: undefined,
      counter: 0,
      type: undefined,
      extras: undefined,
    };
    if (kind === Kind.schema) takeSchema(shadow, raw);
    else if (kind !== undefined) takeCollection(shadow, kind, raw);
    this.#shadows[id] = shadow;
  }

  /** True: the target's copy of the instance is good, apart from extras. */
  holds(id: NodeId, raw: Ref): boolean {
    const shadow = this.#shadows[id];
    if (shadow === undefined || shadow.always) return false;
    const tree = treeOf(raw);
    const { refId } = shadow;
    if (refIdOf(raw) !== refId || marksOf(tree, this.#root, refId) !== shadow.marks) return false;
    if (refId !== undefined && this.#root.refCount[refId] !== shadow.refCount) return false;
    if (tree.parentRef !== shadow.parent || tree._parentIndex !== shadow.index) return false;
    if (tree.extraParents !== undefined || tree.tagViews !== undefined || isDirty(tree)) return false;
    if (!sameBits(tree.visibleViews, shadow.visible) || !sameBits(tree.subscribedViews, shadow.subscribed))
      return false;
    if (shadow.kind === Kind.schema) return same(valuesOf(raw), shadow.values);
    return holdsCollection(shadow, raw);
  }

  /** What changed in the content of a large collection, if that is less than the content. */
  edits(id: NodeId, raw: Ref, pack: (value: unknown) => Packed): Edits | undefined {
    const shadow = this.#shadows[id];
    if (shadow?.content === undefined || raw[$childType] !== shadow.type) return undefined;
    return editsOf(id, shadow.kind!, shadow.content, collectionOf(raw), pack);
  }

  /** Own enumerable names when the extras have to be sent again, else undefined. */
  changedExtras(id: NodeId, raw: Ref): string[] | undefined {
    const shadow = this.#shadows[id];
    if (shadow?.kind !== Kind.schema) return undefined;
    const keys = Object.keys(raw);
    const { extras } = shadow;
    if (extras === undefined) return keys.length > 0 ? keys : undefined;
    if (extras.deep || keys.length !== extras.keys.length) return keys;
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] !== extras.keys[i] || !Object.is(raw[keys[i]!], extras.values[i])) return keys;
    }
    return undefined;
  }
}

const manual = new Map<Function, boolean>();

/** Classes with `manual: true` fields keep those as own properties and record nothing when they change. */
function hasManualFields(raw: Ref): boolean {
  const klass = raw.constructor as Function;
  let found = manual.get(klass);
  if (found === undefined) {
    found = descriptorOf(raw).names.some(
      (name) => name !== undefined && !accessorOf(klass.prototype, name)?.get,
    );
    manual.set(klass, found);
  }
  return found;
}

function accessorOf(prototype: object | null, name: string): PropertyDescriptor | undefined {
  for (let at = prototype; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return found;
  }
  return undefined;
}

function takeSchema(shadow: Shadow, raw: Ref): void {
  shadow.values = valuesOf(raw).slice();
  if (hasManualFields(raw)) shadow.always = true;
  const keys = Object.keys(raw);
  if (keys.length === 0) return;
  const { metadata } = descriptorOf(raw);
  const values: unknown[] = [];
  let deep = false;
  for (const key of keys) {
    if (metadata?.[key] !== undefined) shadow.always = true;
    const property = Object.getOwnPropertyDescriptor(raw, key)!;
    if (!('value' in property) || !isPrimitive(property.value)) deep = true;
    values.push(property.value);
  }
  shadow.extras = { keys, values, deep };
}

function takeCollection(shadow: Shadow, kind: Kind, raw: Ref): void {
  const collection = collectionOf(raw);
  shadow.type = raw[$childType];
  if (collection._stream !== undefined || typeof shadow.type === 'object') shadow.always = true;
  if (kind === Kind.array) {
    shadow.content = { values: collection.items.slice(), keys: [], indexes: [], journalKeys: [] };
    if (isStaged(collection)) shadow.always = true;
    return;
  }
  shadow.counter = counterOf(collection, kind);
  const content: Content = {
    values: [...collection.$items.values()],
    keys: [...collection.$items.keys()],
    indexes: [],
    journalKeys: [],
  };
  shadow.content = content;
  if (kind === Kind.map) {
    content.indexes = [...collection.journal.keyByIndex.keys()];
    content.journalKeys = [...collection.journal.keyByIndex.values()];
    if ((collection.journal.snapshots?.size ?? 0) > 0) shadow.always = true;
  } else if (kind !== Kind.stream && hasKeys(collection.deletedItems)) shadow.always = true;
}

function holdsCollection(shadow: Shadow, raw: Ref): boolean {
  const collection = collectionOf(raw);
  if (raw[$childType] !== shadow.type || collection._stream !== undefined) return false;
  const content = shadow.content!;
  if (shadow.kind === Kind.array) return same(collection.items, content.values) && !isStaged(collection);
  if (counterOf(collection, shadow.kind!) !== shadow.counter) return false;
  if (!sameEntries(collection.$items, content.keys, content.values)) return false;
  if (shadow.kind === Kind.stream) return true;
  if (shadow.kind !== Kind.map) return !hasKeys(collection.deletedItems);
  const { journal } = collection;
  return (
    (journal.snapshots?.size ?? 0) === 0 &&
    sameEntries(journal.keyByIndex, content.indexes, content.journalKeys)
  );
}

function sameEntries(now: Map<unknown, unknown>, keys: unknown[], values: unknown[]): boolean {
  if (now.size !== keys.length) return false;
  let i = 0;
  for (const [key, value] of now) {
    if (key !== keys[i] || !Object.is(value, values[i])) return false;
    i++;
  }
  return true;
}

const counterOf = (collection: CollectionInternals, kind: Kind): number =>
  kind === Kind.map
    ? collection.journal.nextIndex
    : kind === Kind.stream
      ? collection.$nextPosition
      : collection.$refId;

function isStaged({ items, tmpItems, deletedIndexes }: CollectionInternals): boolean {
  return deletedIndexes.length > 0 || !same(tmpItems, items);
}

function isDirty(tree: TreeInternals): boolean {
  if (tree.unreliableRecorder?.has()) return true;
  if (tree._isSchema) return (tree.dirtyLow | tree.dirtyHigh | tree.opsLow | tree.opsHigh) !== 0;
  return (tree.collDirty?.size ?? 0) > 0 || (tree.collPureOps?.length ?? 0) > 0;
}

function sameBits(a: number[] | undefined, b: number[] | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && same(a, b));
}

function same(a: unknown[], b: unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

function hasKeys(object: object): boolean {
  for (const _ in object) return true;
  return false;
}
