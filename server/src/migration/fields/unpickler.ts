// The target's side: makes the graph again and lays it over what the constructor and onCreate() built here, so that
// functions, class instances and handlers keep this process's code. Iterative like the pickler.
import { Rewind } from '@colyseus/core';
import { infoOf } from './class-info.ts';
import { type ClassRegistry, isShared } from './class-registry.ts';
import { fingerprint } from './fingerprint.ts';
import { findFunction, refText } from './functions.ts';
import { HINTS } from './hints.ts';
import { Memories } from './memory.ts';
import { assign, equalData } from './overlay.ts';
import { type Decoder, fillObject, makeObject, orUndefined, UNRESOLVED } from './rebuild.ts';
import { keyOf, symbolOf } from './symbols.ts';
import { Trail } from './trail.ts';
import type {
  FunctionRef,
  Pickled,
  PickledField,
  PickledNode,
  Primitive,
  Problem,
  Reference,
  RoomLike,
  StateObjects,
  Step,
} from './types.ts';

export interface UnpicklerOptions {
  room: RoomLike;
  nodes: readonly PickledNode[];
  /** The restored state; views are read when needed, so they may be filled in later. */
  state?: StateObjects;
  /** Clients by session id, those whose seats are held included. */
  clients: Map<string, any>;
  /** Clock timers by the names both processes know. */
  timers: Map<string, any>;
  classes: ClassRegistry;
  /** Makes a client without a connection for one that had left but is still held somewhere. */
  absentClient?(sessionId: string): any;
  /** Both processes run the same code (the default): functions must be equal to the letter, what the source lacks is removed. */
  sameCode?: boolean;
}

type Setter = (value: unknown) => void;

export class FieldUnpickler {
  readonly problems: Problem[] = [];
  readonly sameCode: boolean;
  readonly #o: UnpicklerOptions;
  readonly #made: unknown[];
  readonly #has: boolean[];
  readonly #claimed = new Set<object>();
  readonly #trail = new Trail();
  readonly #memories: Memories;
  readonly #decoder: Decoder;
  /** Nodes made but not filled yet, and whether they are laid over what was there. */
  readonly #queue: [n: number, made: unknown, over: boolean][] = [];
  /** Functions not found at the first place that holds them; another place may still have them. */
  readonly #waiting = new Map<number, { path: string; set: Setter[] }>();
  readonly #hooks: [instance: any, data: Pickled, n: number][] = [];
  #cursor = 0;
  #finished = false;

