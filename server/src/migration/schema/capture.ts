import type { Encoder, Schema, StateView } from '@colyseus/schema';
import type { QueueInternals, Ref, RootInternals, TreeInternals } from '../../colyseus/schema-internals.ts';
import { rawOf, rootOf, viewOf } from '../../colyseus/schema-internals.ts';
import { NodeTable } from './node-table.ts';
import { NodeWriter } from './node-writer.ts';
import { schemaText } from './reflection.ts';
import type {
  Edits,
  EncoderRecord,
  NodeId,
  Problem,
  StateSnapshot,
  TypeRef,
  ViewRecord,
} from './snapshot.ts';
import { SNAPSHOT_VERSION } from './snapshot.ts';

export interface CaptureOptions {
  /**
   * Serialises a non-synced own property of an instance or a view. Called from `finish` only, never for primitives;
   * `path` is `Class.property`. Without it values travel as they are and functions stay behind.
   */
  pickle?: (value: unknown, path: string) => unknown;
}

/** What a capture can leave out because the target has it. */
export interface CaptureBase {
  readonly table: NodeTable;
  /** Appends the ids that have to be sent (again) to `queue`, and writes extras of others. */
  collect(writer: NodeWriter, queue: NodeId[]): void;
  /** What is enough to send of a collection that the target has in an older form. */
  edits(writer: NodeWriter, id: NodeId): Edits | undefined;
}

/** How the target finds a class again. */
export function typeRef(encoder: Encoder, type: unknown): TypeRef {
  if (type === undefined || typeof type === 'string') return type;
  if (typeof type !== 'function') return { plain: type };
  return encoder.context.getTypeId(type as typeof Schema) ?? { name: type.name };
}

const viewFields = new Set(['items', 'id', 'iterable', 'changes', '_root', '_slot', '_bit']);

/**
 * Takes down everything that an encoder knows about a state: the instances with their ids, places and contents,
 * changes that no patch carried yet, and views. Nothing is changed on the source.
 */
export class StateCapture {
  /** What was found and cannot be carried over. */
  readonly problems: Problem[] = [];
  readonly #encoder: Encoder;
  readonly #root: RootInternals;
  readonly #table: NodeTable;
  readonly #base: CaptureBase | undefined;
  readonly #writer: NodeWriter;
  /** Ids still to be written. */
  readonly #queue: NodeId[] = [];
  readonly #views = new Map<StateView, number>();
  readonly #viewRecords: ViewRecord[] = [];
  readonly #options: CaptureOptions;

  /** @param base what the target holds already, see `PreCopySource.freeze` */
  constructor(encoder: Encoder, options: CaptureOptions = {}, base?: CaptureBase) {
    this.#encoder = encoder;
    this.#root = rootOf(encoder);
    this.#base = base;
    this.#table = base?.table ?? new NodeTable();
    this.#options = options;
    this.#writer = new NodeWriter({
      root: this.#root,
      typeRef: (type) => typeRef(encoder, type),
      idOf: (ref) => this.idOf(ref),
      pickle: options.pickle,
      deepExtras: true,
      problem: (problem) => this.problems.push(problem),
    });
    this.idOf(encoder.state as Ref);
  }

  /** Id under which the target finds the instance again; it travels along even when the state does not hold it. */
  idOf(ref: object): NodeId {
    const raw = rawOf(ref as Ref);
    const known = this.#table.refs.length;
    const id = this.#table.id(raw);
    if (id === known) this.#queue.push(id);
    return id;
  }

  /** Key under which the target's `views` hold the view. */
  viewId(view: StateView): number {
    let key = this.#views.get(view);
    if (key !== undefined) return key;
    key =
      view.id >= 0 && this.#root.activeViews.get(view.id)?.deref() === view ? view.id : -2 - this.#views.size;
    this.#views.set(view, key);
    const record = this.#view(view, key);
    this.#viewRecords.push(record);
    return key;
  }

  /** Call after the last `idOf`; `root` is the encoder's state. */
  finish(root: object = this.#encoder.state): StateSnapshot {
    const rootId = this.idOf(root);
    const encoder = this.#encoderRecord();
    this.#base?.collect(this.#writer, this.#queue);
    this.#drain();
    return {
      version: SNAPSHOT_VERSION,
      schema: schemaText(this.#encoder.context, this.#encoder.state.constructor),
      root: rootId,
      nodes: this.#table.refs.length,
      groups: this.#writer.groups(),
      rare: this.#writer.rarities(),
      extras: this.#writer.extras.result(),
      views: this.#viewRecords,
      encoder,
    };
  }

  #drain(): void {
    const queue = this.#queue;
    for (let i = 0; i < queue.length; i++) {
      const id = queue[i]!;
      this.#writer.write(id, this.#table.refs[id]!, this.#base?.edits(this.#writer, id));
    }
    queue.length = 0;
  }

  #encoderRecord(): EncoderRecord {
    const root = this.#root;
    const lostViewIds: number[] = [];
    for (const [id, ref] of root.activeViews) {
      const view = ref.deref();
      if (view) this.viewId(view);
      else lostViewIds.push(id);
    }
    const ids = (trees: Iterable<TreeInternals>) => Int32Array.from(trees, (tree) => this.idOf(tree.ref));
    return {
      nextUniqueId: root.nextUniqueId,
      nextViewId: root._nextViewId,
      freeViewIds: root._freeViewIds.slice(),
      lostViewIds: lostViewIds.concat(this.#danglingViewIds()),
      queue: ids(queued(root.changes)),
      unreliableQueue: ids(queued(root.unreliableChanges)),
      filterRefresh: ids(root.pendingFilterRefresh),
      streams: Int32Array.from(root.streamTrees, (stream) => this.idOf(stream)),
      bufferBytes: this.#encoder.sharedBuffer.byteLength,
    };
  }

  /** Ids that belong to views which the garbage collector took, but whose finalizer has not run yet. */
  #danglingViewIds(): number[] {
    const taken = new Set([...this.#root._freeViewIds, ...this.#root.activeViews.keys()]);
    const out: number[] = [];
    for (let id = 0; id < this.#root._nextViewId; id++) if (!taken.has(id)) out.push(id);
    return out;
  }

  #view(view: StateView, id: number): ViewRecord {
    const internals = viewOf(view);
    const record: ViewRecord = { id, iterable: internals.iterable, changes: [] };
    if (internals.items) record.items = internals.items.map((item) => this.idOf(item));
    for (const [refId, entries] of internals.changes) {
      const tree = this.#root.changeTrees[refId];
      if (tree !== undefined) this.idOf(tree.ref);
      record.changes.push(refId ?? -1, entries.size);
      for (const [key, op] of entries) {
        if (typeof key === 'number') record.changes.push(0, key, op);
        else record.changes.push(1, this.idOf(key.ref), op);
      }
    }
    for (const [key, value] of Object.entries(view)) {
      if (viewFields.has(key)) continue;
      const { pickle } = this.#options;
      const deep =
        pickle !== undefined && value !== null && (typeof value === 'object' || typeof value === 'function');
      (record.extras ??= []).push([key, deep ? pickle(value, `StateView.${key}`) : value]);
    }
    return record;
  }
}

function* queued(queue: QueueInternals): Generator<TreeInternals> {
  for (let node = queue.next; node !== undefined; node = node.next) yield node.changeTree;
}
