#!/usr/bin/env node
// Starts Baton's command line on a Node that is new enough: this one, or the package `node` that a checkout installs.
// Plain JavaScript that any Node since 18 can read.
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const oldestNode = [22, 19];
const root = path.dirname(path.dirname(realpathSync(fileURLToPath(import.meta.url))));
const require = createRequire(path.join(root, 'package.json'));

function findNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return process.execPath;
  try {
    const dir = path.join(path.dirname(require.resolve('node/package.json')), 'bin');
    const file = path.join(dir, process.platform === 'win32' ? 'node.exe' : 'node');
    if (existsSync(file)) return file;
  } catch {
    // Told below.
  }
  process.stderr.write(
    `baton: Node ${oldestNode.join('.')} or newer is needed, this is ${process.version}. Update Node, or run ` +
      '`npm install node@24` where Baton is installed, with install scripts allowed.\n',
  );
  return process.exit(2);
}

/** In a checkout the sources run; an installed package has `dist`. */
function cliArguments() {
  const source = path.join(root, 'src', 'cli', 'main.ts');
  const built = path.join(root, 'dist', 'cli', 'main.js');
  const installed = root.split(path.sep).includes('node_modules');
  const fromSource = existsSync(source) && (!installed || !existsSync(built));
  const tsx = ['--import', pathToFileURL(require.resolve('tsx')).href];
  return fromSource ? ['-C', 'baton-source', ...tsx, source] : [...tsx, built];
}

/** tsx runs what it finds in a folder of this name; when that is another user's, it has to do without. */
function cacheOptions() {
  const uid = process.geteuid?.();
  if (uid === undefined) return {};
  const dir = path.join(tmpdir(), `tsx-${uid}`);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const stat = lstatSync(dir);
    if (stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0) return {};
  } catch {
    // It is something else than a folder, or cannot be made.
  }
  return { TSX_DISABLE_CACHE: '1' };
}

const child = spawn(findNode(), [...cliArguments(), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, ...cacheOptions() },
});
// A Redis URL may hold a password, and arguments are for everybody to see.
if (process.argv.some((argument) => argument.startsWith('--redis'))) process.title = 'baton';
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
// On a terminal the child gets Ctrl-C itself as well; it takes signals that close together as one.
for (const signal of forwarded) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  process.stderr.write(`baton: cannot start ${child.spawnfile}: ${error.message}\n`);
  process.exit(2);
});
child.on('exit', (code, signal) => {
  process.exit(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0));
});
