// Fills the nodes of the source's side: what an object of each kind consists of.
import { inspect, types } from 'node:util';
import type { Buffers } from './buffers.ts';
import { type ClassInfo, viewName } from './class-info.ts';
import { fingerprint } from './fingerprint.ts';
import { HINTS } from './hints.ts';
import { levelOf } from './overlay.ts';
import { symbolRef } from './symbols.ts';
import type { Pickled, PickledKey, PickledNode, Step } from './types.ts';

/** What filling needs of the pickler. `parent` and `step` say where a value is held. */
export interface Encoder {
  readonly buffers: Buffers;
  value(v: unknown, parent: number, step: Step | undefined): Pickled;
  /** The node itself, or what it holds at `step`, cannot move. */
  problem(n: number, step: Step | undefined, what: string, hint: string): void;
  /** The target must have an accessor there too. */
  accessor(n: number, step: Step): void;
}

const HIDDEN = 1;
const READ_ONLY = 2;
const FIXED = 4;

/** Values which `Encoder.value` has to see; the others are themselves. */
const isComplex = (v: unknown): boolean =>
  typeof v === 'object' || typeof v === 'function' || typeof v === 'symbol';

/** Kinds of nodes: the table is in pickler.ts. */
export function fillNode(e: Encoder, n: number, node: PickledNode, v: any, info: ClassInfo): void {
  switch (info.kind) {
    case 'null':
      node.k = 'o';
      node.c = null;
      fillProps(e, n, node, v);
      break;
    case 'plain':
      node.k = 'o';
      fillProps(e, n, node, v);
      break;
    case 'object':
      if (info.hook) fillHook(e, n, node, v);
      else {
        node.k = 'o';
        fillProps(e, n, node, v);
      }
      break;
    case 'array':
      fillArray(e, n, node, v);
      break;
    case 'map':
      (types.isMap(v) ? fillMap : broken)(e, n, node, v);
      break;
    case 'set':
      (types.isSet(v) ? fillSet : broken)(e, n, node, v);
      break;
    default:
      fillLeaf(e, n, node, v, info);
      break;
  }
}

/** Has a built-in's prototype without being one: `Object.create(Map.prototype)`. */
function broken(e: Encoder, n: number, node: PickledNode, _v: object): void {
  node.k = 'o';
  e.problem(n, undefined, 'object with a built-in prototype', HINTS.lost);
}

function fillHook(e: Encoder, n: number, node: PickledNode, v: any): void {
  const step: Step = ['call', 'toBaton()'];
  node.k = 'h';
  try {
    node.v = e.value(v.toBaton(), n, step);
  } catch (error) {
    e.problem(n, step, `toBaton() threw ${String(error)}`, HINTS.hookFailed);
  }
}

function fillMap(e: Encoder, n: number, node: PickledNode, v: Map<unknown, unknown>): void {
  const flat: Pickled[] = [];
  Map.prototype.forEach.call(v, (held, key) => {
    const k = isComplex(key) ? e.value(key, n, ['key', flat.length / 2]) : (key as Pickled);
    flat.push(k, isComplex(held) ? e.value(held, n, ['value', k]) : (held as Pickled));
  });
  node.k = 'm';
  node.v = flat;
  fillProps(e, n, node, v);
}

function fillSet(e: Encoder, n: number, node: PickledNode, v: Set<unknown>): void {
  const items: Pickled[] = [];
  Set.prototype.forEach.call(v, (held) => {
    items.push(isComplex(held) ? e.value(held, n, ['item', items.length]) : (held as Pickled));
  });
  node.k = 's';
  node.v = items;
  fillProps(e, n, node, v);
}

function fillArray(e: Encoder, n: number, node: PickledNode, v: unknown[]): void {
  const { length } = v;
  const items: Pickled[] = new Array(length);
  let present = 0;
  node.k = 'a';
  node.v = items;
  if (length > 65_536 && Object.keys(v).length < length / 2) {
    v.forEach((held, i) => {
      items[i] = isComplex(held) ? e.value(held, n, ['index', i]) : (held as Pickled);
      present++;
    });
  } else {
    for (let i = 0; i < length; i++) {
      const held = v[i];
      if (held === undefined && !(i in v)) continue;
      items[i] = isComplex(held) ? e.value(held, n, ['index', i]) : (held as Pickled);
      present++;
    }
  }
  if (!Object.isExtensible(v) || hasNames(v, present)) fillProps(e, n, node, v, 'length', true);
}

