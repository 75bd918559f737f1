import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { folderInUse, invalidOption } from '../errors.ts';
import { examples } from './operate.ts';
import { printResult } from './output.ts';

/** Beside `src` and `dist` alike. */
const TEMPLATE = fileURLToPath(new URL('../../templates/duel/', import.meta.url));
/** npm leaves files of this name out of packages. */
const RENAMED: Record<string, string> = { gitignore: '.gitignore' };
/** What npm takes as the name of a package without a scope. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,213}$/;

interface InitOptions {
  name?: string;
  json?: boolean;
}

/** `baton init`. */
export function registerInit(program: Command): void {
  program
    .command('init <dir>')
    .description('make a project: a mapping, a matchmaker, a page for two players and a test')
    .option('--name <name>', "name of its package; default: the folder's")
    .option('--json', 'print one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      `${examples('baton init my-game', 'baton init . --name my-game --json')}

The folder has to be empty, but for .git, or not there yet. Nothing is installed.`,
    )
    .action(init);
}

async function init(given: string, options: InitOptions): Promise<void> {
  const dir = path.resolve(given);
  const name = options.name ?? path.basename(dir);
  checkName(name);
  await requireEmpty(dir);
  const files = await copyTemplate(dir);
  await setName(dir, name);
  printResult(options.json, { dir, name, files }, () => {
    const steps = ['npm install', 'npm start      # prints the address; open it in two tabs', 'npm test'];
    if (dir !== process.cwd()) steps.unshift(`cd ${path.relative('', dir)}`);
    return `${name} is in ${dir}. Next:\n\n${steps.map((step) => `  ${step}\n`).join('')}`;
  });
}

function checkName(name: string): void {
  if (NAME.test(name)) return;
  const allowed = 'lower-case letters, digits, "-", "_" and "."';
  throw invalidOption({
    option: '--name',
    reason: `"${name}" cannot be the name of a package: it is made of ${allowed}. Pass another one, such as --name my-game`,
  });
}

async function requireEmpty(dir: string): Promise<void> {
  const found = await fs.readdir(dir).catch(({ code }: NodeJS.ErrnoException) => {
    if (code === 'ENOENT') return [];
    throw folderInUse({ path: dir, reason: code === 'ENOTDIR' ? 'is a file' : `cannot be read (${code})` });
  });
  const inTheWay = found.filter((name) => name !== '.git').sort();
  if (inTheWay.length > 0) throw folderInUse({ path: dir, reason: `is not empty (${inTheWay[0]})` });
}

/** @returns the files, relative to the folder */
async function copyTemplate(dir: string): Promise<string[]> {
  const entries = await fs.readdir(TEMPLATE, { recursive: true, withFileTypes: true });
  const sources = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(TEMPLATE, path.join(entry.parentPath, entry.name)))
    .sort();
  for (const source of sources) {
    const target = path.join(dir, RENAMED[source] ?? source);
    await fs.mkdir(path.dirname(target), { recursive: true });
    await fs.copyFile(path.join(TEMPLATE, source), target, constants.COPYFILE_EXCL);
  }
  return sources.map((source) => RENAMED[source] ?? source);
}

async function setName(dir: string, name: string): Promise<void> {
  const manifest = path.join(dir, 'package.json');
  const content = { ...JSON.parse(await fs.readFile(manifest, 'utf8')), name };
  await fs.writeFile(manifest, `${JSON.stringify(content, null, 2)}\n`);
  const readme = path.join(dir, 'README.md');
  await fs.writeFile(readme, (await fs.readFile(readme, 'utf8')).replace(/^# .*/, `# ${name}`));
}