  constructor(options: UnpicklerOptions) {
    this.#o = options;
    this.sameCode = options.sameCode !== false;
    this.#made = new Array(options.nodes.length);
    this.#has = new Array(options.nodes.length).fill(false);
    this.#memories = new Memories(options.nodes);
    this.#decoder = {
      memories: this.#memories,
      sameCode: this.sameCode,
      value: (p, existing, n, step) => this.#value(p, existing, n, step),
      later: (p, set) => this.#later(p, set),
      missing: (n, step, what, hint) =>
        void this.problems.push({
          path: step ? this.#trail.path(n, step) : this.#trail.pathOf(n),
          what,
          hint,
        }),
      timer: (name) => (name === undefined ? undefined : options.timers.get(name)),
      absentClient: (sessionId) => options.absentClient?.(sessionId) ?? absent(sessionId),
      hook: (instance, data, n) => void this.#hooks.push([instance, data, n]),
    };
  }

  /** @param existing what is at this place already; it is reused when it is of the same kind and class */
  unpickle(p: Pickled, existing?: unknown, path = 'room'): unknown {
    const value = this.#value(p, existing, this.#trail.root(path), undefined);
    this.#drain();
    if (this.#finished) this.finish();
    return orUndefined(value);
  }

  /** Sets the fields that `pickleFields` took from the same object at the source. @param path of the holder, for messages */
  unpickleFields(holder: any, fields: readonly PickledField[], path: string): void {
    const root = this.#trail.root(path);
    for (const [name, p] of fields) {
      const key = keyOf(name, holder);
      const step: Step = ['prop', name];
      if (key === undefined) {
        if (!(name as Reference).maybe) this.#missing(root, step, 'symbol key', HINTS.symbol);
        continue;
      }
      const d = Object.getOwnPropertyDescriptor(holder, key);
      if (typeof p === 'object' && p !== null && p.$ === 'acc') {
        if (!d?.get && !d?.set) this.#missing(root, step, 'accessor', HINTS.accessor);
        continue;
      }
      const value = this.#value(p, d && 'value' in d ? d.value : undefined, root, step);
      assign(holder, key, orUndefined(value), 0);
      if (value === UNRESOLVED) this.#later(p, (fn) => assign(holder, key, fn, 0));
    }
    this.#drain();
  }

  /**
   * Call after the last field: functions that nobody has become problems, and fromBaton() of instances is called. What is
   * unpickled after it finishes by itself.
   */
  finish(): void {
    this.#finished = true;
    for (const [n, { path }] of this.#waiting) {
      const node = this.#o.nodes[n]!;
      const [name] = node.v as [string, number];
      const ref = node.r as FunctionRef | undefined;
      this.problems.push(
        ref
          ? { path, what: refText(ref), hint: HINTS.replaced }
          : { path, what: name ? `closure ${name}` : 'closure', hint: HINTS.closure },
      );
    }
    this.#waiting.clear();
    // Inner instances come later in the graph; they are restored first.
    for (const [instance, data, n] of this.#hooks.splice(0).reverse()) {
      try {
        instance.fromBaton(orUndefined(this.#value(data, undefined, n, ['call', 'toBaton()'])));
      } catch (error) {
        this.problems.push({
          path: this.#trail.pathOf(n),
          what: `fromBaton() threw ${String(error)}`,
          hint: HINTS.hookFailed,
        });
      }
    }
  }

  #drain(): void {
    for (; this.#cursor < this.#queue.length; this.#cursor++) {
      const [n, made, over] = this.#queue[this.#cursor]!;
      fillObject(this.#decoder, n, this.#o.nodes[n]!, made, over);
    }
    this.#queue.length = this.#cursor = 0;
  }

  #later(p: Pickled, set: Setter): void {
    this.#waiting.get((p as Reference).n!)!.set.push(set);
  }

  #value(p: Pickled, existing: unknown, parent: number, step: Step | undefined): unknown {
    if (typeof p !== 'object' || p === null) return p as Primitive;
    if (p.n !== undefined) return this.#node(p.n, existing, parent, step);
    const { room, state, clients, timers } = this.#o;
    switch (p.$) {
      case 'room':
        return room;
      case 'clock':
      case 'presence':
      case 'clients':
        return room[p.$];
      case 'inputs':
        return room._inputController?.api ?? existing;
      case 'plugin':
        return room.plugins?.[p.key as string] ?? room._autoPlugins?.[p.key as string];
      case 'rewind':
        return existing instanceof Rewind ? existing : Rewind.get(room);
      case 'client':
        return clients.get(p.sid as string) ?? this.#missing(parent, step, `client ${String(p.sid)}`);
      case 'ref':
        return state?.byId(p.id) ?? this.#missing(parent, step, 'schema instance');
      case 'view':
        return state?.views?.get(p.id as number) ?? this.#missing(parent, step, 'StateView');
      case 'timer':
        return timers.get(p.id as string) ?? this.#missing(parent, step, `clock timer ${String(p.id)}`);
      case 'dead':
        // A timer of Node that is over there must be over here, too.
        if (typeof existing === 'object' && existing !== null && infoOf(existing).kind === 'timer')
          clearTimeout(existing as NodeJS.Timeout);
        return existing;
      case 'keep':
        if (p.maybe || isObject(existing, p.name as string)) return existing;
        return this.#missing(parent, step, String(p.what), String(p.hint));
      case 'sym':
      case 'wsym':
        return symbolOf(p, undefined);
      case 'usym':
        if (typeof existing === 'symbol' && existing.description === p.name) return existing;
        return this.#missing(parent, step, `Symbol(${String(p.name)})`, HINTS.symbol);
      default:
        throw new TypeError(`A pickled reference of an unknown kind: ${String(p.$)}`);
    }
  }

  #missing(parent: number, step: Step | undefined, what: string, hint: string = HINTS.missing): undefined {
    this.problems.push({ path: this.#trail.path(parent, step), what, hint });
    return undefined;
  }

  #node(n: number, existing: unknown, parent: number, step: Step | undefined): unknown {
    if (this.#has[n]) return this.#made[n];
    const node = this.#o.nodes[n]!;
    if (node.k === 'f') return this.#function(n, node, existing, parent, step);
    this.#trail.at(n, parent, step);
    const over = this.#claim(n, node, existing);
    if (over && this.#isProcessOwn(node, existing as object)) return this.#done(n, existing);
    if (over) this.#claimed.add(existing as object);
    const made = over ? existing : makeObject(this.#decoder, n, node, this.#class(node, parent, step));
    this.#queue.push([n, made, over]);
    return this.#done(n, made);
  }

  /** Objects which several rooms hold are never written. Is this one what the source's room had, too? Then it stays. */
  #isProcessOwn(node: PickledNode, existing: object): boolean {
    return node.sh === true || (typeof node.c === 'string' && isShared(existing));
  }

  #done(n: number, value: unknown): unknown {
    this.#made[n] = value;
    this.#has[n] = true;
    return value;
  }

  /** May this node be laid over what is there? Each existing object takes one node: two objects must not become one. */
  #claim(n: number, node: PickledNode, existing: unknown): boolean {
    if (typeof existing !== 'object' || existing === null || this.#claimed.has(existing)) return false;
    const { room, nodes } = this.#o;
    if (
      existing === room ||
      existing === room.clock ||
      existing === room.clients ||
      existing === room.presence
    )
      return false;
    const info = infoOf(existing);
    if (OVERLAY[node.k]?.includes(info.kind) !== true || (node.c ?? undefined) !== info.name) return false;
    switch (node.k) {
      case 'o':
        if (typeof node.c !== 'string' && info.kind !== (node.c === null ? 'null' : 'plain')) return false;
        break;
      case 'b':
        return this.#memories.claimBuffer(n, existing as ArrayBuffer);
      case 'v':
        return info.what === node.v && this.#memories.claimView(node, existing as ArrayBufferView);
      case 'r':
        if (
          (existing as RegExp).source !== (node.v as any)[0] ||
          (existing as RegExp).flags !== (node.v as any)[1]
        )
          return false;
        break;
    }
    if (node.sh) return true;
    // Plain data that a single room of the source held: laid over a table of this process it would be in all rooms.
    const writable = Object.isExtensible(existing) && (typeof node.c === 'string' || !isShared(existing));
    return writable || equalData(node, existing, nodes);
  }

  #class(node: PickledNode, parent: number, step: Step | undefined): Function | undefined {
    if (typeof node.c !== 'string') return undefined;
    const { classes } = this.#o;
    const found = node.c === '' ? undefined : classes.find(node.c, node.h);
    if (found) return found;
    const hint =
      node.c === ''
        ? HINTS.anonymousClass
        : classes.named(node.c).length > 1
          ? HINTS.twoClasses
          : HINTS.unknownClass;
    return this.#missing(parent, step, `class ${node.c || '(anonymous)'}`, hint);
  }

  #function(
    n: number,
    node: PickledNode,
    existing: unknown,
    parent: number,
    step: Step | undefined,
  ): unknown {
    const found = this.#findFunction(node, existing);
    if (found === undefined) {
      if (!this.#waiting.has(n)) this.#waiting.set(n, { path: this.#trail.path(parent, step), set: [] });
      return UNRESOLVED;
    }
    for (const set of this.#waiting.get(n)?.set ?? []) set(found);
    this.#waiting.delete(n);
    return this.#done(n, found);
  }

  #fits(fn: Function, name: string, h: number): boolean {
    return fn.name === name && (!this.sameCode || fingerprint(fn) === h);
  }

  #findFunction(node: PickledNode, existing: unknown): Function | undefined {
    const [name, h] = node.v as [string, number];
    // What the target has at the same place is the closest: bound functions and arrows keep their own `this`.
    if (typeof existing === 'function' && this.#fits(existing, name, h)) return existing;
    const ref = node.r as FunctionRef | undefined;
    const found = ref && findFunction(this.#o.room, ref, this.#o.classes);
    return found &&
      (ref.t === 'global' || ref.t === 'movable' || ref.t === 'class' || this.#fits(found, name, h))
      ? found
      : undefined;
  }
}

/** Kinds of existing objects over which a node of each kind may be laid. */
const OVERLAY: Record<string, readonly string[]> = {
  o: ['plain', 'null', 'object'],
  h: ['object', 'array', 'map', 'set'],
  a: ['array'],
  m: ['map'],
  s: ['set'],
  d: ['date'],
  r: ['regexp'],
  v: ['view'],
  b: ['arraybuffer'],
  u: ['url'],
};

const isObject = (v: unknown, className: string): boolean =>
  typeof v === 'object' && v !== null && (className === '' || v.constructor?.name === className);

function absent(sessionId: string): object {
  const nothing = () => {};
  return {
    sessionId,
    id: sessionId,
    state: 5,
    readyState: 3,
    send: nothing,
    sendBytes: nothing,
    raw: nothing,
    enqueueRaw: nothing,
    leave: nothing,
    close: nothing,
    error: nothing,
  };
}
