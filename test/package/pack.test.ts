// What npm would publish, installed in an empty folder, runs a TypeScript app that was never built.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;
const offline = ['--prefer-offline', '--no-audit', '--no-fund'];
let folder: string;
let tarballs: string[];
let service: ChildProcess | undefined;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-pack-'));
  await run(process.execPath, ['scripts/build.mjs'], { cwd: root });
  const names = ['server', 'client-sdk', 'matchmaker-functions', 'create-baton'];
  const workspaces = names.flatMap((name) => ['-w', name]);
  await run('npm', ['pack', ...workspaces, '--pack-destination', folder], { cwd: root });
  tarballs = (await readdir(folder))
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(folder, name));
  expect(tarballs).toHaveLength(names.length);
  await cp(join(root, 'test/package/app'), folder, { recursive: true });
  const manifest = { name: 'app', private: true, type: 'module' };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  const compilerOptions = {
    target: 'ES2023',
    module: 'NodeNext',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    experimentalDecorators: true,
    useDefineForClassFields: false,
    types: [],
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const others = ['@colyseus/core@0.18.17', '@colyseus/schema@5.0.34', '@colyseus/sdk@0.18.4'];
  await run('npm', ['install', ...offline, ...tarballs, ...others], { cwd: folder });
}, 240_000);

afterAll(async () => {
  if (service && service.exitCode === null) {
    const ended = new Promise((resolve) => service?.once('close', resolve));
    // npx does not pass signals on, so all of its process group gets it.
    process.kill(-service.pid!, 'SIGTERM');
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
}, 60_000);

test('the packages carry declarations the compiler accepts', async () => {
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
}, 120_000);

/** What a command of the installed CLI prints as JSON. */
async function baton(...args: string[]): Promise<any> {
  const { stdout } = await run('npx', ['baton', ...args, '--json'], {
    cwd: folder,
    timeout: 60_000,
    env: environment(),
  });
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, XDG_RUNTIME_DIR: join(folder, 'runtime'), NODE_OPTIONS: '' };
}

let port: number;

test('`npx baton start app.config.ts` serves the app', async () => {
  port = await freePort();
  service = spawn('npx', ['baton', 'start', 'app.config.ts', '--hosts', '2', '--port', String(port)], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: environment(),
  });
  let output = '';
  service.stdout?.on('data', (chunk) => (output += chunk));
  service.stderr?.on('data', (chunk) => (output += chunk));
  const exited = new Promise<never>((_, reject) =>
    service?.once('exit', (code) => reject(new Error(`the service ended with ${code}:\n${output}`))),
  );
  const gone = new AbortController();
  exited.catch(() => gone.abort());
  await Promise.race([exited, answering(port, AbortSignal.any([gone.signal, AbortSignal.timeout(60_000)]))]);
}, 90_000);

test('it brings along what the page of its control API is made of, and nothing that reports to its makers', async () => {
  for (const file of ['', 'swagger-ui-bundle.js', 'swagger-ui.css'])
    expect([file, (await fetch(`http://127.0.0.1:${port}/v1/docs/${file}`)).status]).toEqual([file, 200]);
  await expect(readdir(join(folder, 'node_modules', '@scarf'))).rejects.toThrow('ENOENT');
});

test('a player on the stock SDK stays while `npx baton migrate` moves the room', async () => {
  const player = spawn(process.execPath, ['play.mjs', String(port)], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: player.stdout! })[Symbol.asyncIterator]();
  const said = async () => JSON.parse(String((await lines.next()).value));
  try {
    const { roomId } = await said();
    const { hosts, rooms } = await baton('status');
    const { host } = rooms.find((room: { roomId: string }) => room.roomId === roomId);
    const other = hosts.find(({ id }: { id: string }) => id !== host).id;
    expect(await baton('migrate', roomId, '--to', other)).toMatchObject({
      roomId,
      from: host,
      to: other,
      epoch: 2,
      clients: 1,
    });
    player.stdin!.end();
    const { added, answers, state, ...noticed } = await said();
    expect(added).toBeGreaterThan(0);
    expect(answers).toEqual(Array.from({ length: added }, (_, i) => i + 1));
    expect({ state, ...noticed }).toEqual({ state: added, drops: 0, leaves: 0, errors: 0 });
  } finally {
    player.kill();
  }
}, 90_000);

test('`npx baton function deploy` runs a function', async () => {
  const code = 'export default { fetch: () => Response.json({}) };';
  await writeFile(join(folder, 'hello.ts'), `const answer: number = 1;\n${code}\n`);
  expect(await baton('function', 'deploy', 'hello.ts', '--port', String(port))).toMatchObject({
    name: 'hello',
    version: 1,
    state: 'running',
  });
}, 90_000);

test('`npx baton bots` brings the SDK it needs', async () => {
  const result = await baton(
    'bots',
    '--room',
    'counter',
    '--clients',
    '2',
    '--duration',
    '2',
    '--moves',
    '2',
  );
  expect(result).toMatchObject({ disconnects: 0, stateMismatches: 0, moves: 2, failedMoves: 0 });
}, 90_000);

describe('`npx create-baton my-game`', () => {
  const project = () => join(folder, 'my-game');
  const environmentOf = (port: number) => ({ ...environment(), BATON_PORT: String(port) });

  test('makes a project that installs, type-checks and passes its test', async () => {
    await run('npx', ['create-baton', 'my-game'], { cwd: folder });
    const own = tarballs.filter((file) => /-(server|functions)-\d/.test(file));
    expect(own).toHaveLength(2);
    await run('npm', ['install', ...offline, ...own], { cwd: project() });
    await run('npm', ['run', 'types'], { cwd: project() });
    const { stdout } = await run('npm', ['test'], { cwd: project(), env: environment() });
    expect(stdout).toMatch(/pass 1\n.*fail 0\n/s);
  }, 180_000);

  test('`npm start` serves it: two players are linked, their page is there, Ctrl-C ends all', async () => {
    const port = await freePort();
    const started = spawn('npm', ['start'], {
      cwd: project(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: environmentOf(port),
    });
    // Closes when the last process of the group has ended.
    const ended = new Promise<void>((resolve) => started.once('close', () => resolve()));
    let output = '';
    for (const stream of [started.stdout!, started.stderr!]) stream.on('data', (text) => (output += text));
    try {
      await answering(port, AbortSignal.timeout(60_000));
      const page = await fetch(`http://127.0.0.1:${port}/`);
      expect(await page.text()).toContain('<title>Duel</title>');
      const players = await Promise.all(['ann', 'ben'].map((name) => linked(port, name)));
      for (const player of players) player.close();
    } finally {
      // What Ctrl-C on a terminal does.
      process.kill(-started.pid!, 'SIGINT');
      await ended;
    }
    expect(output).toContain('stopping');
    expect(output).not.toMatch(/"level":"(error|fatal)"/);
    await expect(fetch(`http://127.0.0.1:${port}/readyz`)).rejects.toThrow();
  }, 120_000);
});

/** A player whom the matchmaker has found an opponent for. */
function linked(port: number, player: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/socket/duel`, [
    'baton.v1',
    `baton.token.${player}`,
  ]);
  return new Promise((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => /"event":"linked"/.test(data) && resolve(socket));
    socket.addEventListener('close', ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`)));
  });
}

/** Resolves when the service says it is ready to take players. */
async function answering(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal }).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing ready on port ${port}`);
}
