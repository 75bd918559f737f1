import type { Ref } from '../../colyseus/schema-internals.ts';
import { descriptorOf } from '../../colyseus/schema-internals.ts';
import type { Extras, NodeId } from './snapshot.ts';
import type { WriterContext } from './writer-context.ts';

/** True for what needs no pickling. */
export const isPrimitive = (value: unknown): boolean =>
  value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol');

/** Writes non-synced own properties; instances with the same names share a shape. */
export class ExtrasWriter {
  readonly #context: WriterContext;
  readonly #byName = new Map<string, number>();
  readonly #shapes: string[][] = [];
  readonly #ids: number[] = [];
  readonly #shape: number[] = [];
  readonly #values: unknown[] = [];

  constructor(context: WriterContext) {
    this.#context = context;
  }

  /** `keys` are the instance's own enumerable names; accessors and synced fields among them are left out. */
  write(id: NodeId, raw: Ref, keys: string[]): void {
    const { pickle, deepExtras } = this.#context;
    const { metadata } = descriptorOf(raw);
    const names: string[] = [];
    const values: unknown[] = [];
    for (const key of keys) {
      if (metadata?.[key] !== undefined) continue;
      const property = Object.getOwnPropertyDescriptor(raw, key)!;
      if (!('value' in property)) continue;
      const primitive = isPrimitive(property.value);
      // All or nothing: put back in two goes, the names would be in another order.
      if (!primitive && !deepExtras) return;
      if (!primitive && !pickle && typeof property.value !== 'object') continue;
      names.push(key);
      const pickled = !primitive && pickle !== undefined;
      values.push(pickled ? pickle(property.value, `${raw.constructor.name}.${key}`) : property.value);
    }
    for (const value of values) this.#values.push(value);
    this.#ids.push(id);
    this.#shape.push(this.#shapeOf(names));
  }

  result(): Extras {
    return {
      shapes: this.#shapes,
      ids: Int32Array.from(this.#ids),
      shape: Int32Array.from(this.#shape),
      values: this.#values,
    };
  }

  #shapeOf(names: string[]): number {
    const signature = names.join('\0');
    let shape = this.#byName.get(signature);
    if (shape === undefined) {
      shape = this.#shapes.push(names) - 1;
      this.#byName.set(signature, shape);
    }
    return shape;
  }
}
