import type { Encoder } from '@colyseus/schema';
import type { Ref } from '../../colyseus/schema-internals.ts';
import type { RestoreOptions, Slice } from './assembly.ts';
import { Assembly } from './assembly.ts';
import { StateRestore } from './restore.ts';
import type { StateSnapshot } from './snapshot.ts';

/**
 * Builds a state from the slices of a `PreCopySource` while the room still runs over there:
 *
 *     const target = new PreCopyTarget(StateClass, room.state);
 *     target.add(slice);  …                        // as they come in
 *     while (!target.work()) await nextTurn();     // builds, a few ms at a time; more slices may follow
 *     target.attach((root) => { room.state = root; return encoder of the room; });   // optional, saves it in the blackout
 *     const restore = target.finish(snapshot);     // in the blackout; from here on as any StateRestore
 */
export class PreCopyTarget {
  readonly #rootClass: Function;
  readonly #assembly: Assembly;
  /** Taken over by the first slices that are built. */
  #existing: Ref | undefined;
  #waiting: Slice[] = [];
  #running: Generator<void> | undefined;
  #attached: Encoder | undefined;

  /** `rootClass`, `existing` and `options` are those of `StateRestore`. */
  constructor(rootClass: Function, existing?: object, options?: RestoreOptions) {
    this.#rootClass = rootClass;
    this.#assembly = new Assembly(rootClass, options);
    this.#existing = existing as Ref | undefined;
  }

  /**
   * Takes a slice; nothing is built yet.
   * @throws BATON_SCHEMA_MISMATCH when the classes here differ
   */
  add(snapshot: StateSnapshot): void {
    this.#waiting.push({ snapshot, groups: this.#assembly.resolve(snapshot) });
  }

  /** Builds for about `budgetMs`; true when all is built that can be: slices wait for those they refer to. */
  work(budgetMs = 2): boolean {
    const until = performance.now() + budgetMs;
    do {
      if (this.#running === undefined) {
        const ready = this.#waiting.findLastIndex(({ snapshot }) => snapshot.closed) + 1;
        if (ready === 0) return true;
        this.#running = this.#build(this.#waiting.splice(0, ready));
      }
      if (this.#running.next().done) this.#running = undefined;
    } while (performance.now() < until);
    return false;
  }

  /** Makes the root the state of the room. `assign` does that and returns the encoder that came of it. */
  attach(assign: (root: object) => Encoder): void {
    while (!this.work());
    this.#attached = assign(this.#assembly.shield(0));
    this.#assembly.register(this.#attached);
  }

  /** Applies what `PreCopySource.freeze` yielded. Without a call to `attach`, assign `root` before `settle`. */
  finish(snapshot: StateSnapshot): StateRestore {
    while (!this.work());
    const attached = this.#attached !== undefined;
    const rest = this.#waiting.splice(0);
    return new StateRestore(snapshot, this.#rootClass, this.#existing, undefined, {
      assembly: this.#assembly,
      attached,
      rest,
    });
  }

  *#build(snapshots: Slice[]): Generator<void> {
    const existing = this.#existing;
    this.#existing = undefined;
    yield* this.#assembly.apply(snapshots, existing);
    for (const { snapshot } of snapshots) {
      for (const [ref, entries] of this.#assembly.extras(snapshot))
        for (const [name, value] of entries) ref[name] = value;
      yield;
    }
  }
}
