// ArrayBuffers and the views on them. Views that share memory share it again on the other side. Small Buffers are slices of
// Node's pool, which holds other rooms' bytes too: of the pool only the slices in use travel.
import type { PickledNode } from './types.ts';

interface View {
  node: PickledNode;
  view: ArrayBufferView;
}

export class Buffers {
  readonly #add: (node: PickledNode) => number;
  readonly #views = new Map<ArrayBufferLike, View[]>();
  /** Buffers which travel in one piece, and their nodes. */
  readonly #whole = new Map<ArrayBufferLike, number>();

  /** @param add appends a node, returns its index */
  constructor(add: (node: PickledNode) => number) {
    this.#add = add;
  }

  /** An ArrayBuffer that is itself held: it travels in one piece, as node `n`. */
  whole(n: number, node: PickledNode, buffer: ArrayBuffer): void {
    Object.assign(node, wholeNode(buffer));
    this.#whole.set(buffer, n);
  }

  view(node: PickledNode, view: ArrayBufferView): void {
    const list = this.#views.get(view.buffer);
    if (list) list.push({ node, view });
    else this.#views.set(view.buffer, [{ node, view }]);
  }

  /** Decides which memory travels; called when all views are known. */
  settle(): void {
    for (const [buffer, views] of this.#views) {
      let n = this.#whole.get(buffer);
      if (
        n === undefined &&
        views.every(({ view }) => Buffer.isBuffer(view) && view.byteLength < buffer.byteLength)
      ) {
        this.#slices(views);
        continue;
      }
      if (n === undefined) this.#whole.set(buffer, (n = this.#add(wholeNode(buffer))));
      for (const { node, view } of views) place(node, n, view.byteOffset, view);
    }
    this.#views.clear();
  }

  /** Overlapping slices become one piece of memory each. */
  #slices(views: View[]): void {
    const sorted = views.toSorted((a, b) => a.view.byteOffset - b.view.byteOffset);
    for (let i = 0; i < sorted.length; ) {
      const start = sorted[i]!.view.byteOffset;
      let end = start + sorted[i]!.view.byteLength;
      let j = i + 1;
      for (; j < sorted.length && sorted[j]!.view.byteOffset < end; j++)
        end = Math.max(end, sorted[j]!.view.byteOffset + sorted[j]!.view.byteLength);
      const n = this.#add({
        k: 'b',
        sl: true,
        v: new Uint8Array(sorted[i]!.view.buffer, start, end - start),
      });
      for (; i < j; i++) place(sorted[i]!.node, n, sorted[i]!.view.byteOffset - start, sorted[i]!.view);
    }
  }
}

function wholeNode(buffer: ArrayBufferLike): PickledNode {
  const node: PickledNode = { k: 'b', v: new Uint8Array(buffer) };
  // Resizable buffers: ES2024, which the compiler's library does not know yet.
  const { resizable, maxByteLength } = buffer as { resizable?: boolean; maxByteLength?: number };
  if (resizable) node.max = maxByteLength;
  return node;
}

function place(node: PickledNode, on: number, offset: number, view: ArrayBufferView): void {
  node.on = on;
  node.at = offset;
  // Elements for typed arrays, bytes for DataView: what their constructors take.
  node.len = 'length' in view ? view.length : view.byteLength;
}
