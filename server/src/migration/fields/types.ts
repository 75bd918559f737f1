// The data that travels: everything here survives v8.serialize.

/** Something that cannot move, found before the room is frozen. */
export interface Problem {
  /** Where it is, as one would write it in the room's code: `room.foo.bar[2]`. */
  path: string;
  /** What it is: `closure`, `Promise`, `private field Arena.#seed`, `class Bullet`, … */
  what: string;
  /** What the developer can do about it. */
  hint: string;
}

export type Primitive = undefined | null | boolean | number | bigint | string;

/** A value that is not a primitive: `{ n }` is an index into the nodes, `{ $ }` a reference to something live. */
export interface Reference {
  n?: number;
  $?: string;
  [detail: string]: unknown;
}
export type Pickled = Primitive | Reference;

/** A property key that travels: symbols are references. */
export type PickledKey = string | Reference;

/** A field of a live object. */
export type PickledField = [key: PickledKey, value: Pickled];

/** One object of the graph. `k` says which kind; the rest is documented where each kind is made (pickler.ts). */
export interface PickledNode {
  k: string;
  /** Class: absent = the built-in one of the kind (a plain object), null = no prototype. */
  c?: string | null;
  /** Fingerprint of the class's source; tells apart two classes of one name. */
  h?: number;
  v?: unknown;
  /** Own properties, flat: key, value, key, value… */
  p?: unknown[];
  /** Property attributes that are not the default, flat: key, bits (1 hidden, 2 read-only, 4 fixed). */
  a?: unknown[];
  /** 1 not extensible, 2 sealed, 3 frozen. */
  z?: number;
  /** Several rooms of the source process hold this very object: the target keeps its own when it has one. */
  sh?: boolean;
  [detail: string]: unknown;
}

/** How a function is found again in another process. */
export type FunctionRef =
  | { t: 'method'; name: string }
  | { t: 'bound'; name: string }
  | { t: 'static'; name: string }
  | { t: 'plugin'; key: string; name: string }
  | { t: 'movable'; name: string }
  | { t: 'global'; name: string }
  | { t: 'class'; name: string; h: number }
  | { t: 'classMethod'; of: string; h: number; name: string };

/** A step from an object to what it holds; `[kind, key]`. */
export type Step =
  | ['prop', PickledKey]
  | ['index', number]
  | ['value', Pickled]
  | ['key', number]
  | ['item', number]
  | ['call', string];

/** What the source relies on the target to have. Checked against the target's shell before the freeze. */
export interface Need {
  need: 'function' | 'method' | 'class' | 'own';
  path: string;
  /** Every way to reach it, from the room. */
  steps: Step[][];
  name: string;
  h?: number;
  ref?: FunctionRef;
  what: string;
  hint: string;
}

/** The name under which both processes know a clock timer. Given by the room level, which names timers as they are made. */
export interface TimerNames {
  /** `c<n>`: the n-th made in the constructor or `onCreate`; `d<n>`: made later. Undefined: not a timer of this room's clock. */
  nameOf(delayed: object): string | undefined;
  /** The function the app passed, without what the framework or Baton wrapped around it. Defaults to `delayed.handler`. */
  handlerOf?(delayed: object): Function;
}

/** Gives each schema instance the id it keeps. Filled by the state's capture. */
export interface StateIds {
  idOf(ref: object): unknown;
  /** Key of a view, of one that was never bound as well. Without it, bound views go by their id. */
  viewId?(view: any): number;
}

/** Finds schema instances and views again by their ids. Filled by the state's restore. */
export interface StateObjects {
  byId(id: any): object | undefined;
  readonly views?: Map<number, object>;
}

/** A room as this folder sees it: a bag of fields with a few well-known ones. */
export interface RoomLike {
  clock: any;
  presence: any;
  clients: any;
  plugins?: any;
  [field: string | symbol]: any;
}
