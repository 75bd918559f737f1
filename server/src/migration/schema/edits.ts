// What changed in a large collection, so that one new entry among ten thousand does not resend them all.
import type { CollectionInternals } from '../../colyseus/schema-internals.ts';
import type { Edits, Packed } from './snapshot.ts';
import { Kind } from './snapshot.ts';

/** Below this size the whole content goes. */
const WORTHWHILE = 32;

/** Content of a collection at the time it was sent. */
export interface Content {
  values: unknown[];
  /** Map: keys. Set, Collection, Stream: wire indexes. Both in order. */
  keys: unknown[];
  /** Map: the journal in its order. */
  indexes: number[];
  journalKeys: unknown[];
}

/** The difference to `before`, or undefined when sending everything is as good. */
export function editsOf(
  id: number,
  kind: Kind,
  before: Content,
  now: CollectionInternals,
  pack: (value: unknown) => Packed,
): Edits | undefined {
  if (before.values.length < WORTHWHILE) return undefined;
  const edits: Edits = { id, length: 0, out: [], in: [], values: [] };
  if (kind === Kind.array) {
    if (!arrayEdits(before.values, now.items, edits, pack)) return undefined;
  } else {
    const content = difference(before.keys, before.values, now.$items);
    edits.out = content.out as (string | number)[];
    edits.in = content.in as (string | number)[];
    edits.values = content.values.map(pack);
  }
  if (kind === Kind.map) {
    const journal = difference(before.indexes, before.journalKeys, now.journal.keyByIndex);
    edits.journalOut = journal.out as number[];
    edits.journalIn = journal.in as number[];
    edits.journalKeys = journal.values as string[];
  }
  return edits.in.length + edits.out.length > before.values.length / 2 ? undefined : edits;
}

/** A JS Map keeps survivors in order and appends what is new, which one walk over both finds out. */
function difference(keys: unknown[], values: unknown[], now: Map<unknown, unknown>) {
  const edits = { out: [] as unknown[], in: [] as unknown[], values: [] as unknown[] };
  let at = 0;
  for (const [key, value] of now) {
    while (at < keys.length && keys[at] !== key) edits.out.push(keys[at++]);
    if (at < keys.length && Object.is(values[at], value)) {
      at++;
      continue;
    }
    at++;
    edits.in.push(key);
    edits.values.push(value);
  }
  while (at < keys.length) edits.out.push(keys[at++]);
  return edits;
}

function arrayEdits(
  before: unknown[],
  now: unknown[],
  edits: Edits,
  pack: (value: unknown) => Packed,
): boolean {
  edits.length = now.length;
  const limit = before.length / 2;
  for (let i = 0; i < now.length; i++) {
    const value = now[i];
    if (i < before.length && Object.is(value, before[i])) continue;
    if ((value === undefined && !(i in now)) || edits.in.length > limit) return false;
    edits.in.push(i);
    edits.values.push(pack(value));
  }
  return true;
}

/** Counterpart of `editsOf`. */
export function applyEdits(
  edits: Edits,
  collection: CollectionInternals,
  unpack: (value: Packed) => unknown,
): void {
  const values = edits.values.map(unpack);
  const { items, $items, journal, _itemIndex } = collection;
  if (items !== undefined) {
    items.length = edits.length;
    edits.in.forEach((position, i) => {
      items[position as number] = values[i];
    });
    collection.tmpItems = items.slice();
    collection.deletedIndexes = [];
    return;
  }
  for (const key of edits.out) {
    if (_itemIndex !== undefined) _itemIndex.delete($items.get(key));
    $items.delete(key);
  }
  edits.in.forEach((key, i) => {
    $items.set(key, values[i]);
    if (_itemIndex !== undefined) _itemIndex.set(values[i], key as number);
  });
  if (journal === undefined) return;
  for (const index of edits.journalOut!) {
    const key = journal.keyByIndex.get(index)!;
    if (journal.indexByKey[key] === index) delete journal.indexByKey[key];
    journal.keyByIndex.delete(index);
  }
  edits.journalIn!.forEach((index, i) => {
    journal.keyByIndex.set(index, edits.journalKeys![i]!);
    journal.indexByKey[edits.journalKeys![i]!] = index;
  });
}
