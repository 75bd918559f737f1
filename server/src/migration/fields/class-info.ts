// What an object is, decided once per prototype: how it is carried, or why it can't be.
import { types } from 'node:util';
import { Rewind } from '@colyseus/core';
import { $changes, StateView } from '@colyseus/schema';
import { ClockTimer, Delayed } from '@colyseus/timer';
import { fingerprint, isNativeCode } from './fingerprint.ts';
import { HINTS } from './hints.ts';
import { nodeClassName } from './native.ts';

export type Kind =
  | 'plain'
  | 'null'
  | 'object' // an instance of a class
  | 'array'
  | 'map'
  | 'set'
  | 'date'
  | 'regexp'
  | 'error'
  | 'view' // typed arrays, DataView, Buffer
  | 'arraybuffer'
  | 'url'
  | 'params'
  | 'box'
  | 'weakref'
  | 'schema'
  | 'client'
  | 'stateview'
  | 'delayed'
  | 'rewind'
  | 'timer' // of Node, not of the clock
  | 'promise'
  | 'native' // of this process, but the target's own does as well
  | 'lost'; // holds data which nobody can read

export interface ClassInfo {
  readonly kind: Kind;
  /** Undefined for the built-in class of the kind itself; the class's name for classes of the app. */
  readonly name: string | undefined;
  readonly ctor: Function | undefined;
  /** Fingerprint of the class's source. */
  readonly h: number;
  /** The built-in class's name for kinds which need it (`Float32Array`, `TypeError`), and what problems call it. */
  readonly what: string;
  readonly hint: string;
  /** The class has toBaton() and fromBaton(). */
  readonly hook: boolean;
  /** Instances of this class were seen to hold sockets, files and the like, and nothing of the room. Set by inspection. */
  holdsNative?: string;
}

const cache = new WeakMap<object, ClassInfo>();
const make = (kind: Kind, what: string, hint = '', extra: Partial<ClassInfo> = {}): ClassInfo => ({
  kind,
  name: undefined,
  ctor: undefined,
  h: 0,
  what,
  hint,
  hook: false,
  ...extra,
});
const PLAIN = make('plain', 'Object');
const NULL = make('null', 'Object');
const NAMESPACE = make('native', 'module namespace', HINTS.native);
const PROXY = make('lost', 'Proxy', HINTS.proxy);
const EXTERNAL = make('native', 'native handle', HINTS.native);

export function infoOf(v: object): ClassInfo {
  const proto = Object.getPrototypeOf(v);
  if (proto === Object.prototype) return types.isProxy(v) ? PROXY : PLAIN;
  if (proto === null) return types.isModuleNamespaceObject(v) ? NAMESPACE : types.isProxy(v) ? PROXY : NULL;
  const known = cache.get(proto) ?? classify(v, proto);
  return types.isProxy(v) && known.kind !== 'schema' ? PROXY : known;
}

function classify(v: object, proto: object): ClassInfo {
  const info = classInfo(v, proto);
  cache.set(proto, info);
  return info;
}

const TIMERS: Function[] = [];
function isNodeTimer(v: object): boolean {
  if (TIMERS.length === 0) {
    const t = setTimeout(() => {}, 0);
    const i = setImmediate(() => {});
    clearTimeout(t);
    clearImmediate(i);
    TIMERS.push(t.constructor, i.constructor);
  }
  return (
    TIMERS.some((k) => v instanceof k) ||
    (/^(?:Timeout|Immediate)$/.test(v.constructor?.name ?? '') &&
      ('_idleTimeout' in v || '_onImmediate' in v))
  );
}

/** Built-in constructors whose instances are carried; anything else built in is native. */
const CARRIED =
  /^(?:Object|Array|Map|Set|Date|RegExp|(?:\w*)Error|DOMException|ArrayBuffer|DataView|(?:Big)?(?:Ui|I)nt\d+(?:Clamped)?Array|Float\d+Array|TypedArray|Buffer|FastBuffer|URL|URLSearchParams|Number|String|Boolean|BigInt|Symbol|WeakRef|EventEmitter|Function)$/;

function brand(v: any): [Kind, string] | undefined {
  if (Array.isArray(v)) return ['array', 'Array'];
  if (types.isMap(v)) return ['map', 'Map'];
  if (types.isSet(v)) return ['set', 'Set'];
  if (types.isDate(v)) return ['date', 'Date'];
  if (types.isRegExp(v)) return ['regexp', 'RegExp'];
  if (types.isNativeError(v)) return ['error', 'Error'];
  if (ArrayBuffer.isView(v)) return ['view', Buffer.isBuffer(v) ? 'Buffer' : viewName(v)];
  if (types.isArrayBuffer(v)) return ['arraybuffer', 'ArrayBuffer'];
  if (types.isBoxedPrimitive(v)) return ['box', 'boxed primitive'];
  if (v instanceof WeakRef) return ['weakref', 'WeakRef'];
  if (v instanceof URL) return ['url', 'URL'];
  if (v instanceof URLSearchParams) return ['params', 'URLSearchParams'];
  return undefined;
}

/** `Float32Array` also for a subclass of it. */
export const viewName = (v: ArrayBufferView): string =>
  types.isDataView(v) ? 'DataView' : String((v as any)[Symbol.toStringTag]);

