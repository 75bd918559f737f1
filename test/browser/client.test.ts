// The client package in real Chromium: a page whose network is cut while its socket moves, and a room on its connection.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type * as Lib from '@baton/client';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { ClientWorld, type Player } from '../client/studio-world.ts';
import { json } from '../sockets/studio.ts';
import { Network } from '../support/network.ts';
import { until } from '../support/service.ts';
import { complaints, openBrowser } from './example.ts';

/** What the page has, once the package is in it. */
interface Window {
  Lib: typeof Lib;
  socket: Lib.BatonSocket;
  heard: string[];
  events: string[];
  sent: number;
  talking: number;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'baton-page-'));
let world: ClientWorld;
let browser: Browser;

beforeAll(async () => {
  [world, browser] = await Promise.all([ClientWorld.start(), openBrowser()]);
  await promisify(execFile)(process.execPath, [
    join(root, 'node_modules/esbuild/bin/esbuild'),
    join(root, 'client-sdk/src/index.ts'),
    ...['--bundle', '--platform=browser', '--format=iife', '--global-name=Lib'],
    `--outfile=${join(folder, 'client.js')}`,
  ]);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await world?.stop();
  rmSync(folder, { recursive: true });
});

/** A page that has opened a socket behind a network of its own. */
async function open(
  name: string,
  answer: object,
  on = world,
): Promise<{ page: Page; network: Network; said: string[] }> {
  const network = await Network.start(on.service.port);
  world.networks.push(network);
  on.studio.answer(name, 'open', json(answer));
  const page = await browser.newPage();
  const said = complaints(page);
  await page.addScriptTag({ path: join(folder, 'client.js') });
  await page.evaluate(
    async ([url, token]) => {
      const here = globalThis as unknown as Window;
      Object.assign(here, { heard: [], events: [], sent: 0 });
      here.socket = await new here.Lib.Baton(url!).open('duel', { token: token! });
      const decoder = new TextDecoder();
      here.socket.on('message', (data) =>
        here.heard.push(typeof data === 'string' ? data : decoder.decode(data)),
      );
      for (const event of ['linked', 'resumed', 'reconnecting', 'close', 'peer-left'] as const)
        here.socket.on(event, () => here.events.push(event));
      here.socket.on('error', ({ code }) => here.events.push(code));
    },
    [network.url, name],
  );
  return { page, network, said };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));

test('a page whose network is cut again and again loses nothing, and notices no move, no drain and no reload', async () => {
  const peer = await world.player('node');
  const { page, network, said } = await open('page', { peer: peer.socket.id });
  const events = () => page.evaluate(() => (globalThis as unknown as Window).events);
  const resumed = async () => (await events()).filter((event) => event === 'resumed').length;
  await until(async () => (await events()).includes('linked'), 'the page to be linked');
  await page.evaluate(() => {
    const here = globalThis as unknown as Window;
    here.talking = setInterval(() => {
      const n = String(++here.sent);
      here.socket.send(here.sent % 3 === 0 ? new TextEncoder().encode(n) : n);
    }, 5) as unknown as number;
  });
  const talking = setInterval(() => peer.count(), 5);
  for (let i = 1; i <= 4; i++) {
    network.cut();
    if (i === 2) await world.service.moveAway(peer.socket.id);
    if (i === 3) await world.service.drain((await world.hostOf(peer))!);
    if (i === 4) await world.service.reload();
    await until(async () => (await resumed()) >= i, 'the page to be back', 30_000).catch(async (error) => {
      throw new Error(`${error.message} after cut ${i}: ${await events()}; ${said}`);
    });
  }
  clearInterval(talking);
  const sent = await page.evaluate(() => {
    const here = globalThis as unknown as Window;
    clearInterval(here.talking);
    return here.sent;
  });
  const heard = () => page.evaluate(() => (globalThis as unknown as Window).heard);
  await until(async () => (await heard()).length >= peer.sent && peer.heard.length >= sent, 'all to come');
  expect(await heard()).toEqual(numbers(peer.sent));
  expect(peer.numbers.map(String)).toEqual(numbers(sent));
  expect((await events()).filter((event) => !['linked', 'resumed', 'reconnecting'].includes(event))).toEqual(
    [],
  );
  // the browser itself says of each connection that it was cut
  expect(said.filter((text) => !text.includes('WebSocket connection'))).toEqual([]);
  await page.close();
  await peer.has('peer-left'); // a page that is closed has left at once
}, 120_000);

test('a page enters the room of its link on the connection that it has', async () => {
  const peer: Player = await world.player('node-room');
  const { page, said } = await open('page-room', { peer: peer.socket.id, room: { name: 'keeps' } });
  const hits = await page.evaluate(async () => {
    const { socket } = globalThis as unknown as Window;
    const room = await new Promise<any>((resolve) => socket.on('room', resolve));
    const hit = new Promise((resolve) => room.onMessage('hit', resolve));
    room.send('hit', 42);
    const answer = await hit;
    await room.leave();
    socket.send('back');
    return [answer, socket.room === undefined];
  });
  expect(hits).toEqual([42, true]);
  await until(() => peer.socket.room !== undefined, 'its peer to be inside');
  await peer.socket.room!.leave();
  await peer.hears('back');
  expect(said).toEqual([]);
  await page.close();
}, 60_000);

test('a page whose service ends, or was begun anew while it was away, is told so and may open again', async () => {
  const passing = await ClientWorld.start({ hosts: 1 });
  const ends = await open('page-ends', {}, passing);
  const lasts = await open('page-lasts', {}, passing);
  const { port } = passing.service;
  lasts.network.silence(); // it does not hear the goodbye
  await passing.stop();
  const events = (page: Page) => page.evaluate(() => (globalThis as unknown as Window).events);
  await until(async () => (await events(ends.page)).length > 0, 'the page to be told');
  expect(await events(ends.page)).toEqual(['close']);
  const again = await ClientWorld.start({ hosts: 1, args: ['--port', String(port)] });
  try {
    lasts.network.cut();
    await until(
      async () => (await events(lasts.page)).includes('close'),
      'the other page to be told',
      30_000,
    );
    expect(await events(lasts.page)).toEqual(['reconnecting', 'BATON_RESUME_FAILED', 'close']);
    const opened = lasts.page.evaluate(async (url) => {
      const here = globalThis as unknown as Window;
      here.socket = await new here.Lib.Baton(url).open('duel', { token: 'page-again' });
      return here.socket.connected;
    }, lasts.network.url);
    expect(await opened).toBe(true);
  } finally {
    await ends.page.close();
    await lasts.page.close();
    await again.stop();
  }
}, 90_000);
