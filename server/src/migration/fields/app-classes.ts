// Makes the app's own classes known without the app saying so: most rooms make their bullets and items only while they are
// played, so that the shell's object graph does not show the classes. A load hook registers every module's top-level classes.
import module from 'node:module';
import { registerMovable } from './class-registry.ts';
import { maskSource } from './private-fields.ts';

const MARK = 'baton.moduleClasses';
const DOOR = Symbol.for(MARK);
const CLASS =
  /(?:^|[;}\n\s])(?:(?:let|var|const)\s+([A-Za-z_$][\w$]*)\s*=\s*(?:class\b|_class\b)|class\s+([A-Za-z_$][\w$]*))/g;

/** Names of the classes that a module declares at its top level: `class A`, `let B = class …` (what compilers make of decorated ones). */
export function topLevelClasses(source: string): string[] {
  if (!source.includes('class')) return [];
  const masked = topLevel(maskSource(source));
  const names = new Set<string>();
  for (const m of masked.matchAll(CLASS)) {
    const name = m[1] ?? m[2]!;
    if (name !== 'extends') names.add(name);
  }
  return [...names];
}

/** Blanks everything inside of brackets of any kind. */
function topLevel(masked: string): string {
  let depth = 0;
  let out = '';
  for (const c of masked) {
    if (c === '}' || c === ')' || c === ']') depth--;
    out += depth > 0 && c !== '\n' ? ' ' : c;
    if (c === '{' || c === '(' || c === '[') depth++;
  }
  return out;
}

/** How tsx hands over a CommonJS module: its code stands in a function. */
const WRAPPED = /^(?:__filename="(?:[^"\\]|\\.)*";)?\(\(\)=>\{\n/;
const WRAPPED_END = '\n})()';

/** The module's source with one line at its end that registers its classes; undefined when it declares none. */
export function withClassesRegistered(source: string): string | undefined {
  if (source.includes(MARK)) return undefined;
  const start = source.match(WRAPPED)?.[0].length ?? 0;
  const close = start > 0 ? source.lastIndexOf(WRAPPED_END) : -1;
  const end = close < start ? source.length : close;
  const names = topLevelClasses(source.slice(close < start ? 0 : start, end));
  if (names.length === 0) return undefined;
  const line = `\n;globalThis[Symbol.for("${MARK}")]?.(() => [${names.join(', ')}]);\n`;
  return source.slice(0, end) + line + source.slice(end);
}

/** Only classes that can be told by name; a module may also bind the name to something else. */
function take(classes: () => unknown[]): void {
  try {
    for (const k of classes()) if (typeof k === 'function' && k.name !== '') registerMovable(k);
  } catch {
    // A name that is not bound yet (a cycle of modules): these classes then need registerMovable().
  }
}

interface Loaded {
  format?: string;
  source?: unknown;
}

const isApps = (name: string): boolean => !/[\\/]node_modules[\\/]/.test(name);

let installed = false;

/**
 * Call before the app is imported. Modules in node_modules are left alone.
 * @returns false when this Node has no synchronous load hooks (before 22.15): apps then name their classes themselves
 */
export function registerAppClasses(): boolean {
  const { registerHooks } = module as { registerHooks?: (hooks: object) => unknown };
  if (registerHooks === undefined) return false;
  if (installed) return true;
  installed = true;
  (globalThis as any)[DOOR] = take;
  registerHooks({
    load(url: string, context: unknown, next: (url: string, context: unknown) => Loaded) {
      const loaded = next(url, context);
      const { source } = loaded;
      if (!url.startsWith('file:') || !isApps(url) || source === undefined || source === null) return loaded;
      if (!/^(?:module|commonjs)(?:-typescript)?$/.test(loaded.format ?? '')) return loaded;
      const changed = withClassesRegistered(
        typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString(),
      );
      return changed === undefined ? loaded : { ...loaded, source: changed };
    },
  });
  // Compilers of CommonJS modules (tsx's among them) hand their result to Node here, past the hook.
  const proto = (module as any).prototype;
  const compile = proto._compile;
  proto._compile = function (content: unknown, filename: string, ...rest: unknown[]) {
    const changed =
      typeof content === 'string' && isApps(filename) ? withClassesRegistered(content) : undefined;
    return compile.call(this, changed ?? content, filename, ...rest);
  };
  return true;
}
