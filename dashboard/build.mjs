#!/usr/bin/env node
// Builds the dashboard into dist/, unless what is there was made of the same sources. `npm start` calls it, and
// `npm run build`; a build takes about a second.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, 'dist');
const stamp = join(dist, '.sources');

function filesIn(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile())
    .sort();
}

/** Of everything that the page is made of; of libraries, their versions. */
function digest() {
  const hash = createHash('sha256');
  const files = ['index.html', 'vite.config.mjs', 'package.json'].map((name) => join(root, name));
  for (const file of [...files, ...filesIn(join(root, 'src'))])
    hash.update(`${relative(root, file)}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

/** @returns whether there was something to do */
export async function buildDashboard() {
  const sources = digest();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return false;
  // whatever it is where this is called: React has another build for each
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV = 'production';
  const { build } = await import('vite');
  // beside it first: whoever looks meanwhile sees the old page or the new one, whole
  const outDir = mkdtempSync(join(root, 'dist-'));
  chmodSync(outDir, 0o755); // whoever installs it is not always who runs it
  try {
    await build({
      root,
      configFile: join(root, 'vite.config.mjs'),
      logLevel: 'warn',
      build: { outDir, emptyOutDir: true },
    });
    writeFileSync(join(outDir, '.sources'), sources);
    rmSync(dist, { recursive: true, force: true });
    renameSync(outDir, dist);
  } catch (error) {
    rmSync(outDir, { recursive: true, force: true });
    // another build may have come first
    if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== sources) throw error;
  } finally {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = NODE_ENV;
  }
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildDashboard();
