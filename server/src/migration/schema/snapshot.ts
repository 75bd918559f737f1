// The wire form of a state: column-wise and flat, because v8.serialize copies a typed array in one go but walks
// every object one by one. Node ids are positions in the order of discovery; the root of the state is node 0.
/** Id of one instance (Schema or collection) within one move. */
export type NodeId = number;

/** Bump when the layout below changes; a target refuses versions that it does not know. */
export const SNAPSHOT_VERSION = 1;

/** Something that cannot be carried over, with the place it was found at and what the developer can do. */
export interface Problem {
  path: string;
  what: string;
  hint: string;
}

export const Kind = { schema: 0, map: 1, array: 2, set: 3, collection: 4, stream: 5 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Type id within the state's TypeContext, a primitive's name, a class outside of the context by name, or plain data. */
export type TypeRef = number | string | undefined | { name: string } | { plain: unknown };

/** Numbers travel as typed arrays when all of a column are numbers. */
export type Column = Int32Array | Float64Array | unknown[];

/** References inside a column of references. */
export const NO_REF = -1;
export const NULL_REF = -2;

/** A value outside of typed columns: `[id]` is a reference, `[-1, value]` anything else. */
export type Packed = [NodeId] | [-1, unknown];

/** Ints per node in `NodeGroup.meta`: flags and marks, refId, refCount, first parent, index in it. */
export const META = 5;
/** Marks above the 16 bits of `ChangeTree.flags` in the first of them. */
export const Mark = { flags: 0xffff, registered: 1 << 16, hasRoot: 1 << 17, paused: 1 << 18 } as const;

/** All captured nodes of one class, or of one kind of collection with the same element type. */
export interface NodeGroup {
  kind: Kind;
  /** Schema: its class. Collection: its element type. */
  type: TypeRef;
  ids: Int32Array;
  meta: Int32Array;
  /** Schema: one column a field. Collection: one column with the content of all, end to end. */
  columns: Column[];
  /** Collections: number of entries of each, or -1 for what `Rarities.edits` lists. */
  lengths?: Int32Array;
  /** Map, Set, Collection, Stream: next wire index of each. */
  counters?: Int32Array;
  /** Map: keys of all, end to end. */
  keys?: string[];
  /** Map, Set, Collection, Stream: wire index of each entry, end to end. */
  indexes?: Int32Array;
}

/** An array with changes staged for the next patch. */
export interface StagedArray {
  id: NodeId;
  items: Packed[];
  /** Slots marked as deleted, and the length of the list of marks. */
  deleted: number[];
  marks: number;
}

/** What changed in the content of a collection since an earlier slice; the length of its group row is -1 then. */
export interface Edits {
  id: NodeId;
  /** Array: length now. */
  length: number;
  /** Keys (Map) or wire indexes to take out, then entries to put in or append in this order. Array: positions. */
  out: (string | number)[];
  in: (string | number)[];
  values: Packed[];
  /** Map: the same for its journal. */
  journalOut?: number[];
  journalIn?: number[];
  journalKeys?: string[];
}

/** Bookkeeping of a collection declared with `.stream()`. */
export interface StreamRecord {
  id: NodeId;
  pending: [number, number[]][];
  sent: [number, number[]][];
  broadcastPending: number[];
  sentBroadcast: number[];
  broadcastDeletes: number[];
  maxPerTick: number;
  /** A priority function was set on the instance; functions do not travel, onCreate() has to set it again. */
  ownPriority: boolean;
}

/** What few nodes have. Lists of ints are flat: id, then the lengths and values that follow. */
export interface Rarities {
  visible: Int32Array;
  subscribed: Int32Array;
  tags: Int32Array;
  extraParents: Int32Array;
  dirty: Int32Array;
  unreliable: Int32Array;
  /** id, index of each missing slot of an array. */
  holes: Int32Array;
  edits: Edits[];
  staged: StagedArray[];
  /** Maps whose journal is not simply their content in order: wire index and key in the journal's order. */
  journals: { id: NodeId; indexes: number[]; keys: string[] }[];
  /** Values removed since the last patch. */
  removed: { id: NodeId; indexes: number[]; values: Packed[] }[];
  streams: StreamRecord[];
  /** Synced fields kept as own properties (`manual: true`). */
  own: { id: NodeId; name: string; value: Packed }[];
}

/** Non-synced own properties of instances; `shapes[shape[i]]` are the names for the i-th of `ids`. */
export interface Extras {
  shapes: string[][];
  ids: Int32Array;
  shape: Int32Array;
  values: unknown[];
}

export interface ViewRecord {
  /** Bound views keep their id; a view that is not bound to the state counts down from -2. */
  id: number;
  iterable: boolean;
  items?: NodeId[];
  /** Flat: refId, number of entries, then per entry 0|1 (1: key is a node), key, operation. */
  changes: number[];
  /** Own properties that the app put on the view, as pickled. */
  extras?: [string, unknown][];
}

/** State of the encoder itself. */
export interface EncoderRecord {
  nextUniqueId: number;
  nextViewId: number;
  freeViewIds: number[];
  /** Ids of views that were collected, but not yet given back. */
  lostViewIds: number[];
  queue: Int32Array;
  unreliableQueue: Int32Array;
  filterRefresh: Int32Array;
  streams: Int32Array;
  bufferBytes: number;
}

/** A state, or (during a pre-copy) the part of it that changed. Survives v8.serialize and structured clone. */
export interface StateSnapshot {
  version: number;
  /** Description of all classes (see `describeSchema`), as JSON. */
  schema: string;
  root: NodeId;
  /** Number of ids given out so far. */
  nodes: number;
  groups: NodeGroup[];
  rare: Rarities;
  extras: Extras;
  views: ViewRecord[];
  /** Missing in the slices of a pre-copy that are taken while the room runs. */
  encoder?: EncoderRecord;
  /** Slices: all that the slices so far refer to is in one of them, so they can be put together. */
  closed?: boolean;
}
