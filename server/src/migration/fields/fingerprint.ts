// A number that two processes compute alike for the same source text of a function or class.

const known = new WeakMap<Function, number>();

const originals = new WeakMap<Function, Function>();

/** `wrapper` stands where the app had `original`: both count as the same code. */
export function standsFor(wrapper: Function, original: Function): void {
  originals.set(wrapper, original);
}

export const sourceOf = (fn: Function): string => Function.prototype.toString.call(originals.get(fn) ?? fn);

/** FNV-1a over the source text, 32 bits. Cached: a freeze must not hash. */
export function fingerprint(fn: Function): number {
  let hash = known.get(fn);
  if (hash !== undefined) return hash;
  const text = sourceOf(fn);
  hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash >>>= 0;
  known.set(fn, hash);
  return hash;
}

/** True for functions without JavaScript source: built-in, bound, or of a native addon. */
export const isNativeCode = (fn: Function): boolean => /\{\s*\[native code\]\s*\}\s*$/.test(sourceOf(fn));
