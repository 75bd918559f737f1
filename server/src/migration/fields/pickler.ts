// The source's side: turns values of a room's fields into plain nodes, identity kept, live things as references.
// Iterative (a list of a million links must not overflow the stack) and free of side effects: nothing of the app is called
// except toBaton(). Kinds of nodes: o object, a array, m Map, s Set, d Date, r RegExp, e Error, v view, b ArrayBuffer,
// u URL, q URLSearchParams, x boxed primitive, w WeakRef, f function, h object with toBaton(), g client that left,
// t clock timer that is through, sv view that was never bound.
import { inspect } from 'node:util';
import { pluginsOf } from './base-fields.ts';
import { Buffers } from './buffers.ts';
import { type ClassInfo, infoOf } from './class-info.ts';
import { type ClassRegistry, isDeclaredMovable, isShared } from './class-registry.ts';
import { type Encoder, fillNode, fillProp } from './contents.ts';
import { fingerprint } from './fingerprint.ts';
import { FunctionNames } from './functions.ts';
import { HINTS } from './hints.ts';
import { holdsNative } from './holds-native.ts';
import { privateFieldsOfChain } from './private-fields.ts';
import { symbolRef } from './symbols.ts';
import { Trail } from './trail.ts';
import type {
  FunctionRef,
  Need,
  Pickled,
  PickledField,
  PickledKey,
  PickledNode,
  Problem,
  Reference,
  RoomLike,
  StateIds,
  Step,
  TimerNames,
} from './types.ts';

export interface PicklerOptions {
  room: RoomLike;
  /** Gives schema instances their ids; without it they are only noted (inspection of a running room). */
  state?: StateIds;
  /** Names of the room's clock timers; without it timers are only noted. */
  timers?: TimerNames;
  /** The source's own registry, to tell apart methods of one name; by default that of the room's last inspection. */
  classes?: ClassRegistry;
  /** Collect what the target must have. Only inspection does. */
  needs?: Need[];
  /** Things that stay behind without being a problem. */
  notes?: Problem[];
}

export class FieldPickler {
  readonly problems: Problem[] = [];
  readonly notes: Problem[];
  readonly #o: PicklerOptions;
  readonly #refs = new Map<unknown, Reference>();
  readonly #nodes: PickledNode[] = [];
  readonly #objects: unknown[] = [];
  readonly #infos: (ClassInfo | undefined)[] = [];
  readonly #trail = new Trail();
  readonly #functions: FunctionNames;
  readonly #encoder: Encoder;
  /** Needs that any of several places can meet, by the object there. */
  readonly #needOf = new Map<object, Need>();
  readonly #checked = new Set<Function>();
  /** The room carries by hand what cannot be seen. */
  readonly #hooked: boolean;
  #cursor = 0;
  #draining = false;

