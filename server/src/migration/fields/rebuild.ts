// Makes and fills the objects of the target's side, new or laid over what is there.
import { StateView } from '@colyseus/schema';
import { Delayed } from '@colyseus/timer';
import { HINTS } from './hints.ts';
import type { Memories } from './memory.ts';
import { assign, matchKeys, seal } from './overlay.ts';
import { keyOf } from './symbols.ts';
import type { Pickled, PickledNode, Reference, Step } from './types.ts';

/** Stands for a function that may still turn up. */
export const UNRESOLVED = Symbol('baton.unresolved');
export const orUndefined = (value: unknown): unknown => (value === UNRESOLVED ? undefined : value);

/** What building needs of the unpickler. */
export interface Decoder {
  readonly memories: Memories;
  readonly sameCode: boolean;
  /** @param existing what is at this place in the object that is being laid over; @returns UNRESOLVED: see `later` */
  value(p: Pickled, existing: unknown, n: number, step: Step): unknown;
  /** For a function that was not found here: `set` gets it when another place has it. */
  later(p: Pickled, set: (value: unknown) => void): void;
  missing(n: number, step: Step | undefined, what: string, hint: string): void;
  timer(name: string | undefined): object | undefined;
  absentClient(sessionId: string): any;
  /** fromBaton(data) is called when everything is filled. */
  hook(instance: object, data: Pickled, n: number): void;
}

const isComplex = (p: Pickled): p is Reference => typeof p === 'object' && p !== null;
const dataAt = (holder: object, key: string | symbol): unknown => {
  const d = Object.getOwnPropertyDescriptor(holder, key);
  return d && 'value' in d ? d.value : undefined;
};

/** Runs the built-in constructor only, with the app's class as the prototype. */
const built = (klass: any, base: any, ...args: unknown[]): any =>
  Reflect.construct(base, args, klass ?? base);

/** An empty object for a node. @param klass of the app, when the node has one that is known */
export function makeObject(d: Decoder, n: number, node: PickledNode, klass: any): unknown {
  const v = node.v as any;
  switch (node.k) {
    case 'o':
      return node.c === null ? Object.create(null) : klass ? Object.create(klass.prototype) : {};
    case 'a':
      return built(klass, Array);
    case 'm':
      return built(klass, Map);
    case 's':
      return built(klass, Set);
    case 'd':
      return built(klass, Date, v);
    case 'r':
      return built(klass, RegExp, v[0], v[1]);
    case 'e':
      return v[0] === 'AggregateError' ? built(klass, AggregateError, []) : built(klass, errorClass(v[0]));
    case 'b':
      return d.memories.of(n).buffer;
    case 'v': {
      const { buffer, base } = d.memories.of(node.on as number);
      const at = base + (node.at as number);
      return v === 'Buffer'
        ? Buffer.from(buffer, at, node.len as number)
        : built(klass, (globalThis as any)[v], buffer, at, node.len);
    }
    case 'u':
      return new URL(v);
    case 'q':
      return new URLSearchParams(v);
    case 'x':
      return Object(orUndefined(d.value(v, undefined, n, ['call', 'valueOf()'])));
    case 'w':
      return new WeakRef((d.value(v, undefined, n, ['call', 'deref()']) as WeakKey | undefined) ?? {});
    case 'h':
      return instanceOf(d, n, klass);
    case 'g':
      return d.absentClient(node.sid as string);
    case 't':
      return d.timer(node.id as string | undefined) ?? through(v);
    case 'sv':
      return new StateView(v === true);
    default:
      throw new TypeError(`A pickled node of an unknown kind: ${node.k}`);
  }
}

function instanceOf(d: Decoder, n: number, klass: any): object {
  if (klass === undefined) return {};
  try {
    return new klass();
  } catch (error) {
    d.missing(n, undefined, `${klass.name}: its constructor threw ${String(error)}`, HINTS.fromBaton);
    return Object.create(klass.prototype);
  }
}

function errorClass(name: string): any {
  const found = (globalThis as any)[name];
  return typeof found === 'function' && found.prototype instanceof Error ? found : Error;
}

/** A clock timer that fired or was cleared: clear(), reset() and the like must go on doing nothing. */
function through([time, type, elapsed]: [number, number, number]): Delayed {
  const made = new Delayed(() => {}, [], time, type as any);
  made.active = false;
  made.elapsedTime = elapsed;
  return made;
}

