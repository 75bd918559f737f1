// From the launcher to real hosts: a stock app in TypeScript, in a folder of its own.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { TESTED_VERSIONS } from '../../server/src/host/versions.ts';
import { cleanUp, tempDir } from '../supervisor/service.ts';
import { CommandLine, launcher, type Outcome } from './command-line.ts';

afterEach(cleanUp);

const app = `
  import { defineRoom, defineServer, Room } from '@colyseus/core';
  import { Schema, type } from '@colyseus/schema';

  class Counter extends Schema {
    @type('number') count: number = 0;
  }
  class Lobby extends Room<{ state: Counter }> {
    state = new Counter();
  }
  export default defineServer({ rooms: { lobby: defineRoom(Lobby) } });
`;

function newProject(): string {
  const dir = tempDir();
  fs.writeFileSync(path.join(dir, 'package.json'), '{ "type": "module" }');
  fs.writeFileSync(path.join(dir, 'app.config.ts'), app);
  fs.symlinkSync(
    fileURLToPath(new URL('../../node_modules', import.meta.url)),
    path.join(dir, 'node_modules'),
  );
  return dir;
}

function launch(args: string[], cwd: string): CommandLine {
  return new CommandLine(args, { command: [launcher], cwd });
}

/** The launcher alone, started by a Node that says it is 22.18. @param others packages installed beside it */
function launchOnOldNode(others: (modules: string) => void = () => {}): Promise<Outcome> {
  const dir = tempDir();
  const modules = path.join(dir, 'node_modules');
  const [copy, old] = [path.join(dir, 'bin', 'baton.mjs'), path.join(dir, 'old.cjs')];
  fs.mkdirSync(path.dirname(copy));
  fs.mkdirSync(modules);
  fs.copyFileSync(launcher, copy);
  others(modules);
  const claims = Object.entries({ version: 'v22.18.0', versions: { node: '22.18.0' } });
  const lines = claims.map(
    ([key, value]) => `Object.defineProperty(process, '${key}', { value: ${JSON.stringify(value)} });`,
  );
  fs.writeFileSync(old, lines.join('\n'));
  return new CommandLine(['status'], { command: ['--require', old, copy], cwd: dir }).outcome;
}

describe('on a Node that is too old', () => {
  test('says which one is needed', async () => {
    const { code, stderr } = await launchOnOldNode();
    expect(stderr).toMatch(
      /^baton: Node 22\.19 or newer is needed, this is v22\.18\.0\. Update Node, or .*\n$/,
    );
    expect(code).toBe(2);
  });

  test('takes that of the package `node`, where one is installed', async () => {
    const { code, stdout } = await launchOnOldNode((modules) => {
      fs.symlinkSync(fileURLToPath(new URL('../../node_modules/tsx', import.meta.url)), `${modules}/tsx`);
      fs.mkdirSync(`${modules}/node/bin`, { recursive: true });
      fs.writeFileSync(`${modules}/node/package.json`, '{ "name": "node" }');
      fs.writeFileSync(`${modules}/node/bin/node`, '#!/bin/sh\necho "got $*"\n', { mode: 0o755 });
    });
    expect(stdout).toMatch(/^got .*main\.js status\n$/);
    expect(code).toBe(0);
  });
});

describe('npx baton', () => {
  test('runs a TypeScript app with decorators and no tsconfig, and operates it', async () => {
    const cwd = newProject();
    const at = ['--runtime-dir', path.join(cwd, 'run'), '--json'];
    const service = launch(['start', '--port', '0', ...at], cwd);
    await service.until(() => service.stdout.endsWith('}\n'));
    const { url, hosts } = JSON.parse(service.stdout);
    expect(hosts).toEqual(['h1', 'h2']);
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ok' });

    const operate = (...args: string[]): Promise<Outcome> => launch([...args, ...at], cwd).outcome;
    expect((await operate('status')).json).toMatchObject({
      url,
      rooms: [],
      totals: { hosts: 2, rooms: 0, clients: 0 },
    });
    expect((await operate('migrate', 'nope', '--to', 'h2')).json.error.code).toBe('BATON_ROOM_NOT_FOUND');
    expect((await operate('drain', 'h99')).json.error.code).toBe('BATON_HOST_NOT_FOUND');
    expect((await operate('reload')).json).toMatchObject({
      generation: 2,
      from: ['h1', 'h2'],
      to: ['h3', 'h4'],
    });

    service.child.kill('SIGTERM');
    expect((await service.outcome).code).toBe(0);
  });

  test('refuses a version of Colyseus that Baton was not tested with, and names it', async () => {
    const dir = tempDir();
    const schema = path.join(dir, 'node_modules', '@colyseus', 'schema');
    fs.mkdirSync(schema, { recursive: true });
    fs.writeFileSync(path.join(schema, 'package.json'), '{ "name": "@colyseus/schema", "version": "5.0.1" }');
    fs.writeFileSync(path.join(dir, 'app.config.mjs'), 'export default {};');
    const args = ['start', '--port', '0', '--runtime-dir', path.join(dir, 'run'), '--json'];
    const { code, json } = await launch(args, dir).outcome;
    expect(json.error).toMatchObject({
      code: 'BATON_UNSUPPORTED_COLYSEUS',
      details: { package: '@colyseus/schema', found: '5.0.1', expected: TESTED_VERSIONS['@colyseus/schema'] },
    });
    expect(code).toBe(1);
  });

  test('check tells that the rooms of the app can move', async () => {
    const cwd = newProject();
    const { code, json } = await launch(['check', '--json'], cwd).outcome;
    expect([code, json]).toEqual([
      0,
      { app: path.join(cwd, 'app.config.ts'), ok: true, rooms: [{ name: 'lobby', problems: [] }] },
    ]);
  });
});
