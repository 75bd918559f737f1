// Remembers how each node was reached, so that a path is put together only when a message needs it.
import { formatPath } from './paths.ts';
import type { Step } from './types.ts';

/** A parent is a node's index, or a negative number for a root. */
export class Trail {
  readonly #parents: number[] = [];
  readonly #steps: (Step | undefined)[] = [];
  readonly #roots: string[] = [];

  /** @returns the parent to pass for what the root holds */
  root(text: string): number {
    return -this.#roots.push(text);
  }

  at(n: number, parent: number, step: Step | undefined): void {
    this.#parents[n] = parent;
    this.#steps[n] = step;
  }

  /** Path of a node itself. */
  pathOf(n: number): string {
    return this.path(this.#parents[n]!, this.#steps[n]);
  }

  path(parent: number, step: Step | undefined): string {
    return formatPath(this.rootOf(parent), this.steps(parent, step));
  }

  steps(parent: number, step: Step | undefined): Step[] {
    const steps: Step[] = step ? [step] : [];
    for (let at = parent; at >= 0; at = this.#parents[at]!) {
      const s = this.#steps[at];
      if (s) steps.push(s);
    }
    return steps.reverse();
  }

  rootOf(parent: number): string {
    let at = parent;
    while (at >= 0) at = this.#parents[at]!;
    return this.#roots[-at - 1]!;
  }
}
