import { copyFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Bundles the pages into dist/; takes a fraction of a second. */
export async function buildPages({ minify = true } = {}) {
  await mkdir(at('./dist'), { recursive: true });
  await Promise.all([
    build({
      entryPoints: [at('./web/arena.ts'), at('./web/duel.ts'), at('./web/style.css')],
      outdir: at('./dist'),
      bundle: true,
      format: 'esm',
      splitting: true,
      conditions: ['baton-source'],
      target: 'es2023',
      sourcemap: true,
      minify,
      logLevel: 'warning',
    }),
    ...['index.html', 'duel.html'].map((page) => copyFile(at(`./web/${page}`), at(`./dist/${page}`))),
  ]);
}
