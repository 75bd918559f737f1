import type { Column } from './snapshot.ts';

/** Packs a column of numbers into a typed array; anything else stays a list. -0 needs a float column. */
export function packColumn(values: unknown[]): Column {
  let ints = true;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'number') return values;
    if (ints && ((value | 0) !== value || Object.is(value, -0))) ints = false;
  }
  return ints ? Int32Array.from(values as number[]) : Float64Array.from(values as number[]);
}

/** Walks a flat list of ints: `id, …` records whose readers consume what follows. */
export class IntReader {
  readonly #ints: Int32Array;
  #at = 0;
  constructor(ints: Int32Array) {
    this.#ints = ints;
  }
  get more(): boolean {
    return this.#at < this.#ints.length;
  }
  next(): number {
    return this.#ints[this.#at++]!;
  }
  take(count: number): number[] {
    const out = Array.from(this.#ints.subarray(this.#at, this.#at + count));
    this.#at += count;
    return out;
  }
}
