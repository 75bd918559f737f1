// Symbols as data.
import type { Reference } from './types.ts';

const WELL_KNOWN = new Map<symbol, string>();
for (const name of Object.getOwnPropertyNames(Symbol)) {
  const value: unknown = (Symbol as any)[name];
  if (typeof value === 'symbol') WELL_KNOWN.set(value, name);
}

/** `sym` of the global registry, `wsym` well-known, `usym` any other: found again only by its description, beside it. */
export function symbolRef(v: symbol): Reference {
  const key = Symbol.keyFor(v);
  if (key !== undefined) return { $: 'sym', name: key };
  const known = WELL_KNOWN.get(v);
  return known === undefined ? { $: 'usym', name: v.description ?? '' } : { $: 'wsym', name: known };
}

/** The symbol of a reference; a `usym` is looked for among the property keys of `holder` and its prototypes. */
export function symbolOf(ref: Reference, holder: object | undefined): symbol | undefined {
  const name = String(ref.name);
  if (ref.$ === 'sym') return Symbol.for(name);
  if (ref.$ === 'wsym') return (Symbol as any)[name];
  for (let o: object | null | undefined = holder; o; o = Object.getPrototypeOf(o)) {
    const found = Object.getOwnPropertySymbols(o).filter((s) => s.description === name);
    if (found.length === 1) return found[0];
  }
  return undefined;
}

/** A property key that travelled. */
export const keyOf = (name: string | Reference, holder: object | undefined): string | symbol | undefined =>
  typeof name === 'string' ? name : symbolOf(name, holder);
