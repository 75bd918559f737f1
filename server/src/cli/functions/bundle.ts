import path from 'node:path';
import { bundleTooLarge, functionInvalid } from '../../errors.ts';
import { MAX_BUNDLE_BYTES } from '../../functions/index.ts';

/**
 * Makes one ES module of a TypeScript or JavaScript file and all it imports, for the isolate: modules of `node:` and
 * `cloudflare:` stay imports.
 * @throws BATON_FUNCTION_INVALID with file, line and column, BATON_FUNCTION_TOO_LARGE
 */
export async function bundleFunction(file: string, name: string): Promise<string> {
  // takes a while to load, and only this command needs it
  const { build } = await import('esbuild');
  const inCheckout = import.meta.url.endsWith('.ts');
  const built = await build({
    entryPoints: [path.resolve(file)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    target: 'es2024',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', ...(inCheckout ? ['baton-source'] : [])],
    external: ['node:*', 'cloudflare:*'],
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'silent',
  }).catch((error: unknown) => {
    throw invalid(name, error);
  });
  const code = built.outputFiles[0]!.text;
  const bytes = Buffer.byteLength(code);
  if (bytes > MAX_BUNDLE_BYTES) throw bundleTooLarge({ function: name, bytes, limit: MAX_BUNDLE_BYTES });
  return code;
}

interface BuildFailure {
  errors?: { text: string; location: { file: string; line: number; column: number } | null }[];
}

function invalid(name: string, thrown: unknown): Error {
  const first = (thrown as BuildFailure).errors?.[0];
  if (first === undefined) return thrown as Error;
  const { text, location } = first;
  if (location === null) return functionInvalid({ function: name, reason: text }, thrown);
  const { file, line } = location;
  // esbuild counts columns from 0
  const column = location.column + 1;
  return functionInvalid(
    { function: name, reason: `${text}, at ${file}:${line}:${column}`, file, line, column },
    thrown,
  );
}
