// What other users of the machine can see, prepare or reach.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeRuntimeDir } from '../../server/src/supervisor/service-file.ts';
import { LineSplitter } from '../../server/src/telemetry/lines.ts';
import { nodeArgs, until } from '../support/service.ts';
import { app } from './attack.ts';

const root = path.join(import.meta.dirname, '..', '..');
let dir: string;
let child: ChildProcess | undefined;

beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-machine-'));
});
afterAll(() => {
  child?.kill('SIGKILL');
  fs.rmSync(dir, { recursive: true, force: true });
});

test('a directory others may write to is refused, and left as it is', () => {
  for (const mode of [0o1777, 0o770, 0o722]) {
    const shared = path.join(dir, `shared-${mode}`);
    fs.mkdirSync(shared);
    fs.chmodSync(shared, mode);
    expect(() => makeRuntimeDir(shared)).toThrow(
      expect.objectContaining({ code: 'BATON_RUNTIME_DIR_UNSAFE' }),
    );
    expect(fs.statSync(shared).mode & 0o7777).toBe(mode);
  }
  const readable = path.join(dir, 'readable');
  fs.mkdirSync(readable, { mode: 0o755 });
  expect(fs.statSync(makeRuntimeDir(readable)).mode & 0o777).toBe(0o700);
});

test('a link in place of the directory is refused', () => {
  const mine = path.join(dir, 'mine');
  fs.mkdirSync(mine, { mode: 0o755 });
  fs.symlinkSync(mine, path.join(dir, 'link'));
  expect(() => makeRuntimeDir(path.join(dir, 'link'))).toThrow('not a directory');
  expect(fs.statSync(mine).mode & 0o777).toBe(0o755);
});

test('compiled code is not taken from a folder that others may write to', async () => {
  const program = path.join(root, 'server', 'src', 'supervisor', 'host-program.ts');
  const script = `import { hostProgram } from ${JSON.stringify(program)};
    console.log(hostProgram(${JSON.stringify(app)}, ${JSON.stringify(dir)}).env.TSX_DISABLE_CACHE ?? 'cached');`;
  const file = path.join(dir, 'ask.mts');
  fs.writeFileSync(file, script);
  const ask = async (name: string, mode?: number) => {
    const TMPDIR = path.join(dir, name);
    fs.mkdirSync(TMPDIR);
    const cache = path.join(TMPDIR, `tsx-${process.geteuid!()}`);
    if (mode !== undefined) {
      fs.mkdirSync(cache);
      fs.chmodSync(cache, mode);
    }
    const env = { ...process.env, TMPDIR };
    const { stdout } = await promisify(execFile)(process.execPath, [...nodeArgs, file], { env, cwd: root });
    return stdout.trim();
  };
  expect(await ask('theirs', 0o777)).toBe('1');
  expect(await ask('ours', 0o755)).toBe('cached');
});

test('a Redis password is in no argument list and no line of the log', async () => {
  const cli = path.join(root, 'server', 'src', 'cli', 'main.ts');
  const redis = 'redis://someone:hunter2secret@127.0.0.1:1';
  const args = [cli, 'start', app, '--port', '0', '--plain', '--hosts', '1', '--redis', redis];
  const env = { ...process.env, BATON_REDIS_URL: redis };
  let output = '';
  child = spawn(process.execPath, [...nodeArgs, ...args, '--runtime-dir', path.join(dir, 'run')], { env });
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
  await until(() => output.includes('use BATON_REDIS_URL'), 'it warns');
  await until(
    () => /Trying again|connect/i.test(output.split('BATON_REDIS_URL')[1]!),
    'a host has tried',
    20_000,
  );
  const { pid } = child;
  expect(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('hunter2secret');
  expect(output).not.toContain('hunter2secret');
  // A host knows the URL, its app's child processes do not: they inherit what the app sees.
  const hosts = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  for (const host of hosts.filter(Boolean)) {
    const environment = fs.readFileSync(`/proc/${host}/environ`, 'utf8').split('\0');
    expect(environment.filter((line) => line.startsWith('BATON_REDIS_URL'))).toEqual([]);
    expect(fs.readFileSync(`/proc/${host}/cmdline`, 'utf8')).not.toContain('hunter2secret');
  }
  child.kill('SIGTERM');
});

test("what a client sends gives a terminal no orders through a host's output", () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  splitter.push(
    Buffer.from('\x1b[31mred\x1b[0m\ttab ü\r\n\x1b]0;title\x07\x1b[2J\x9b2J\rback\x08\x7f\nlast\x1b[1A'),
  );
  splitter.end();
  expect(lines).toEqual([
    '\x1b[31mred\x1b[0m\ttab ü',
    '\\x1b]0;title\\x07\\x1b[2J\\x9b2J\\x0dback\\x08\\x7f',
    'last\\x1b[1A',
  ]);
});
