import type { Ref } from '../../colyseus/schema-internals.ts';
import type { NodeId } from './snapshot.ts';

/** Gives every instance that a move meets an id, in the order of discovery. */
export class NodeTable {
  readonly #ids = new Map<Ref, NodeId>();
  /** Raw instance of each id. */
  readonly refs: Ref[] = [];

  /** Id of a raw instance; a new one is appended. */
  id(raw: Ref): NodeId {
    let id = this.#ids.get(raw);
    if (id === undefined) {
      id = this.refs.length;
      this.#ids.set(raw, id);
      this.refs.push(raw);
    }
    return id;
  }
}
