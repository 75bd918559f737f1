// Functions as data: how a function is named in one process and found again in another.
import { Room } from '@colyseus/core';
import { pluginsOf } from './base-fields.ts';
import { ClassRegistry, isClass, movableByName, movableNameOf } from './class-registry.ts';
import { fingerprint, isNativeCode, sourceOf } from './fingerprint.ts';
import type { FunctionRef, RoomLike } from './types.ts';

const methods = new WeakMap<object, Map<Function, string>>();
let globals: Map<Function, string> | undefined;

/** Methods of an object's class chain by identity; cached on the prototype. */
function methodsOf(proto: object): Map<Function, string> {
  let found = methods.get(proto);
  if (found) return found;
  found = new Map();
  for (let p: any = proto; p !== null && p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    for (const key of Object.getOwnPropertyNames(p)) {
      const value = Object.getOwnPropertyDescriptor(p, key)!.value;
      if (typeof value === 'function' && key !== 'constructor' && !found.has(value)) found.set(value, key);
    }
  }
  methods.set(proto, found);
  return found;
}

function globalName(fn: Function): string | undefined {
  if (globals === undefined) {
    globals = new Map();
    for (const name of [
      'Object',
      'Array',
      'String',
      'Number',
      'Boolean',
      'BigInt',
      'Symbol',
      'Math',
      'JSON',
      'Date',
      'Map',
      'Set',
      'RegExp',
      'Promise',
      'Reflect',
      'Error',
      'TypeError',
      'RangeError',
      'console',
      'structuredClone',
      'parseInt',
      'parseFloat',
      'isNaN',
      'isFinite',
      'setTimeout',
      'clearTimeout',
      'queueMicrotask',
    ]) {
      const value = (globalThis as any)[name];
      if (typeof value === 'function') globals.set(value, name);
      if (value === undefined || name.startsWith('set')) continue;
      for (const [key, d] of Object.entries(Object.getOwnPropertyDescriptors(value)))
        if (typeof d.value === 'function' && !globals.has(d.value)) globals.set(d.value, `${name}.${key}`);
    }
  }
  return globals.get(fn);
}

/** Own properties that are functions, framework hooks included: `tick = () => {…}`. */
export function ownFunctions(holder: object): Map<Function, string> {
  const found = new Map<Function, string>();
  for (const key of Object.getOwnPropertyNames(holder)) {
    const value = Object.getOwnPropertyDescriptor(holder, key)!.value;
    if (typeof value === 'function' && !found.has(value)) found.set(value, key);
  }
  return found;
}

/**
 * `this.boom.bind(this)` has the name `bound boom`, but hides what it is bound to. It is taken for the room's method only
 * when no argument is bound (the lengths agree) and no other class around has a method of that name.
 */
function boundTo(room: RoomLike, fn: Function, classes: ClassRegistry | undefined): string | undefined {
  if (!fn.name.startsWith('bound ') || Object.hasOwn(fn, 'prototype')) return undefined;
  const name = fn.name.slice(6);
  const method = room[name];
  if (
    typeof method !== 'function' ||
    method.name !== name ||
    method.length !== fn.length ||
    !takesNothingMore(method)
  )
    return undefined;
  if (classes?.withMethod(name).some((k) => !(room instanceof k))) return undefined;
  return name;
}

const nothingMore = new WeakMap<Function, boolean>();
/** A method with length 0 may still take bound arguments (defaults, rest, `arguments`). */
function takesNothingMore(method: Function): boolean {
  if (method.length > 0) return true;
  let known = nothingMore.get(method);
  if (known === undefined) {
    const src = sourceOf(method);
    known = /^[^(]*\(\s*\)/.test(src) && !/\barguments\b/.test(src);
    nothingMore.set(method, known);
  }
  return known;
}

/** Describes functions of one room. Made once for a capture. */
export class FunctionNames {
  readonly #room: RoomLike;
  readonly #classes: ClassRegistry | undefined;
  #own: Map<Function, string> | undefined;

  /** @param classes to tell methods of one name apart; by default what the last inspection of the room found */
  constructor(room: RoomLike, classes: ClassRegistry | undefined = ClassRegistry.latestOf(room)) {
    this.#room = room;
    this.#classes = classes;
  }

  /** How the other process finds it; undefined for a closure. */
  refOf(fn: Function): FunctionRef | undefined {
    const room = this.#room;
    const method =
      methodsOf(Object.getPrototypeOf(room)).get(fn) ?? (this.#own ??= ownFunctions(room)).get(fn);
    if (method !== undefined) return { t: 'method', name: method };
    const movable = movableNameOf(fn);
    if (movable !== undefined) return { t: 'movable', name: movable };
    const bound = boundTo(room, fn, this.#classes);
    if (bound !== undefined) return { t: 'bound', name: bound };
    if (isNativeCode(fn)) {
      const name = globalName(fn);
      return name === undefined ? undefined : { t: 'global', name };
    }
    for (const [key, plugin] of pluginsOf(room)) {
      const name = methodsOf(Object.getPrototypeOf(plugin)).get(fn) ?? ownFunctions(plugin).get(fn);
      if (name !== undefined) return { t: 'plugin', key, name };
    }
    for (
      let k: any = room.constructor;
      typeof k === 'function' && k !== Room && k !== Function.prototype;
      k = Object.getPrototypeOf(k)
    ) {
      const name = ownFunctions(k).get(fn);
      if (name !== undefined && name !== 'prototype') return { t: 'static', name };
    }
    if (fn.name !== '' && isClass(fn)) return { t: 'class', name: fn.name, h: fingerprint(fn) };
    const of = this.#classes?.withMethod(fn.name).find((k) => k.prototype[fn.name] === fn);
    if (of) return { t: 'classMethod', of: of.name, h: fingerprint(of), name: fn.name };
    return undefined;
  }
}

/** Finds a described function in this process; undefined when it does not exist here. */
export function findFunction(room: RoomLike, ref: FunctionRef, classes: ClassRegistry): Function | undefined {
  const is = (value: unknown): Function | undefined => (typeof value === 'function' ? value : undefined);
  switch (ref.t) {
    case 'method':
      return is(room[ref.name]);
    case 'bound':
      return is(room[ref.name])?.bind(room);
    case 'static':
      return is((room.constructor as any)[ref.name]);
    case 'plugin':
      return is((room.plugins?.[ref.key] ?? room._autoPlugins?.[ref.key])?.[ref.name]);
    case 'movable':
      return movableByName(ref.name);
    case 'class':
      return classes.find(ref.name, ref.h);
    case 'classMethod':
      return is(classes.find(ref.of, ref.h)?.prototype?.[ref.name]);
    case 'global':
      return is(ref.name.split('.').reduce((value: any, key) => value?.[key], globalThis));
  }
}

/** `method boom of the room`, for messages. */
export function refText(ref: FunctionRef): string {
  if (ref.t === 'class') return `class ${ref.name}`;
  if (ref.t === 'classMethod') return `${ref.of}.prototype.${ref.name}`;
  if (ref.t === 'plugin') return `method ${ref.name} of the plugin "${ref.key}"`;
  if (ref.t === 'static') return `static method ${ref.name}`;
  if (ref.t === 'movable') return `function ${ref.name} of registerMovable()`;
  return ref.t === 'global' ? ref.name : `method ${ref.name}`;
}