function unreadable(v: any): ClassInfo | undefined {
  if (types.isPromise(v)) return make('promise', 'Promise', HINTS.promise);
  if (types.isWeakMap(v)) return make('lost', 'WeakMap', HINTS.weak);
  if (types.isWeakSet(v)) return make('lost', 'WeakSet', HINTS.weak);
  if (types.isGeneratorObject(v)) return make('lost', 'generator', HINTS.lost);
  if (types.isMapIterator(v) || types.isSetIterator(v)) return make('lost', 'iterator', HINTS.lost);
  if (types.isSharedArrayBuffer(v)) return make('lost', 'SharedArrayBuffer', HINTS.lost);
  if (types.isExternal(v)) return EXTERNAL;
  const tag = v[Symbol.toStringTag];
  if (
    typeof tag === 'string' &&
    /^(?:Array|String|RegExp String|Segment String|Iterator Helper|Wrap For Valid)\b.*(?:Iterator|Helper)$/.test(
      tag,
    )
  )
    return make('lost', 'iterator', HINTS.lost);
  return undefined;
}

/** WebAssembly objects are numbers pointing into a memory of this process: wasm-bindgen and Emscripten bindings. */
function isWasmBinding(v: any): boolean {
  if ('__wbg_ptr' in v || ('$$' in v && typeof v.$$ === 'object' && v.$$ !== null && 'ptr' in v.$$))
    return true;
  return (
    typeof v.ptr === 'number' &&
    (typeof v.free === 'function' ||
      typeof v.__destroy_into_raw === 'function' ||
      v.constructor?.__cache__ !== undefined)
  );
}

function live(v: any): ClassInfo | undefined {
  if (typeof v[$changes] === 'object' && v[$changes] !== null)
    return make('schema', 'schema instance', HINTS.schema);
  if (v instanceof StateView) return make('stateview', 'StateView');
  if (v instanceof Delayed) return make('delayed', 'clock timer', HINTS.otherClock);
  if (v instanceof ClockTimer) return make('lost', 'clock', HINTS.otherClock);
  if (v instanceof Rewind) return make('rewind', 'Rewind');
  if (typeof v.enqueueRaw === 'function' && typeof v.sendBytes === 'function' && 'ref' in v)
    return make('client', 'client');
  if (isNodeTimer(v)) return make('timer', v.constructor.name, HINTS.rawTimer);
  return undefined;
}

function classInfo(v: any, proto: object): ClassInfo {
  if (isForeignObjectPrototype(proto)) return PLAIN;
  const special = live(v) ?? unreadable(v);
  if (special) return special;
  const builtIn = brand(v);
  const ctor = constructorOf(proto);
  const [kind, what] = builtIn ?? (['object', 'Object'] as const);
  const own =
    ctor === undefined ||
    isNativeCode(ctor) ||
    ctor === Buffer ||
    kind === 'url' ||
    kind === 'params' ||
    (kind === 'error' && CARRIED.test(ctor.name) && nodeClassName(ctor) === undefined && isGlobal(ctor));
  if (own && builtIn) return make(kind, kind === 'error' ? (ctor?.name ?? 'Error') : what);
  for (let p = proto; p !== null; p = Object.getPrototypeOf(p)) {
    const k = Object.hasOwn(p, 'constructor') ? (p as any).constructor : undefined;
    if (typeof k !== 'function') continue;
    const node = nodeClassName(k);
    if (node !== undefined) return make('native', node, HINTS.native);
    if (isNativeCode(k) && !k.name.startsWith('bound ') && !CARRIED.test(k.name))
      return make('native', k.name || 'native object', HINTS.native);
  }
  if (isWasmBinding(v)) return make('lost', `WebAssembly object ${ctor?.name ?? ''}`.trim(), HINTS.wasm);
  const tag = typeof v[Symbol.toStringTag] === 'string' ? v[Symbol.toStringTag] : '';
  if (ctor === undefined || (ctor.name === 'Object' && isNativeCode(ctor))) {
    // An object made with Object.create(other): its prototype is data too, which is not carried.
    return make('object', 'Object', HINTS.anonymousClass, { name: tag, ctor: undefined });
  }
  const hook = typeof v.toBaton === 'function' && typeof v.fromBaton === 'function';
  return make(kind, what, HINTS.unknownClass, { name: ctor.name, ctor, h: fingerprint(ctor), hook });
}

const isGlobal = (ctor: Function): boolean => isNativeCode(ctor) || (globalThis as any)[ctor.name] === ctor;

/** The class of a prototype; undefined when `constructor` was lost or does not lead back. */
function constructorOf(proto: any): Function | undefined {
  const k = Object.hasOwn(proto, 'constructor') ? proto.constructor : undefined;
  return typeof k === 'function' && (k.prototype === proto || isForeignObjectPrototype(proto))
    ? k
    : undefined;
}

/** Object.prototype of another realm (a vm context). */
function isForeignObjectPrototype(proto: any): boolean {
  return (
    Object.getPrototypeOf(proto) === null &&
    Object.hasOwn(proto, 'hasOwnProperty') &&
    Object.hasOwn(proto, 'isPrototypeOf')
  );
}
