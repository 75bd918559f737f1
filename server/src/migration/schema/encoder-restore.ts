// Puts the restored instances under an encoder: ids, reference counts, queues and views.

import type { Encoder } from '@colyseus/schema';
import { StateView } from '@colyseus/schema';
import type { QueueInternals, Ref, RootInternals, TreeInternals } from '../../colyseus/schema-internals.ts';
import { rootOf, treeOf, viewOf } from '../../colyseus/schema-internals.ts';
import type { NodeBuilder } from './builder.ts';
import type { EncoderRecord, NodeGroup, ViewRecord } from './snapshot.ts';
import { Mark, META } from './snapshot.ts';

/** Registers the nodes of the groups as `Root.add` would, or takes them out when they left the state. */
export function register(encoder: Encoder, groups: Iterable<NodeGroup>, builder: NodeBuilder): void {
  const root = rootOf(encoder);
  for (const { ids, meta } of groups) {
    for (let row = 0; row < ids.length; row++) {
      const tree = treeOf(builder.raws[ids[row]!]!);
      const marks = meta[row * META]!;
      const refId = meta[row * META + 1]!;
      const count = meta[row * META + 2]!;
      tree.root = marks & Mark.hasRoot ? root : undefined;
      if (refId === -1) continue;
      if (marks & Mark.registered) root.changeTrees[refId] = tree;
      else if (root.changeTrees[refId] === tree) delete root.changeTrees[refId];
      if (count === -1) delete root.refCount[refId];
      else root.refCount[refId] = count;
    }
  }
}

/** Ids that are given out next, and everything that waits for the next patch, in the source's order. */
export function restoreEncoder(encoder: Encoder, record: EncoderRecord, builder: NodeBuilder): void {
  const root = rootOf(encoder);
  const trees = (ids: Int32Array): TreeInternals[] => Array.from(ids, (id) => treeOf(builder.raws[id]!));
  root.nextUniqueId = record.nextUniqueId;
  empty(root.changes, 'changesNode');
  empty(root.unreliableChanges, 'unreliableChangesNode');
  for (const tree of trees(record.queue)) root.enqueueChangeTree(tree);
  for (const tree of trees(record.unreliableQueue)) root.enqueueUnreliable(tree);
  root.pendingFilterRefresh = trees(record.filterRefresh);
  root.streamTrees.clear();
  for (const id of record.streams) root.streamTrees.add(builder.refs[id]!);
  // A buffer that is too small makes the encoder start over, which streams do not survive unchanged.
  if (encoder.sharedBuffer.byteLength < record.bufferBytes)
    encoder.sharedBuffer = new Uint8Array(record.bufferBytes);
}

function empty(queue: QueueInternals, field: 'changesNode' | 'unreliableChangesNode'): void {
  for (let node = queue.next; node !== undefined; node = node.next) node.changeTree[field] = undefined;
  queue.next = undefined;
  queue.tail = undefined;
}

/** Views with the ids they had; keys are those of `StateCapture.viewId`. */
export function restoreViews(
  encoder: Encoder,
  records: ViewRecord[],
  state: EncoderRecord,
  builder: NodeBuilder,
): Map<number, StateView> {
  const root = rootOf(encoder);
  const views = new Map<number, StateView>();
  for (const record of records) {
    const view = new StateView(record.iterable);
    if (record.id >= 0) bind(root, view, record.id);
    fillView(view, record, builder);
    views.set(record.id, view);
  }
  // Their ids come free here as they would have there: when the garbage collector notices.
  for (const id of state.lostViewIds) bind(root, new StateView(), id);
  root._nextViewId = state.nextViewId;
  root._freeViewIds = state.freeViewIds.slice();
  return views;
}

function bind(root: RootInternals, view: StateView, id: number): void {
  root._freeViewIds = [id];
  viewOf(view)._bindRoot(root);
}

function fillView(view: StateView, record: ViewRecord, builder: NodeBuilder): void {
  const internals = viewOf(view);
  if (record.items) internals.items = record.items.map((id) => builder.refs[id] as Ref);
  const { changes } = record;
  for (let at = 0; at < changes.length; ) {
    const refId = changes[at++]!;
    const entries = new Map<number | TreeInternals, number>();
    for (let count = changes[at++]!; count > 0; count--) {
      const node = changes[at++] === 1;
      const key = changes[at++]!;
      entries.set(node ? treeOf(builder.raws[key]!) : key, changes[at++]!);
    }
    internals.changes.set(refId, entries);
  }
}
