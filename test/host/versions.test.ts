// A host starts with the versions of Colyseus it was tested with, whichever copies the app brings.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { assertVersions, TESTED_VERSIONS } from '../../server/src/host/versions.ts';

let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-versions-'));
});
afterEach(() => fs.rmSync(root, { recursive: true }));

function install(folder: string, name: string, version: string): string {
  const to = path.join(root, folder, 'node_modules', name);
  fs.mkdirSync(to, { recursive: true });
  fs.writeFileSync(path.join(to, 'package.json'), JSON.stringify({ name, version }));
  return to;
}

const app = () => path.join(root, 'app.ts');
const tested = (name: string) => TESTED_VERSIONS[name]!;

test('the tested ones are accepted', () => {
  for (const [name, version] of Object.entries(TESTED_VERSIONS)) install('.', name, version);
  expect(() => assertVersions(app())).not.toThrow();
});

test('another core or schema is named, with both versions', () => {
  install('.', '@colyseus/core', tested('@colyseus/core'));
  install('.', '@colyseus/timer', tested('@colyseus/timer'));
  install('.', '@colyseus/schema', '5.9.0');
  expect(() => assertVersions(app())).toThrow(/@colyseus\/schema.*5\.9\.0/);
});

test('the timer is the one that core loads, beside it or linked from elsewhere', () => {
  for (const name of ['@colyseus/schema', '@colyseus/timer']) install('.', name, tested(name));
  // as npm nests it
  const core = install('.', '@colyseus/core', tested('@colyseus/core'));
  const nested = install('node_modules/@colyseus/core', '@colyseus/timer', '2.1.0');
  expect(() => assertVersions(app())).toThrow(/@colyseus\/timer.*2\.1\.0.*2\.0\.3/);
  // as pnpm links it
  fs.rmSync(path.dirname(path.dirname(nested)), { recursive: true });
  fs.mkdirSync(path.join(root, 'pool/node_modules/@colyseus'), { recursive: true });
  fs.renameSync(core, path.join(root, 'pool/node_modules/@colyseus/core'));
  fs.symlinkSync(path.join(root, 'pool/node_modules/@colyseus/core'), core);
  install('pool', '@colyseus/timer', '2.2.0');
  expect(() => assertVersions(app())).toThrow(/@colyseus\/timer.*2\.2\.0/);
});
