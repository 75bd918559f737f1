// The client package as a game carries it: how large it is, that nothing of Node is in it, and that it needs no more than
// what every environment has.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { FakeSocket, OPENED } from './fake-socket.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const entry = join(root, 'client-sdk/src/index.ts');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-bundle-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** @returns the bundle of an entry, made for browsers */
async function bundle(from: string, ...flags: string[]): Promise<string> {
  const out = join(folder, `${flags.join('').replace(/\W/g, '')}.js`);
  const common = ['--bundle', '--platform=browser', '--minify', '--log-level=warning', `--outfile=${out}`];
  const { stderr } = await promisify(execFile)(
    process.execPath,
    [join(root, 'node_modules/esbuild/bin/esbuild'), from, ...common, ...flags],
    { cwd: root },
  );
  expect(stderr).toBe('');
  return readFileSync(out, 'utf8');
}

test('it has at most 15 KB, gzipped, without Colyseus’ SDK, which it asks for only when there is a room', async () => {
  const code = await bundle(entry, '--format=esm', '--external:@colyseus/sdk');
  const size = gzipSync(code).length;
  expect(size).toBeLessThanOrEqual(15_000);
  expect(size).toBeGreaterThan(2_000);
  expect(code.match(/(?:import|from) ?["'(]+@colyseus\/sdk/g)).toEqual([
    expect.stringMatching(/^import ?\(/),
  ]);
});

test('what a game does not use of it is left out', async () => {
  const code = await bundle(
    join(root, 'test/client/fixtures/errors-only.ts'),
    '--format=esm',
    '--external:@colyseus/sdk',
    '--conditions=baton-source',
  );
  expect(code.length).toBeLessThan(4_000);
});

test('with everything in one file it needs a WebSocket and timers, and nothing else', async () => {
  const code = await bundle(entry, '--format=iife', '--global-name=Lib');
  expect(code).not.toMatch(/["']node:/);
  const sockets: FakeSocket[] = [];
  class Watched extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const context = createContext({ WebSocket: Watched, setTimeout, clearTimeout });
  runInContext(code, context);
  runInContext(
    `var heard = [];
     new Lib.Baton('https://play.example').open('duel', { token: 't', attributes: { a: 'ü' } }).then((socket) => {
       socket.on('message', (data) => heard.push(data));
       socket.on('resumed', () => heard.push('resumed'));
       socket.on('close', (code) => heard.push(code));
       socket.send('text');
       socket.send(new Uint8Array([1]));
       heard.push(socket.id);
       globalThis.socket = socket;
     });`,
    context,
  );
  await settled();
  sockets[0]!.says('open', OPENED);
  await settled();
  expect(sockets[0]!.sent.slice(1)).toEqual(['text', expect.objectContaining({ 0: 1 })]);
  sockets[0]!.hear('hello');
  sockets[0]!.end(1006);
  while (sockets.length < 2) await settled();
  sockets[1]!.says('resumed', { received: 1, forward: 'peers' });
  await settled();
  expect([...(sockets[1]!.sent[0] as Uint8Array)]).toEqual([1]);
  runInContext('socket.close()', context);
  await settled();
  expect([...context['heard']]).toEqual(['s', 'hello', 'resumed', 4000]);
});

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

test('the entry for rooms is Colyseus’ SDK', async () => {
  const rooms = await import('@baton/client/rooms');
  const sdk = await import('@colyseus/sdk');
  expect([rooms.Room, rooms.Client]).toEqual([sdk.Room, sdk.Client]);
});
