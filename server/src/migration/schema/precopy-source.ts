import type { Encoder } from '@colyseus/schema';
import type { Ref } from '../../colyseus/schema-internals.ts';
import { rawOf, rootOf } from '../../colyseus/schema-internals.ts';
import type { CaptureOptions } from './capture.ts';
import { StateCapture, typeRef } from './capture.ts';
import { NodeTable } from './node-table.ts';
import { NodeWriter } from './node-writer.ts';
import { schemaText } from './reflection.ts';
import { Shadows } from './shadow.ts';
import type { NodeId, StateSnapshot } from './snapshot.ts';
import { SNAPSHOT_VERSION } from './snapshot.ts';

/** Nodes between two looks at the clock. */
const STRIDE = 16;

/**
 * Copies a large state while its room goes on, so that the freeze only has to send what changed since:
 *
 *     const source = new PreCopySource(encoder);
 *     while ((slice = source.slice())) { send(slice); await nextTurn(); }   // full copy, a few ms at a time
 *     while ((slice = source.slice())) { … }                                // optional: what changed meanwhile
 *     const capture = source.freeze({ pickle });                            // frozen: as a StateCapture
 *     send(capture.finish(state));                                          // … whose snapshot is small
 *
 * A slice is taken at another moment than the next, so the parts need not fit together until the last one is in.
 */
export class PreCopySource {
  readonly #encoder: Encoder;
  readonly #table = new NodeTable();
  readonly #shadows: Shadows;
  /** Ids below were sent at least once. */
  #sent = 0;
  /** Position of the pass over what was sent. */
  #cursor = 0;
  /** What could not be carried when a slice was taken: looked at again at the freeze, which reports it. */
  readonly #doubtful = new Set<NodeId>();

  constructor(encoder: Encoder) {
    this.#encoder = encoder;
    this.#shadows = new Shadows(rootOf(encoder));
    this.#table.id(rawOf(encoder.state as Ref));
  }

  /**
   * Works for about `budgetMs` and returns what is to be sent; undefined ends the pass, and the next call begins
   * another one over everything that changed. Non-synced properties with objects in them are left to the freeze.
   */
  slice(budgetMs = 2): StateSnapshot | undefined {
    const table = this.#table;
    let current = 0;
    const writer = this.#writer(
      (ref) => table.id(rawOf(ref)),
      () => this.#doubtful.add(current),
    );
    const until = performance.now() + budgetMs;
    let written = 0;
    const write = (id: NodeId) => {
      current = id;
      const raw = table.refs[id]!;
      const edits = this.#shadows.edits(id, raw, (value) => writer.pack(value));
      this.#shadows.take(id, raw);
      writer.write(id, raw, edits);
      written++;
    };
    for (let steps = 1; this.#cursor < table.refs.length; steps++) {
      const id = this.#cursor++;
      if (id >= this.#sent) {
        write(id);
        this.#sent = id + 1;
      } else if (!this.#shadows.holds(id, table.refs[id]!)) write(id);
      if (steps % STRIDE === 0 && performance.now() > until) break;
    }
    if (written > 0 || this.#cursor < table.refs.length) return this.#snapshot(writer);
    this.#cursor = 0;
    return undefined;
  }

  /** Call when nothing can change any more. The capture knows all ids; its snapshot holds what the target lacks. */
  freeze(options: CaptureOptions = {}): StateCapture {
    const shadows = this.#shadows;
    const doubtful = this.#doubtful;
    const { refs } = this.#table;
    return new StateCapture(this.#encoder, options, {
      table: this.#table,
      edits: (writer, id) =>
        doubtful.has(id) ? undefined : shadows.edits(id, refs[id]!, (value) => writer.pack(value)),
      collect: (writer, queue) => {
        const queued = new Set(queue);
        const known = refs.length;
        for (let id = 0; id < known; id++) {
          if (queued.has(id)) continue;
          const raw = refs[id]!;
          const keys = shadows.changedExtras(id, raw);
          const changed = id >= this.#sent || doubtful.has(id) || !shadows.holds(id, raw);
          if (changed) queue.push(id);
          // Writing an instance includes its extras, unless it has lost the last of them.
          if (keys && (!changed || keys.length === 0)) writer.extras.write(id, raw, keys);
        }
      },
    });
  }

  #writer(idOf: (ref: Ref) => NodeId, problem: () => void): NodeWriter {
    return new NodeWriter({
      root: rootOf(this.#encoder),
      typeRef: (type) => typeRef(this.#encoder, type),
      idOf,
      deepExtras: false,
      problem,
    });
  }

  #snapshot(writer: NodeWriter): StateSnapshot {
    return {
      version: SNAPSHOT_VERSION,
      schema: schemaText(this.#encoder.context, this.#encoder.state.constructor),
      root: 0,
      nodes: this.#table.refs.length,
      groups: writer.groups(),
      rare: writer.rarities(),
      extras: writer.extras.result(),
      views: [],
      closed: this.#sent === this.#table.refs.length,
    };
  }
}
