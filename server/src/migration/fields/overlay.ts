// Laying data over existing objects: properties, attributes, frozen objects.
import { infoOf } from './class-info.ts';
import { keyOf } from './symbols.ts';
import type { Pickled, PickledNode, Reference } from './types.ts';

/** Sets an own data property, whatever prototypes and existing accessors say. `bits`: 1 hidden, 2 read-only, 4 fixed. */
export function assign(holder: any, key: string | symbol, value: unknown, bits: number): void {
  if (bits === 0) {
    if (Object.hasOwn(holder, key)) {
      const d = Object.getOwnPropertyDescriptor(holder, key)!;
      if (d.writable || d.set) {
        if (d.writable || !d.configurable) {
          holder[key] = value;
          return;
        }
      } else if (!d.configurable) return;
    } else if (!(key in holder)) {
      holder[key] = value;
      return;
    }
  }
  const d = Object.getOwnPropertyDescriptor(holder, key);
  if (d && !d.configurable) {
    if (d.writable) holder[key] = value;
    return;
  }
  Object.defineProperty(holder, key, {
    value,
    enumerable: (bits & 1) === 0,
    writable: (bits & 2) === 0,
    configurable: (bits & 4) === 0,
  });
}

/**
 * Deletes the properties that the source's object does not have and puts the others into its order, which loops over the
 * object follow. @param keep leaves additional properties: all of them, functions only, or none
 */
export function matchKeys(made: any, node: PickledNode, keep: 'all' | 'functions' | 'none'): void {
  const keys = Reflect.ownKeys(made);
  if (keys.length === 0) return;
  const wanted: (string | symbol)[] = [];
  const p = node.p ?? [];
  for (let i = 0; i < p.length; i += 2) {
    const key = keyOf(p[i] as string | Reference, made);
    if (key !== undefined) wanted.push(key);
  }
  let inOrder = true;
  for (let i = 0; i < keys.length && inOrder; i++) inOrder = keys[i] === wanted[i];
  if (inOrder) return;
  const all = new Set(wanted);
  for (const key of keys) {
    if (all.has(key) || keep === 'all') continue;
    if (keep === 'functions' && typeof Object.getOwnPropertyDescriptor(made, key)!.value === 'function')
      continue;
    Reflect.deleteProperty(made, key);
  }
  reorder(made, wanted);
}

/** Takes out and puts back what may be deleted; keys that are missing get a place. */
function reorder(made: any, wanted: readonly (string | symbol)[]): void {
  const left = Reflect.ownKeys(made);
  let same = true;
  for (let i = 0; i < left.length && same; i++) same = left[i] === wanted[i];
  if (same || !Object.isExtensible(made)) return;
  const old = new Map<string | symbol, PropertyDescriptor>();
  for (const key of left) {
    const d = Object.getOwnPropertyDescriptor(made, key)!;
    if (d.configurable && Reflect.deleteProperty(made, key)) old.set(key, d);
  }
  for (const key of wanted) {
    if (Object.hasOwn(made, key)) continue;
    Object.defineProperty(
      made,
      key,
      old.get(key) ?? { value: undefined, writable: true, enumerable: true, configurable: true },
    );
    old.delete(key);
  }
  for (const [key, d] of old) Object.defineProperty(made, key, d);
}

/** 0 ordinary, 1 not extensible, 2 sealed, 3 frozen. */
export const levelOf = (v: object): number =>
  Object.isExtensible(v) ? 0 : Object.isFrozen(v) ? 3 : Object.isSealed(v) ? 2 : 1;

export function seal(made: object, level: number): void {
  if (level === 3) Object.freeze(made);
  else if (level === 2) Object.seal(made);
  else Object.preventExtensions(made);
}

/**
 * Whether a frozen object already holds what was pickled, so that it can stay. Plain data only; anything else says no and
 * a new object is made.
 */
export function equalData(
  node: PickledNode,
  existing: any,
  nodes: readonly PickledNode[],
  seen = new Set<unknown>(),
): boolean {
  if (seen.has(existing)) return false;
  seen.add(existing);
  const info = infoOf(existing);
  if ((node.c ?? undefined) !== info.name || (node.k !== 'o' && node.k !== 'a')) return false;
  // Attributes that `z` does not explain are rare: no use comparing them.
  if (node.a !== undefined || (node.z ?? 0) !== levelOf(existing)) return false;
  const same = (p: Pickled, value: unknown): boolean => {
    if (typeof p !== 'object' || p === null) return Object.is(p, value);
    if (p.n === undefined || typeof value !== 'object' || value === null) return false;
    return equalData(nodes[p.n]!, value, nodes, seen);
  };
  if (node.k === 'a') {
    const items = node.v as Pickled[];
    return (
      Array.isArray(existing) &&
      !node.p &&
      existing.length === items.length &&
      items.every((p, i) => same(p, existing[i]))
    );
  }
  const p = node.p ?? [];
  if (Reflect.ownKeys(existing).length !== p.length / 2) return false;
  for (let i = 0; i < p.length; i += 2) {
    if (typeof p[i] !== 'string') return false;
    const d = Object.getOwnPropertyDescriptor(existing, p[i] as string);
    if (!d || !('value' in d) || !same(p[i + 1] as Pickled, d.value)) return false;
  }
  return true;
}
