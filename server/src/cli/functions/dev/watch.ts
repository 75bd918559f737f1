import fs from 'node:fs';
import path from 'node:path';
import { invalidOption } from '../../../errors.ts';

const FUNCTION_FILE = /^[A-Za-z][\w-]*\.(?:ts|mts|js|mjs)$/;
const NO_FUNCTION = /\.(?:d|test|spec|config)\.\w+$/;

/**
 * Function files: the one that is given, or those of a folder.
 * @throws BATON_INVALID_OPTION
 */
export function functionFiles(given: string): string[] {
  const file = path.resolve(given);
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat) throw invalidOption({ option: given, reason: 'there is no such file or folder' });
  if (!stat.isDirectory()) return [file];
  const names = fs.readdirSync(file).filter((name) => FUNCTION_FILE.test(name) && !NO_FUNCTION.test(name));
  if (names.length === 0)
    throw invalidOption({ option: given, reason: 'no .ts or .js file is in this folder' });
  return names.sort().map((name) => path.join(file, name));
}

/**
 * Tells when a file, or one that it imports, has changed, and first of all at once.
 * @param changed gets what keeps it from compiling, each with file, line and column
 * @returns ends it
 */
export async function watch(
  file: string,
  changed: (problems: string[]) => void,
): Promise<() => Promise<void>> {
  const { context, formatMessages } = await import('esbuild');
  const build = await context({
    entryPoints: [file],
    bundle: true,
    write: false,
    outdir: path.dirname(file),
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
    plugins: [
      {
        name: 'changes',
        setup: ({ onEnd }) =>
          onEnd(async ({ errors }) => {
            const color = process.stdout.isTTY === true;
            changed(errors.length === 0 ? [] : await formatMessages(errors, { kind: 'error', color }));
          }),
      },
    ],
  });
  await build.watch();
  return () => build.dispose();
}
