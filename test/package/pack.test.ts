// What npm would publish, installed in an empty folder, runs a TypeScript app that was never built, and the tutorial.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { freePort, openBrowser } from '../browser/example.ts';
import { Reader } from './reader.ts';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;
const offline = ['--prefer-offline', '--no-audit', '--no-fund'];
let folder: string;
/** Of whoever reads the tutorial: not below the folder, whose packages would be found there. */
let home: string;
let reader: Reader;
let tutorialPort: number;
let service: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-pack-'));
  tutorialPort = await freePort();
  home = await mkdtemp(join(tmpdir(), 'baton-home-'));
  reader = new Reader('docs/tutorial.md', home, {
    XDG_RUNTIME_DIR: join(home, 'runtime'),
    BATON_PORT: String(tutorialPort),
  });
  await reader.does('npm ci');
  const tarballs = (await readdir(join(home, 'baton'))).map((name) => join(home, 'baton', name));
  expect(tarballs).toHaveLength(4);
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
  for (const made of [folder, home]) await rm(made, { recursive: true, force: true });
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

test('it brings along the dashboard, with the licenses of what is in it', async () => {
  const page = await (await fetch(`http://127.0.0.1:${port}/dashboard/`)).text();
  const [, script] = /src="\.\/(assets\/[\w-]+\.js)"/.exec(page)!;
  expect((await fetch(`http://127.0.0.1:${port}/dashboard/${script}`)).status).toBe(200);
  const shipped = await readdir(join(folder, 'node_modules/@baton/server/dist/dashboard/page'));
  expect(shipped.sort()).toEqual(['LICENSES.md', 'assets', 'index.html']);
});

test('it brings along what the page of its control API is made of, and nothing that reports to its makers', async () => {
  for (const file of ['', 'swagger-ui-bundle.js', 'swagger-ui.css'])
    expect([file, (await fetch(`http://127.0.0.1:${port}/v1/docs/${file}`)).status]).toEqual([file, 200]);
  expect(await readdir(join(folder, 'node_modules/@baton/server/dist/deploy'))).toContain('baton.service');
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

test('`npx baton simulate` tries a matchmaker beside functions and writes its report', async () => {
  const lines = [
    "import type { Matchmaker } from '@baton/functions';",
    'export default {',
    '  match: ([a, b]) => (a && b ? [{ teams: [[a], [b]] }] : []),',
    '} satisfies Matchmaker;',
  ];
  await writeFile(join(folder, 'matchmaker.ts'), lines.join('\n'));
  const pairs = ["import { firstComePairs } from '@baton/functions';", 'export default firstComePairs();'];
  await writeFile(join(folder, 'pairs.ts'), pairs.join('\n'));
  const compared = ['matchmaker.ts', '--compare', 'pairs.ts'];
  const result = await baton('simulate', ...compared, '--players', '10', '--html', 'report.html');
  expect(result.results).toMatchObject([
    { matchmaker: 'matchmaker.ts', players: { arrived: 10 } },
    { matchmaker: 'pairs.ts', players: { matched: 10 } },
  ]);
  expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('uPlot');
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

test('`npx create-baton my-game` is `baton init my-game`', async () => {
  const { stdout } = await run('npx', ['create-baton', 'other-game', '--json'], { cwd: folder });
  expect(JSON.parse(stdout)).toMatchObject({ name: 'other-game', dir: join(folder, 'other-game') });
  expect(await readdir(join(folder, 'other-game'))).toContain('.gitignore');
}, 60_000);

describe('docs/tutorial.md, step by step', () => {
  let browser: Browser;
  let address: string;
  beforeAll(async () => {
    browser = await openBrowser();
  }, 60_000);
  afterAll(async () => {
    await reader.interrupts();
    await browser?.close();
  }, 60_000);

  /** A tab, once its page says what is expected. */
  async function tab(search: string, status: RegExp): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(address + search);
    await page.locator('#status', { hasText: status }).waitFor();
    return page;
  }

  async function talk(from: Page, to: Page, text: string): Promise<void> {
    await from.getByRole('textbox').fill(text);
    await from.getByRole('textbox').press('Enter');
    await to.locator('li:not(.mine)', { hasText: text }).waitFor();
  }

  const started = () => answering(tutorialPort, AbortSignal.timeout(60_000));

  test('1 to 4: a project, two players, and processes that are replaced while they talk', async () => {
    address = `http://localhost:${tutorialPort}/`;
    await reader.does();
    await reader.does();
    await started();
    const ann = await tab('', /Waiting for an opponent/);
    const ben = await tab('', /Linked/);
    await ann.locator('#status', { hasText: 'Linked' }).waitFor();
    await talk(ann, ben, 'en garde');
    expect(await reader.does()).toMatch(/2 hosts.+generation 2 runs: h1, h2 replaced by h3, h4/s);
    await talk(ben, ann, 'prêt');
    expect(await reader.does()).toMatch(/h3 drained/);
    await talk(ann, ben, 'allez');
    for (const page of [ann, ben]) expect(await page.locator('#status').textContent()).toMatch(/^Linked/);
    await Promise.all([ann.close(), ben.close()]); // each hears that the other one has left
  }, 180_000);

  test('5 and 6: a rule of one’s own, and the test', async () => {
    reader.writes();
    await run('npm', ['run', 'types'], { cwd: reader.cwd });
    await reader.interrupts();
    expect(reader.output).toContain('stopping');
    expect(reader.output).not.toMatch(/"level":"(error|fatal)"/);
    await reader.does();
    await started();
    const tiger = await tab('?word=tiger', /Waiting/);
    const other = await tab('', /Waiting/);
    const second = await tab('?word=tiger', /Linked/);
    await talk(tiger, second, 'grr');
    expect(await other.locator('#status').textContent()).toMatch(/^Waiting/);
    expect(await reader.does()).toMatch(/pass 1\n.*fail 0\n/s);
    await reader.interrupts('SIGHUP');
    expect(reader.left).toBe(0);
  }, 180_000);
});

/** Resolves when the service says it is ready to take players. */
async function answering(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal }).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing ready on port ${port}`);
}