const BRIEF = {
  maxArrayLength: 0,
  depth: 0,
  breakLength: Number.POSITIVE_INFINITY,
  compact: true,
  customInspect: false,
} as const;
const ONLY_ITEMS = /^[^[]*\[ ?(?:\.\.\. \d+ more items?)? ?\]$/;

/** Has the array properties besides its elements and `length`? Listing the keys of a long one makes a string of every index. */
function hasNames(v: unknown[], present: number): boolean {
  return v.length <= 64 ? Reflect.ownKeys(v).length !== present + 1 : !ONLY_ITEMS.test(inspect(v, BRIEF));
}

/** Kinds whose contents are not, or not only, properties. */
function fillLeaf(e: Encoder, n: number, node: PickledNode, v: any, info: ClassInfo): void {
  switch (info.kind) {
    case 'date':
      node.k = 'd';
      node.v = Date.prototype.getTime.call(v);
      fillProps(e, n, node, v);
      break;
    case 'regexp':
      node.k = 'r';
      node.v = [v.source, v.flags, v.lastIndex];
      fillProps(e, n, node, v, 'lastIndex');
      break;
    case 'error':
      node.k = 'e';
      node.v = [info.what, v.stack];
      fillProps(e, n, node, v, 'stack');
      break;
    case 'view':
      if (types.isSharedArrayBuffer(v.buffer)) e.problem(n, undefined, 'SharedArrayBuffer', HINTS.lost);
      node.k = 'v';
      node.v = info.name === undefined ? info.what : viewName(v);
      e.buffers.view(node, v);
      break;
    case 'arraybuffer':
      e.buffers.whole(n, node, v);
      break;
    case 'box':
      node.k = 'x';
      node.v = e.value(v.valueOf(), n, ['call', 'valueOf()']);
      break;
    case 'weakref':
      node.k = 'w';
      node.v = e.value(v.deref(), n, ['call', 'deref()']);
      break;
    default:
      node.k = info.kind === 'url' ? 'u' : 'q';
      node.v = String(v);
  }
}

function fillProps(
  e: Encoder,
  n: number,
  node: PickledNode,
  v: object,
  skip?: string,
  skipIndices = false,
): void {
  const z = levelOf(v);
  if (z > 0) node.z = z;
  const flat: unknown[] = [];
  // Names and symbols apart: Reflect.ownKeys takes several times as long.
  const names = Object.getOwnPropertyNames(v);
  for (let i = 0; i < names.length; i++) {
    const key = names[i]!;
    if (key === skip || (skipIndices && isIndex(key))) continue;
    const d = Object.getOwnPropertyDescriptor(v, key);
    if (d !== undefined) fillProp(e, n, node, flat, key, d);
  }
  for (const key of Object.getOwnPropertySymbols(v))
    fillProp(e, n, node, flat, key, Object.getOwnPropertyDescriptor(v, key)!);
  if (flat.length > 0) node.p = flat;
}

/** Appends a property to `flat`, and its attributes to the node when they are not the default. */
export function fillProp(
  e: Encoder,
  n: number,
  node: PickledNode,
  flat: unknown[],
  key: string | symbol,
  d: PropertyDescriptor,
): void {
  const held = d.value;
  const name: PickledKey = typeof key === 'string' ? key : symbolRef(key);
  // A library's own mark under a private symbol is not worth a refusal; what matters hangs on strings or Symbol.for().
  if (typeof name === 'object' && name.$ === 'usym' && (held === null || !isComplex(held))) name.maybe = true;
  const accessor = d.get ?? d.set;
  if (accessor !== undefined) {
    e.accessor(n, ['prop', name]);
    flat.push(name, { $: 'acc', h: fingerprint(accessor) });
    return;
  }
  flat.push(name, isComplex(held) ? e.value(held, n, ['prop', name]) : held);
  if (d.writable && d.enumerable && d.configurable) return;
  // What freezing or sealing does to every property is said once, by `z`.
  const z = node.z ?? 0;
  const bits =
    (d.enumerable ? 0 : HIDDEN) |
    (d.writable || z === 3 ? 0 : READ_ONLY) |
    (d.configurable || z >= 2 ? 0 : FIXED);
  if (bits !== 0) (node.a ??= []).push(name, bits);
}

function isIndex(key: string): boolean {
  const n = Number(key);
  return Number.isInteger(n) && n >= 0 && n < 4_294_967_295 && String(n) === key;
}
