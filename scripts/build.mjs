// `npm run build`: each package's src/ becomes dist/ (JavaScript, declarations, and what is read at run time:
// .lua, .html, .json …). Packages come in the order in which they use each other.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildDashboard } from '../dashboard/build.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = ['matchmaker-functions', 'client-sdk', 'server'];

function compile(name) {
  const config = join(root, name, 'tsconfig.build.tmp.json');
  const settings = {
    extends: '../tsconfig.build.json',
    compilerOptions: { rootDir: './src', outDir: './dist' },
    include: ['./src'],
    exclude: ['**/node_modules'],
  };
  writeFileSync(config, JSON.stringify(settings));
  try {
    const { status } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', config],
      { stdio: 'inherit' },
    );
    return status === 0;
  } finally {
    rmSync(config, { force: true });
  }
}

function copyAssets(from, to) {
  for (const entry of readdirSync(from, { recursive: true })) {
    const source = join(from, entry);
    if (statSync(source).isFile() && !/\.[cm]?tsx?$/.test(entry))
      cpSync(source, join(to, relative(from, source)));
  }
}

/** The page of the control API shows itself with these; see server/src/control/docs-page.ts. */
function copySwaggerUi() {
  for (const file of [
    'swagger-ui-bundle.js',
    'swagger-ui.css',
    'swagger-ui-bundle.js.LICENSE.txt',
    'LICENSE',
    'NOTICE',
  ])
    cpSync(
      join(root, 'node_modules/swagger-ui-dist', file),
      join(root, 'server/dist/control/swagger-ui', file),
    );
}

/** The page on /dashboard; see server/src/dashboard/page.ts. */
async function copyDashboard() {
  await buildDashboard();
  const page = join(root, 'server/dist/dashboard/page');
  for (const part of ['index.html', 'assets', 'LICENSES.md'])
    cpSync(join(root, 'dashboard/dist', part), join(page, part), { recursive: true });
}

for (const name of packages) {
  const src = join(root, name, 'src');
  const dist = join(root, name, 'dist');
  if (!existsSync(src) || readdirSync(src).length === 0) continue;
  rmSync(dist, { recursive: true, force: true });
  if (!compile(name)) {
    console.error(`${name}: the compiler found errors; nothing to publish.`);
    process.exit(1);
  }
  copyAssets(src, dist);
  if (name === 'server') {
    copySwaggerUi();
    await copyDashboard();
    // what docs/production.md copies to its place on a server
    cpSync(join(root, 'deploy'), join(dist, 'deploy'), { recursive: true });
  }
  console.log(`${name}/dist`);
}
