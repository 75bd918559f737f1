// Walks what a room holds in its own fields, without calling anything.

import { ownFieldKeys, pluginFieldKeys, pluginsOf } from './base-fields.ts';
import type { ClassInfo } from './class-info.ts';
import { infoOf } from './class-info.ts';
import type { RoomLike } from './types.ts';

/** A walk stops after this many objects: what it gathers (classes, owners, verdicts) is about kinds, not about every object. */
export const WALK_LIMIT = 200_000;

/** Kinds behind which nothing of the app's own graph lies. */
const OPAQUE = new Set<ClassInfo['kind']>([
  'schema',
  'client',
  'stateview',
  'delayed',
  'rewind',
  'timer',
  'promise',
  'native',
  'lost',
  'date',
  'regexp',
  'view',
  'arraybuffer',
  'url',
  'params',
  'box',
]);

/** Calls `each` with every value directly held by `v`: data properties (hidden ones too), elements, entries. */
export function eachHeld(v: any, info: ClassInfo, each: (held: unknown) => void): void {
  if (OPAQUE.has(info.kind)) return;
  if (info.kind === 'weakref') each(v.deref());
  else if (info.kind === 'map') {
    for (const [k, held] of Map.prototype.entries.call(v)) {
      each(k);
      each(held);
    }
  } else if (info.kind === 'set') for (const held of Set.prototype.values.call(v)) each(held);
  if (info.kind === 'array') {
    for (let i = 0; i < v.length; i++) each(v[i]);
    return;
  }
  for (const key of Object.getOwnPropertyNames(v)) eachData(v, key, each);
  for (const key of Object.getOwnPropertySymbols(v)) eachData(v, key, each);
}

function eachData(v: object, key: string | symbol, each: (held: unknown) => void): void {
  const d = Object.getOwnPropertyDescriptor(v, key);
  if (d && 'value' in d && d.value !== null && (typeof d.value === 'object' || typeof d.value === 'function'))
    each(d.value);
}

/** Breadth first over everything reachable from `roots`; `visit` returns false to not go further from that object. */
export function walk(
  roots: Iterable<unknown>,
  room: RoomLike,
  visit: (v: object, info: ClassInfo) => boolean,
  onFunction?: (fn: Function) => void,
): void {
  const seen = new Set<unknown>([room, room.clock, room.presence, room.clients]);
  const queue: object[] = [];
  const reach = (v: unknown) => {
    if (typeof v === 'function') {
      if (onFunction && !seen.has(v)) {
        seen.add(v);
        onFunction(v);
      }
    } else if (typeof v === 'object' && v !== null && !seen.has(v) && seen.size < WALK_LIMIT) {
      seen.add(v);
      queue.push(v);
    }
  };
  for (const root of roots) reach(root);
  for (let i = 0; i < queue.length; i++) {
    const v = queue[i]!;
    const info = infoOf(v);
    if (visit(v, info)) eachHeld(v, info, reach);
  }
}

/** The values of a room's own fields and of its plugins' fields. */
export function* rootsOf(room: RoomLike): Iterable<unknown> {
  for (const key of ownFieldKeys(room)) yield dataOf(room, key);
  for (const [, plugin] of pluginsOf(room))
    for (const key of pluginFieldKeys(plugin)) yield dataOf(plugin, key);
}

const dataOf = (holder: object, key: string | symbol): unknown => {
  const d = Object.getOwnPropertyDescriptor(holder, key);
  return d && 'value' in d ? d.value : undefined;
};

/** Objects of the app hanging on schema instances of the state: properties which are not synchronised. */
export function* extrasOf(
  state: any,
  limit = WALK_LIMIT,
): Iterable<[owner: object, key: string, value: unknown]> {
  if (typeof state !== 'object' || state === null) return;
  const seen = new Set<object>();
  const queue: any[] = [state];
  const add = (v: any) => {
    if (
      typeof v === 'object' &&
      v !== null &&
      !seen.has(v) &&
      infoOf(v).kind === 'schema' &&
      seen.size < limit
    ) {
      seen.add(v);
      queue.push(v);
    }
  };
  seen.add(state);
  for (let i = 0; i < queue.length; i++) {
    const ref = queue[i];
    const metadata = ref.constructor?.[Symbol.metadata];
    if (metadata && typeof ref.forEach !== 'function') {
      for (const name in metadata) add(ref[metadata[name]?.name]);
      for (const key of Object.keys(ref)) if (metadata[key] === undefined) yield [ref, key, ref[key]];
    } else if (typeof ref.forEach === 'function') ref.forEach(add);
  }
}
