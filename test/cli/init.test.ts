import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { cleanUp, nodeArgs, tempDir } from '../supervisor/service.ts';
import { baton, CommandLine, commandLine } from './command-line.ts';

afterEach(cleanUp);

const template = new URL('../../server/templates/duel/', import.meta.url);
const listOf = (dir: string | URL): string[] =>
  fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      path.relative(dir instanceof URL ? dir.pathname : dir, path.join(entry.parentPath, entry.name)),
    )
    .sort();

test('a project is written into a new folder, named after it', async () => {
  const dir = path.join(tempDir(), 'games', 'my-game');
  const { code, json, stderr } = await baton(['init', dir, '--json']);
  expect([code, stderr]).toEqual([0, '']);
  const files = listOf(dir);
  expect(json).toEqual({ dir, name: 'my-game', files: expect.arrayContaining(files) });
  expect(files).toEqual(
    listOf(template)
      .map((file) => file.replace(/^gitignore$/, '.gitignore'))
      .sort(),
  );
  expect(JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8')).name).toBe('my-game');
  expect(fs.readFileSync(path.join(dir, 'README.md'), 'utf8')).toMatch(/^# my-game\n/);
});

test('what comes next is said; a fresh repository is an empty folder', async () => {
  const dir = tempDir();
  fs.mkdirSync(path.join(dir, '.git'));
  const command = [...nodeArgs, commandLine, 'init', '.', '--name', 'duel-2'];
  const { code, stdout } = await new CommandLine([], { command, cwd: dir }).outcome;
  expect(code).toBe(0);
  expect(stdout).toMatch(/^duel-2 is in .*\n\n {2}npm install\n {2}npm start .*\n {2}npm test\n/);
});

test('a folder that has files is left as it is', async () => {
  const dir = tempDir();
  fs.writeFileSync(path.join(dir, 'package.json'), 'mine');
  const { code, stderr } = await baton(['init', dir, '--name', 'my-game']);
  expect([code, stderr]).toEqual([
    2,
    `baton: ${dir} is not empty (package.json). Nothing was written; choose a folder that is empty or not there yet. (BATON_FOLDER_IN_USE)\n`,
  ]);
  expect(listOf(dir)).toEqual(['package.json']);
  expect(fs.readFileSync(path.join(dir, 'package.json'), 'utf8')).toBe('mine');
});

test.each([
  ['a file in place of the folder', (dir: string) => ['init', path.join(dir, 'file')], 'is a file'],
  ['a file on the way', (dir: string) => ['init', path.join(dir, 'file', 'my-game')], 'is a file'],
  ['a name that npm refuses', (dir: string) => ['init', path.join(dir, 'My Game')], '--name my-game'],
  ['no folder', () => ['init'], "missing required argument 'dir'"],
])('%s is refused: nothing is written', async (_what, args, message) => {
  const dir = tempDir();
  fs.writeFileSync(path.join(dir, 'file'), '');
  const { code, stderr } = await baton(args(dir));
  expect(code).toBe(2);
  expect(stderr).toContain(message);
  expect(listOf(dir)).toEqual(['file']);
});

test('the template asks for the versions that the packages have and were tested with', () => {
  const read = (file: string) =>
    JSON.parse(fs.readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'));
  const { dependencies, devDependencies, devEngines } = read('server/templates/duel/package.json');
  const server = read('server/package.json');
  expect(dependencies).toEqual({
    '@baton/client': read('client-sdk/package.json').version,
    '@baton/functions': read('matchmaker-functions/package.json').version,
    '@baton/server': server.version,
    '@colyseus/core': server.peerDependencies['@colyseus/core'],
    '@colyseus/schema': server.peerDependencies['@colyseus/schema'],
    express: server.dependencies.express,
  });
  expect(devEngines.runtime.version).toBe(server.engines.node);
  expect(read('package.json').devDependencies).toMatchObject(devDependencies);
  expect(read('create-baton/package.json')).toMatchObject({
    version: server.version,
    dependencies: { '@baton/server': server.version },
  });
});