/** @param over the object was there before and is laid over */
export function fillObject(d: Decoder, n: number, node: PickledNode, made: any, over: boolean): void {
  const v = node.v as any;
  switch (node.k) {
    case 'o':
      if (over) matchKeys(made, node, d.sameCode ? 'none' : typeof node.c === 'string' ? 'all' : 'functions');
      break;
    case 'a':
      fillArray(d, n, v, made, over);
      break;
    case 'm':
      fillMap(d, n, v, made, over);
      break;
    case 's':
      if (over) Set.prototype.clear.call(made);
      for (let i = 0; i < v.length; i++) {
        const held = isComplex(v[i]) ? d.value(v[i], undefined, n, ['item', i]) : v[i];
        Set.prototype.add.call(made, orUndefined(held));
      }
      break;
    case 'd':
      if (over) Date.prototype.setTime.call(made, v);
      break;
    case 'r':
      made.lastIndex = v[2];
      break;
    case 'e':
      Object.defineProperty(made, 'stack', {
        value: v[1],
        writable: true,
        configurable: true,
        enumerable: false,
      });
      break;
    case 'u':
      if (over) made.href = v;
      break;
    case 'h':
      d.value(v, undefined, n, ['call', 'toBaton()']);
      d.hook(made, v, n);
      break;
    case 'g':
      made.auth = orUndefined(d.value(v[0], undefined, n, ['prop', 'auth']));
      made.userData = orUndefined(d.value(v[1], undefined, n, ['prop', 'userData']));
      break;
  }
  if (node.p) fillProps(d, n, node, node.p, made, over);
  if (node.z) seal(made, node.z);
}

function fillProps(d: Decoder, n: number, node: PickledNode, p: unknown[], made: any, over: boolean): void {
  // A frozen object was left because it has these values already; only what it holds is gone through.
  const frozen = over && Object.isFrozen(made);
  const fresh = !over && node.k === 'o' && typeof node.c !== 'string' && node.a === undefined;
  for (let i = 0; i < p.length; i += 2) {
    const name = p[i] as string | Reference;
    const held = p[i + 1] as Pickled;
    const key = keyOf(name, made);
    if (fresh && !isComplex(held) && key !== undefined && key !== '__proto__') {
      made[key] = held;
      continue;
    }
    const step: Step = ['prop', name];
    if (key === undefined) {
      if (!(name as Reference).maybe) d.missing(n, step, 'symbol key', HINTS.symbol);
    } else if (isComplex(held) && held.$ === 'acc') {
      const own = over ? Object.getOwnPropertyDescriptor(made, key) : undefined;
      if (!own?.get && !own?.set) d.missing(n, step, 'accessor', HINTS.accessor);
    } else {
      const bits = node.a ? attributes(node.a, name) : 0;
      if (isComplex(held)) {
        const value = d.value(held, over ? dataAt(made, key) : undefined, n, step);
        if (!frozen) assign(made, key, orUndefined(value), bits);
        if (value === UNRESOLVED) d.later(held, (fn) => assign(made, key, fn, bits));
      } else if (!frozen) assign(made, key, held, bits);
    }
  }
}

function fillArray(d: Decoder, n: number, items: Pickled[], made: any[], over: boolean): void {
  const frozen = over && Object.isFrozen(made);
  const old = over ? made.slice() : [];
  if (!frozen) {
    if (over && Object.isExtensible(made)) made.length = 0;
    if (made.length !== items.length) made.length = items.length;
  }
  for (let i = 0; i < items.length; i++) {
    const held = items[i];
    if (isComplex(held)) {
      const value = d.value(held, old[i], n, ['index', i]);
      if (!frozen) made[i] = orUndefined(value);
      if (value === UNRESOLVED) d.later(held, (fn) => (made[i] = fn));
    } else if (!frozen && (held !== undefined || i in items)) made[i] = held;
  }
}

function fillMap(d: Decoder, n: number, flat: Pickled[], made: Map<unknown, unknown>, over: boolean): void {
  const old = over ? new Map(Map.prototype.entries.call(made)) : undefined;
  if (over) Map.prototype.clear.call(made);
  for (let i = 0; i < flat.length; i += 2) {
    const key = isComplex(flat[i]) ? orUndefined(d.value(flat[i], undefined, n, ['key', i / 2])) : flat[i];
    const held = flat[i + 1];
    const value = isComplex(held) ? d.value(held, old?.get(key), n, ['value', flat[i]]) : held;
    Map.prototype.set.call(made, key, orUndefined(value));
    if (value === UNRESOLVED) d.later(held, (fn) => Map.prototype.set.call(made, key, fn));
  }
}

function attributes(flat: unknown[], name: string | Reference): number {
  for (let i = 0; i < flat.length; i += 2) {
    const other = flat[i] as string | Reference;
    if (
      other === name ||
      (typeof other === 'object' &&
        typeof name === 'object' &&
        other.$ === name.$ &&
        other.name === name.name)
    )
      return flat[i + 1] as number;
  }
  return 0;
}
