import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { appNotFound } from '../errors.ts';

/** V8 looks through its young objects when there are so many. */
const SEMI_SPACE_MIB = 4;
/** … and through all that it keeps not before there is so much. */
const OLD_SPACE_MIB = 128;

/** How a host process is started: `node <nodeArgs> <entry>`. */
export interface HostProgram {
  entry: string;
  nodeArgs: string[];
  env: Record<string, string>;
}

const suffixes = ['.ts', '.mts', '.js', '.mjs', '.cts', '.cjs'];

/**
 * The app file to run: `given`, with its suffix left out if one likes, or the first of `app.config.*` and
 * `src/app.config.*`.
 * @returns an absolute path
 * @throws appNotFound
 */
export function findApp(given: string | undefined, cwd = process.cwd()): string {
  const names = given === undefined ? ['app.config', 'src/app.config'] : [given];
  for (const name of names) {
    const file = path.resolve(cwd, name);
    for (const candidate of given === undefined ? [] : [file]) if (isFile(candidate)) return candidate;
    for (const suffix of suffixes) if (isFile(file + suffix)) return file + suffix;
  }
  throw appNotFound({ path: path.resolve(cwd, given ?? 'app.config.ts') });
}

function isFile(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

/**
 * The host program beside this file: TypeScript sources in a checkout, `dist` in an installed package. Both
 * load TypeScript apps without a build, with the compiler options of the app's own `tsconfig.json`.
 *
 * @param app        absolute path
 * @param runtimeDir where a `tsconfig.json` is put for an app that has none
 */
export function hostProgram(app: string, runtimeDir: string): HostProgram {
  const here = fileURLToPath(import.meta.url);
  const suffix = path.extname(here);
  const tsx = pathToFileURL(createRequire(here).resolve('tsx')).href;
  return {
    entry: path.join(path.dirname(here), '..', 'host', `main${suffix}`),
    nodeArgs: [...heap(), ...(suffix === '.ts' ? ['-C', 'baton-source'] : []), '--import', tsx],
    env: { TSX_TSCONFIG_PATH: tsconfigOf(app, runtimeDir), ...cacheOptions() },
  };
}

/**
 * V8 stops a process while it collects garbage. Young objects: with its own choice of up to 16 MiB that took a host 10 to
 * 20 ms, with 2 MiB about one, with 4 MiB at most two; with 2 MiB calls to functions take a third more CPU time, since more
 * of what belongs to calls that are under way is looked at again and again. So few are looked through sooner by the thread
 * itself than with others that have to be woken first. Old ones: after each quiet moment V8 takes what is there for the
 * most it will need, and collects twice while the next thousand players come, for up to 16 ms each time.
 * `NODE_OPTIONS=--max-semi-space-size=…` takes the place of the first choice.
 */
function heap(): string[] {
  const own = /semi[-_]space/.test(process.env['NODE_OPTIONS'] ?? '');
  return [
    ...(own ? [] : [`--max-semi-space-size=${SEMI_SPACE_MIB}`]),
    '--no-parallel-scavenge',
    `--initial-old-space-size=${OLD_SPACE_MIB}`,
  ];
}

/**
 * tsx keeps compiled code in a folder whose name everybody can guess, and runs what it finds there. It does without
 * when another user made that folder, or may write to it.
 */
function cacheOptions(): { TSX_DISABLE_CACHE?: string } {
  const uid = process.geteuid?.();
  if (uid === undefined) return {};
  const dir = path.join(os.tmpdir(), `tsx-${uid}`);
  try {
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    const stat = fs.lstatSync(dir);
    if (stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0) return {};
  } catch {
    // It is something else than a folder, or cannot be made.
  }
  return { TSX_DISABLE_CACHE: '1' };
}

/**
 * The `tsconfig.json` an app is compiled with: that of the environment, the nearest one above it, or a new one.
 * @param dir where a new one is put
 */
export function tsconfigOf(app: string, dir: string): string {
  return process.env['TSX_TSCONFIG_PATH'] ?? findTsconfig(app) ?? writeTsconfig(app, dir);
}

function findTsconfig(app: string): string | undefined {
  for (let dir = path.dirname(app); ; dir = path.dirname(dir)) {
    const file = path.join(dir, 'tsconfig.json');
    if (isFile(file)) return file;
    if (dir === path.dirname(dir)) return undefined;
  }
}

/** Schema classes use legacy decorators, which esbuild applies only when a tsconfig says so. */
function writeTsconfig(app: string, dir: string): string {
  const file = path.join(dir, 'tsconfig.json');
  const compilerOptions = {
    target: 'ES2022',
    module: 'NodeNext',
    experimentalDecorators: true,
    useDefineForClassFields: false,
  };
  fs.writeFileSync(
    file,
    JSON.stringify({ compilerOptions, include: [path.join(path.dirname(app), '**/*')] }),
  );
  return file;
}
