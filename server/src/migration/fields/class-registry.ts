// Classes and functions which a process knows by name, so that instances and handlers can be made again from data.

import { EventEmitter } from 'node:events';
import { RewindView, Room } from '@colyseus/core';
import type { infoOf } from './class-info.ts';
import { fingerprint, sourceOf } from './fingerprint.ts';
import type { RoomLike } from './types.ts';
import { extrasOf, rootsOf, walk } from './walk.ts';

const movable = new Map<string, Function[]>();
const claimed = new WeakMap<object, number>();
const shared = new WeakSet<object>();
const latest = new WeakMap<object, ClassRegistry>();
const serials = new WeakMap<object, number>();
let lastSerial = 0;

function put(map: Map<string, Function[]>, fn: Function): void {
  const list = map.get(fn.name);
  if (!list) map.set(fn.name, [fn]);
  else if (!list.includes(fn)) list.push(fn);
}

/**
 * Makes classes (and named functions used as handlers) known in this process, so that rooms which hold them can move here.
 * Call it where they are defined; every process runs that module. `static movableClasses = [Bullet]` on a room does the same.
 */
export function registerMovable(...items: Function[]): void {
  for (const item of items) {
    if (typeof item !== 'function' || item.name === '')
      throw new TypeError('registerMovable() takes classes and functions that have a name.');
    put(movable, item);
  }
}

/** Registered functions that are no classes are found by name and identity. */
export const movableNameOf = (fn: Function): string | undefined =>
  movable.get(fn.name)?.includes(fn) ? fn.name : undefined;
export const movableByName = (name: string, h?: number): Function | undefined => pick(movable.get(name), h);

export const isClass = (fn: Function): boolean => /^class\b/.test(sourceOf(fn));

/** One candidate is it; among several the one with the same source. */
function pick(list: readonly Function[] | undefined, h?: number): Function | undefined {
  if (list === undefined || list.length === 0) return undefined;
  if (list.length === 1) return list[0];
  const same = list.filter((k) => fingerprint(k) === h);
  return same.length === 1 ? same[0] : undefined;
}

export class ClassRegistry {
  readonly #classes = new Map<string, Function[]>();

  constructor(classes: Iterable<Function> = []) {
    for (const k of [EventEmitter, RewindView]) this.add(k);
    for (const k of classes) this.add(k);
  }

  /** What the room's own object graph, its `static movableClasses` and registerMovable() make known. Walks the graph: not for a freeze. */
  static of(room: RoomLike): ClassRegistry {
    const registry = new ClassRegistry();
    latest.set(room, registry);
    for (
      let k: any = room.constructor;
      typeof k === 'function' && k !== Room && k !== Function.prototype;
      k = Object.getPrototypeOf(k)
    ) {
      if (Object.hasOwn(k, 'movableClasses')) for (const c of k.movableClasses ?? []) registry.add(c);
    }
    const visit = (_v: object, info: ReturnType<typeof infoOf>) => {
      if (info.ctor && info.name) registry.add(info.ctor);
      return true;
    };
    walk(rootsOf(room), room, visit, (fn) => fn.name !== '' && isClass(fn) && registry.add(fn));
    const extras = [...extrasOf(room.state)];
    if (extras.length > 0)
      walk(
        extras.map((e) => e[2]),
        room,
        visit,
      );
    return registry;
  }

  /** The one that `of` made last for this room, for where there is no time to walk. */
  static latestOf(room: RoomLike): ClassRegistry | undefined {
    return latest.get(room);
  }

  add(klass: Function): void {
    put(this.#classes, klass);
  }

  /** All classes of a name: this registry's and those of registerMovable(). */
  named(name: string): Function[] {
    const own = this.#classes.get(name);
    const global = movable.get(name);
    if (!own || !global) return own ?? global ?? [];
    return [...new Set([...own, ...global])];
  }

  /** @returns undefined when the name is unknown, or stands for several classes none of which has this fingerprint. */
  find(name: string, h?: number): Function | undefined {
    const own = this.#classes.get(name);
    const global = movable.get(name);
    return pick(own && global ? this.named(name) : (own ?? global), h);
  }

  /** The classes that have a method of this name, the room's own class not among them. */
  withMethod(method: string): Function[] {
    const found: Function[] = [];
    for (const list of this.#classes.values())
      for (const k of list) if (typeof k.prototype?.[method] === 'function') found.push(k);
    return found;
  }
}

/** A class about which the app said that its instances move. */
export function isDeclaredMovable(klass: Function, room: RoomLike): boolean {
  if (movable.get(klass.name)?.includes(klass)) return true;
  const listed = (room.constructor as any).movableClasses;
  return Array.isArray(listed) && listed.includes(klass);
}

function serialOf(room: object): number {
  let serial = serials.get(room);
  if (serial === undefined) serials.set(room, (serial = ++lastSerial));
  return serial;
}

function claim(v: object, serial: number): void {
  const owner = claimed.get(v);
  if (owner === undefined) claimed.set(v, serial);
  else if (owner !== serial) shared.add(v);
}

/**
 * Notes which objects a room holds after its onCreate. An object that two rooms hold belongs to the process (a table of a
 * module, a pool): a move then never writes into the target's. Call it once for each room when onCreate is through.
 */
export function claimObjects(room: RoomLike): void {
  const serial = serialOf(room);
  walk(rootsOf(room), room, (v) => {
    claim(v, serial);
    return true;
  });
}

export const isShared = (v: object): boolean => shared.has(v);