  constructor(options: PicklerOptions) {
    this.#o = options;
    this.notes = options.notes ?? [];
    const room = options.room;
    this.#functions = new FunctionNames(room, options.classes);
    this.#hooked = typeof room.onCacheRoom === 'function' && typeof room.onRestoreRoom === 'function';
    this.#encoder = {
      buffers: new Buffers((node) => this.#nodes.push(node) - 1),
      value: (v, parent, step) => this.#value(v, parent, step),
      problem: (n, step, what, hint) =>
        void this.problems.push({
          path: step ? this.#trail.path(n, step) : this.#trail.pathOf(n),
          what,
          hint,
        }),
      accessor: (n, step) =>
        this.#need(
          undefined,
          { need: 'own', name: 'accessor', what: 'accessor', hint: HINTS.accessor },
          n,
          step,
        ),
    };
    const live = (v: unknown, ref: Reference) =>
      typeof v === 'object' && v !== null && this.#refs.set(v, ref);
    live(room, { $: 'room' });
    live(room.clock, { $: 'clock' });
    live(room.presence, { $: 'presence' });
    live(room.clients, { $: 'clients' });
    live(room._inputController?.api, { $: 'inputs' });
    for (const client of room.clients) live(client, { $: 'client', sid: client.sessionId });
    for (const [key, plugin] of pluginsOf(room)) live(plugin, { $: 'plugin', key });
  }

  /**
   * What was found so far, ready for v8.serialize. Read it when all is pickled. Byte arrays in it are the room's own memory:
   * serialise before the room runs on.
   */
  get nodes(): PickledNode[] {
    this.#encoder.buffers.settle();
    return this.#nodes;
  }

  /** @param path for messages: `onCacheRoom()`, `room.clients.get("abc").userData` */
  pickle(value: unknown, path: string): Pickled {
    const pickled = this.#value(value, this.#trail.root(path), undefined);
    this.#drain();
    return pickled;
  }

  /**
   * Properties of a live object (the room, a plugin) that stays what it is: pairs of key and value for `unpickleFields`.
   * @param path of the holder: `room`
   */
  pickleFields(holder: object, keys: readonly (string | symbol)[], path: string): PickledField[] {
    const root = this.#trail.root(path);
    const scratch: PickledNode = { k: 'o' };
    const flat: unknown[] = [];
    for (const key of keys) {
      const d = Object.getOwnPropertyDescriptor(holder, key);
      if (d !== undefined) fillProp(this.#encoder, root, scratch, flat, key, d);
    }
    this.#drain();
    const fields: PickledField[] = [];
    for (let i = 0; i < flat.length; i += 2) fields.push([flat[i] as PickledKey, flat[i + 1] as Pickled]);
    return fields;
  }

  /** Fills what is reserved; a value pickled meanwhile (by the state's capture) joins the queue. */
  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (; this.#cursor < this.#nodes.length; this.#cursor++) {
        const info = this.#infos[this.#cursor];
        if (info)
          fillNode(
            this.#encoder,
            this.#cursor,
            this.#nodes[this.#cursor]!,
            this.#objects[this.#cursor],
            info,
          );
      }
    } finally {
      this.#draining = false;
    }
  }

  #value(v: unknown, parent: number, step: Step | undefined): Pickled {
    if (typeof v === 'symbol') return this.#symbol(v, parent, step);
    if ((typeof v !== 'object' || v === null) && typeof v !== 'function') return v as Pickled;
    const known = this.#refs.get(v);
    if (known) {
      this.#needOf.get(v)?.steps.push(this.#stepsTo(parent, step));
      return known;
    }
    return typeof v === 'function'
      ? this.#function(v, parent, step)
      : this.#object(v, infoOf(v), parent, step);
  }

  #object(v: any, info: ClassInfo, parent: number, step: Step | undefined): Pickled {
    switch (info.kind) {
      case 'schema':
        if (this.#o.state) return this.#live(v, { $: 'ref', id: this.#o.state.idOf(v) });
        return this.#o.room.state
          ? this.#live(v, { $: 'ref', id: -1 })
          : this.#problem(v, parent, step, info.what, info.hint);
      case 'stateview':
        if (this.#o.state?.viewId) return this.#live(v, { $: 'view', id: this.#o.state.viewId(v) });
        if (v.id >= 0) return this.#live(v, { $: 'view', id: v.id });
        return this.#node(v, { k: 'sv', v: v.iterable === true }, undefined, parent, step);
      case 'rewind':
        return this.#live(v, { $: 'rewind' });
      case 'delayed':
        return this.#timer(v, info, parent, step);
      case 'timer':
        return v._destroyed
          ? this.#live(v, { $: 'dead' })
          : this.#lost(v, info.what, info.hint, parent, step);
      case 'promise': {
        // One that is through may be replaced by the target's own; one that waits cannot move.
        const pending = inspect(v, { depth: 0 }).includes('<pending>');
        return pending
          ? this.#lost(v, 'pending Promise', info.hint, parent, step)
          : this.#own(v, 'Promise', info.hint, parent, step);
      }
      case 'client':
        return this.#client(v, parent, step);
      case 'native':
        return this.#own(v, info.what, info.hint, parent, step);
      case 'lost':
        return this.#lost(v, info.what, info.hint, parent, step);
      case 'object':
        return this.#instance(v, info, parent, step);
      default:
        return this.#node(v, { k: '' }, info, parent, step);
    }
  }

  #instance(v: any, info: ClassInfo, parent: number, step: Step | undefined): Pickled {
    if (info.ctor === undefined)
      return this.#lost(v, 'object whose prototype is another object', info.hint, parent, step);
    if (!info.hook && !isDeclaredMovable(info.ctor, this.#o.room)) {
      info.holdsNative ??= holdsNative(v, this.#o.room);
      if (info.holdsNative) {
        const what = `${info.name} with a ${info.holdsNative}`;
        this.notes.push({ path: this.#trail.path(parent, step), what, hint: HINTS.kept });
        return this.#own(v, what, HINTS.native, parent, step);
      }
    }
    return this.#node(v, { k: '' }, info, parent, step);
  }

  /** Reserves the node; the queue fills it in when there is an `info`. */
  #node(
    v: object,
    node: PickledNode,
    info: ClassInfo | undefined,
    parent: number,
    step: Step | undefined,
  ): Reference {
    const n = this.#nodes.push(node) - 1;
    const ref = { n };
    this.#refs.set(v, ref);
    this.#objects[n] = v;
    this.#infos[n] = info;
    this.#trail.at(n, parent, step);
    if (info?.name !== undefined) {
      node.c = info.name;
      node.h = info.h;
      if (!this.#checked.has(info.ctor!)) this.#class(info, parent, step);
    }
    if (isShared(v)) node.sh = true;
    return ref;
  }

  /** Once for each class: private fields, and whether the target knows it. */
  #class(info: ClassInfo, parent: number, step: Step | undefined): void {
    this.#checked.add(info.ctor!);
    const name = info.name!;
    this.#need(
      undefined,
      {
        need: 'class',
        name,
        h: info.h,
        what: `class ${name || '(anonymous)'}`,
        hint: name ? HINTS.unknownClass : HINTS.anonymousClass,
      },
      parent,
      step,
    );
    if (info.hook) return;
    for (const f of privateFieldsOfChain(info.ctor!)) {
      this.problems.push({
        path: this.#trail.path(parent, step),
        what: `private field ${f.className}.${f.field}`,
        hint: HINTS.privateClass,
      });
    }
  }

  #function(fn: Function, parent: number, step: Step | undefined): Pickled {
    const ref: FunctionRef | undefined = this.#functions.refOf(fn);
    const h = fingerprint(fn);
    this.#need(
      fn,
      {
        need: ref ? 'method' : 'function',
        name: fn.name,
        h,
        what: 'closure',
        hint: HINTS.closure,
        ...(ref && { ref }),
      },
      parent,
      step,
    );
    return this.#node(fn, { k: 'f', v: [fn.name, h], ...(ref && { r: ref }) }, undefined, parent, step);
  }

  #symbol(v: symbol, parent: number, step: Step | undefined): Pickled {
    const ref = symbolRef(v);
    if (ref.$ === 'usym')
      this.#need(
        undefined,
        { need: 'own', name: 'symbol', what: String(v), hint: HINTS.symbol },
        parent,
        step,
      );
    return ref;
  }

  #timer(v: any, info: ClassInfo, parent: number, step: Step | undefined): Pickled {
    const id = this.#o.timers?.nameOf(v);
    if (!v.active)
      return this.#node(v, { k: 't', id, v: [v.time, v.type, v.elapsedTime] }, undefined, parent, step);
    if (this.#o.timers && id === undefined)
      return this.#problem(v, parent, step, 'timer of another clock', info.hint);
    return this.#live(v, { $: 'timer', id });
  }

  /** A client whose seat is held travels by its id; one that left is data. */
  #client(v: any, parent: number, step: Step | undefined): Pickled {
    for (const held of Object.values<any>(this.#o.room._reconnections ?? {})) {
      if (held[0] === v.sessionId) return this.#live(v, { $: 'client', sid: v.sessionId });
    }
    const node: PickledNode = { k: 'g', sid: v.sessionId };
    const ref = this.#node(v, node, undefined, parent, step);
    node.v = [
      this.#value(v.auth, ref.n!, ['prop', 'auth']),
      this.#value(v.userData, ref.n!, ['prop', 'userData']),
    ];
    return ref;
  }

  #live(v: object, ref: Reference): Reference {
    this.#refs.set(v, ref);
    return ref;
  }

  /** The target must have made its own. */
  #own(v: any, what: string, hint: string, parent: number, step: Step | undefined): Pickled {
    const name = v.constructor?.name ?? '';
    if (!this.#hooked) this.#need(v, { need: 'own', name, what, hint }, parent, step);
    return this.#live(v, { $: 'keep', name, what, hint, ...(this.#hooked && { maybe: true }) });
  }

  /** Data nobody can read: only the room's own hooks can carry it. */
  #lost(v: any, what: string, hint: string, parent: number, step: Step | undefined): Pickled {
    if (!this.#hooked) return this.#problem(v, parent, step, what, hint);
    this.notes.push({ path: this.#trail.path(parent, step), what, hint: HINTS.hooked });
    return this.#live(v, { $: 'keep', name: v.constructor?.name ?? '', what, hint, maybe: true });
  }

  #problem(v: object, parent: number, step: Step | undefined, what: string, hint: string): Pickled {
    this.problems.push({ path: this.#trail.path(parent, step), what, hint });
    return this.#live(v, { $: 'keep', name: '', what, hint, maybe: true });
  }

  #need(
    v: object | undefined,
    need: Omit<Need, 'path' | 'steps'>,
    parent: number,
    step: Step | undefined,
  ): void {
    if (!this.#o.needs) return;
    const made: Need = {
      ...need,
      path: this.#trail.path(parent, step),
      steps: [this.#stepsTo(parent, step)],
    };
    this.#o.needs.push(made);
    if (v) this.#needOf.set(v, made);
  }

  #stepsTo(parent: number, step: Step | undefined): Step[] {
    return this.#o.needs ? [['call', this.#trail.rootOf(parent)], ...this.#trail.steps(parent, step)] : [];
  }
}
