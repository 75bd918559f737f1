import type { RootInternals, TreeInternals } from '../../colyseus/schema-internals.ts';
import { rawOf } from '../../colyseus/schema-internals.ts';
import type { NodeId } from './snapshot.ts';
import { Mark } from './snapshot.ts';
import type { OpenRarities, WriterContext } from './writer-context.ts';

/** First int of a node's meta: the tree's flags and how it stands to the encoder. */
export function marksOf(tree: TreeInternals, root: RootInternals, refId: number | undefined): number {
  let marks = tree.flags & Mark.flags;
  if (tree.root === root) marks |= Mark.hasRoot;
  if (tree.paused) marks |= Mark.paused;
  if (refId !== undefined && root.changeTrees[refId] === tree) marks |= Mark.registered;
  return marks;
}

/** Views that see the instance, further parents, changes not sent yet. Most instances have none of it. */
export function writeRarities(
  rare: OpenRarities,
  context: WriterContext,
  id: NodeId,
  tree: TreeInternals,
): void {
  if (tree.visibleViews !== undefined) rare.visible.push(id, tree.visibleViews.length, ...tree.visibleViews);
  if (tree.subscribedViews !== undefined)
    rare.subscribed.push(id, tree.subscribedViews.length, ...tree.subscribedViews);
  if (tree.tagViews !== undefined) {
    rare.tags.push(id, tree.tagViews.size);
    for (const [tag, bits] of tree.tagViews) rare.tags.push(tag, bits.length, ...bits);
  }
  if (tree.extraParents !== undefined) writeParents(rare.extraParents, context, id, tree);
  writeChanges(rare.dirty, id, tree);
  const { unreliableRecorder: recorder } = tree;
  if (recorder?.has()) {
    rare.unreliable.push(id, recorder.dirtyLow, recorder.dirtyHigh, recorder.ops.length, ...recorder.ops);
  }
}

function writeParents(out: number[], context: WriterContext, id: NodeId, tree: TreeInternals): void {
  out.push(id, 0);
  const count = out.length - 1;
  for (let link = tree.extraParents; link !== undefined; link = link.next) {
    out.push(context.idOf(rawOf(link.ref)), link.index ?? -1);
    out[count]!++;
  }
}

/** Schema: id, 0, masks, packed ops, length and list of ops. Collection: id, 1, operations, pure operations. */
function writeChanges(out: number[], id: NodeId, tree: TreeInternals): void {
  if (tree._isSchema) {
    if ((tree.dirtyLow | tree.dirtyHigh | tree.opsLow | tree.opsHigh) === 0) return;
    const ops = tree.ops ?? [];
    out.push(id, 0, tree.dirtyLow, tree.dirtyHigh, tree.opsLow, tree.opsHigh, ops.length, ...ops);
    return;
  }
  const { collDirty, collPureOps } = tree;
  const pure = collPureOps?.length ?? 0;
  if (collDirty === undefined || collDirty.size + pure === 0) return;
  out.push(id, 1, collDirty.size);
  for (const [index, op] of collDirty) out.push(index, op);
  out.push(pure);
  for (const [at, op] of collPureOps ?? []) out.push(at, op);
}
