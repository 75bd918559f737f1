import { pathToFileURL } from 'node:url';
import type { FunctionSet, Functions, Matchmaker } from '@baton/functions';

/** What is tried. */
export type Candidate = { matchmaker: Matchmaker } | { functions: FunctionSet };

/**
 * @param file in TypeScript or JavaScript
 * @param name of the export
 * @throws Error that says what is wrong
 */
export async function loadCandidate(file: string, name: string): Promise<Candidate> {
  const exported = await import(pathToFileURL(file).href).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`it does not load: ${reason}`, { cause: error });
  });
  const candidate = asCandidate(exported[name]);
  if (candidate) return candidate;
  const others = Object.keys(exported).filter((key) => asCandidate(exported[key]));
  const hint = others.length === 0 ? '' : `; there is ${others.map((key) => `#${key}`).join(', ')}`;
  throw new Error(
    `its export "${name}" is neither a matchmaker, which has match(), nor functions, which have open() or are made by ` +
      `defineFunctions()${hint}`,
  );
}

function asCandidate(value: unknown): Candidate | undefined {
  const { match, open, set } = (value ?? {}) as Partial<Matchmaker & FunctionSet & Functions>;
  if (typeof match === 'function') return { matchmaker: value as Matchmaker };
  if (typeof open === 'function') return { functions: value as FunctionSet };
  return typeof set?.open === 'function' ? { functions: set } : undefined;
}
