import { pathToFileURL } from 'node:url';
import type { FunctionSet, Functions, Matchmaker } from '@baton/functions';
import type { FetchHandler } from './handler.ts';

/** What is tried. */
export type Candidate = { matchmaker: Matchmaker } | { functions: FunctionSet } | { handler: FetchHandler };

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
    `its export "${name}" is neither a matchmaker, which has match(), nor functions, which have open() or fetch()${hint}`,
  );
}

function asCandidate(value: unknown): Candidate | undefined {
  const { match, open, set, fetch } = (value ?? {}) as Partial<Matchmaker & FunctionSet & Functions>;
  if (typeof match === 'function') return { matchmaker: value as Matchmaker };
  if (typeof open === 'function') return { functions: value as FunctionSet };
  // what defineFunctions() has made: without requests in between an error is the function's own
  if (typeof set?.open === 'function') return { functions: set };
  return typeof fetch === 'function' ? { handler: value as FetchHandler } : undefined;
}
