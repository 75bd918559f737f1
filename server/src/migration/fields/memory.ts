// Which memory of this process stands for each ArrayBuffer that travelled.
import type { PickledNode } from './types.ts';

export interface Memory {
  buffer: ArrayBuffer;
  /** Where the bytes that travelled begin in it: Buffers that were here already may lie in Node's pool. */
  base: number;
}

export class Memories {
  readonly #nodes: readonly PickledNode[];
  readonly #known = new Map<number, Memory>();

  constructor(nodes: readonly PickledNode[]) {
    this.#nodes = nodes;
  }

  /** The memory for node `n`; new unless something here was given to it. */
  of(n: number): Memory {
    return this.#known.get(n) ?? this.#take(n, emptyBuffer(this.#nodes[n]!), 0);
  }

  /** May the ArrayBuffer that is here already take the bytes of node `n`? If so it has them now. */
  claimBuffer(n: number, existing: ArrayBuffer): boolean {
    const known = this.#known.get(n);
    if (known) return known.buffer === existing;
    const node = this.#nodes[n]!;
    if (node.max !== undefined || existing.byteLength !== bytesOf(node).byteLength) return false;
    this.#take(n, existing, 0);
    return true;
  }

  /** The same for a view that is here: it must show all of the memory, or lie in memory which another view claimed. */
  claimView(node: PickledNode, existing: ArrayBufferView & { length?: number }): boolean {
    const n = node.on as number;
    const memory = this.#nodes[n]!;
    const known = this.#known.get(n);
    if ((existing.length ?? existing.byteLength) !== node.len || memory.max !== undefined) return false;
    if (known)
      return existing.buffer === known.buffer && existing.byteOffset === known.base + (node.at as number);
    const size = bytesOf(memory).byteLength;
    if (node.at !== 0 || existing.byteLength !== size || !(existing.buffer instanceof ArrayBuffer))
      return false;
    if (memory.sl !== true && existing.buffer.byteLength !== size) return false;
    this.#take(n, existing.buffer, existing.byteOffset);
    return true;
  }

  #take(n: number, buffer: ArrayBuffer, base: number): Memory {
    const bytes = bytesOf(this.#nodes[n]!);
    new Uint8Array(buffer, base, bytes.byteLength).set(bytes);
    const memory = { buffer, base };
    this.#known.set(n, memory);
    return memory;
  }
}

const bytesOf = (node: PickledNode): Uint8Array => node.v as Uint8Array;

function emptyBuffer(node: PickledNode): ArrayBuffer {
  const { byteLength } = bytesOf(node);
  return node.max === undefined
    ? new ArrayBuffer(byteLength)
    : new (ArrayBuffer as any)(byteLength, { maxByteLength: node.max });
}
