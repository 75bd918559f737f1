import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { kill } from '../support/service.ts';
import { complaints, Example, freePort, openBrowser } from './example.ts';

const MOVES = 20;
/** Where pictures of the pages are kept. */
const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
const PATIENCE = { timeout: 30_000 };

let example: Example;
let browser: Browser;
let urls: { arena: string; duel: string; token: string };

beforeAll(async () => {
  [example, browser] = await Promise.all([freePort().then((port) => new Example(port)), openBrowser()]);
  urls = await example.urls();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await example?.interrupt();
}, 60_000);

interface ArenaProbe {
  sessionId: string;
  state: { players: Record<string, { x: number; alive: boolean; bot: boolean }> };
  host: string;
  moves: number;
  disconnects: number;
  reconnects: number;
  errors: number;
  patches: number;
  ticks: Flow;
  pongs: Flow;
}

interface Flow {
  received: number;
  lost: number;
  duplicated: number;
  reordered: number;
}

interface DuelProbe {
  phase: string;
  socketId: string;
  peer: string;
  host: string;
  rally: number;
  moves: number;
  disconnects: number;
  incoming: Flow;
}

declare const window: { __arena: ArenaProbe; __duel: DuelProbe };

const intact = { lost: 0, duplicated: 0, reordered: 0 };

/** Presses a button of the bar and waits until what it does is done. */
async function press(page: Page, id: string): Promise<string> {
  await page.click(`#${id}`);
  const outcome = page.locator('.toast.done, .toast.failed').last();
  await page.waitForFunction((name) => !(document.getElementById(name) as HTMLButtonElement).disabled, id, {
    timeout: 90_000,
  });
  return (await outcome.textContent(PATIENCE)) ?? '';
}

async function moved(page: Page, times: number): Promise<void> {
  await page.waitForFunction((n) => window.__arena.moves >= n, times, PATIENCE);
}

describe('the arena in a browser', () => {
  test(`a player notices nothing of ${MOVES} moves, a drain and a reload`, async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
    const wrong = complaints(page);
    await page.goto(urls.arena);
    await page.waitForFunction(
      () => window.__arena?.patches > 10 && window.__arena.host !== undefined,
      null,
      PATIENCE,
    );

    for (let i = 1; i <= MOVES; i++) {
      expect(await press(page, 'move')).toMatch(/^Moved from h\d+ to h\d+/);
      await moved(page, i);
    }
    expect(await press(page, 'drain')).toMatch(/^Drained h\d+/);
    await moved(page, MOVES + 1);
    const before = await page.evaluate(() => window.__arena.host);
    expect(await press(page, 'reload')).toMatch(/^Reloaded: /);
    await moved(page, MOVES + 2);

    const patches = await page.evaluate(() => window.__arena.patches);
    await page.waitForFunction((n) => window.__arena.patches > n + 10, patches, PATIENCE);
    const seen = await page.evaluate(() => {
      const { host, disconnects, reconnects, errors, ticks, pongs, state } = window.__arena;
      return {
        host,
        disconnects,
        reconnects,
        errors,
        ticks,
        pongs,
        players: Object.values(state.players).length,
      };
    });
    expect(seen).toMatchObject({
      disconnects: 0,
      reconnects: 0,
      errors: 0,
      ticks: intact,
      pongs: intact,
      players: 13,
    });
    expect(seen.host).not.toBe(before);
    expect(seen.ticks.received).toBeGreaterThan(100);
    expect(wrong).toEqual([]);
    await page.screenshot({ path: `${artifacts}arena.png` });
    await page.close();
  }, 240_000);

  test('the ship still obeys after its room has moved', async () => {
    const page = await browser.newPage();
    await page.goto(urls.arena);
    await page.waitForFunction(() => window.__arena?.patches > 5, null, PATIENCE);
    const alive = () =>
      page.waitForFunction(
        () => window.__arena.state.players[window.__arena.sessionId]?.alive,
        null,
        PATIENCE,
      );
    await alive();
    const travelled = page.evaluate(() => {
      const ship = () => window.__arena.state.players[window.__arena.sessionId]!;
      const from = ship().x;
      return new Promise<number>((resolve) => {
        const look = setInterval(() => {
          const far = Math.abs(ship().x - from);
          if (far <= 20) return;
          clearInterval(look);
          resolve(far);
        }, 50);
      });
    });
    // One way may be blocked by a wall; the other is not.
    for (const key of ['d', 'a']) {
      await page.keyboard.down(key);
      await Promise.race([travelled, page.waitForTimeout(1_000)]);
      await page.keyboard.up(key);
    }
    expect(await travelled).toBeGreaterThan(20);
    await page.close();
  }, 90_000);

  test('without the token the game plays, and the buttons say why they are off', async () => {
    const page = await browser.newPage();
    await page.goto(urls.arena.split('#')[0]!);
    await page.waitForFunction(() => window.__arena?.patches > 5, null, PATIENCE);
    for (const id of ['move', 'drain', 'reload'])
      expect(await page.locator(`#${id}`).isDisabled()).toBe(true);
    expect(await page.locator('#locked').textContent()).toContain('#token=');
    await page.close();
  }, 60_000);

  test('the token does not stay in the address', async () => {
    const page = await browser.newPage();
    await page.goto(urls.arena);
    await page.waitForFunction(() => window.__arena?.patches > 0, null, PATIENCE);
    expect(page.url()).not.toContain(urls.token);
    await page.close();
  }, 60_000);
});

describe('the duel in two browser tabs', () => {
  test('two players are linked, play through their sockets and move together', async () => {
    const context = await browser.newContext();
    const one = await context.newPage();
    const wrong = complaints(one);
    await one.goto(urls.duel);
    await one.waitForFunction(() => window.__duel?.phase === 'waiting', null, PATIENCE);
    const [two] = await Promise.all([context.waitForEvent('page'), one.click('#computer')]);
    wrong.push(...complaints(two));
    await one.waitForFunction(() => window.__duel.phase === 'linked', null, PATIENCE);
    await two.waitForFunction(() => window.__duel?.phase === 'linked', null, PATIENCE);
    const ids = (page: Page) => page.evaluate(() => [window.__duel.socketId, window.__duel.peer]);
    expect(await ids(one)).toEqual((await ids(two)).reverse());

    await one.click('#auto');
    const moves = await one.evaluate(() => window.__duel.moves);
    expect(await press(one, 'move')).toMatch(/^Moved from/);
    await one.waitForFunction((n) => window.__duel.moves > n, moves, PATIENCE);
    const host = await one.evaluate(() => window.__duel.host);
    await two.waitForFunction((h) => window.__duel.host === h, host, PATIENCE);
    const heard = await one.evaluate(() => window.__duel.incoming.received);
    await one.waitForFunction((n) => window.__duel.incoming.received > n + 30, heard, PATIENCE);
    for (const page of [one, two]) {
      const { disconnects, incoming } = await page.evaluate(() => window.__duel);
      expect({ disconnects, incoming }).toMatchObject({ disconnects: 0, incoming: intact });
    }

    await one.screenshot({ path: `${artifacts}duel.png` });
    await two.close();
    await one.waitForFunction(() => window.__duel.phase === 'ended', null, PATIENCE);
    expect(await one.locator('#title').textContent()).toBe('Your opponent has left');
    expect(wrong).toEqual([]);
    await context.close();
  }, 120_000);
});

describe('npm start', () => {
  test('a port in use is said, with what to do', async () => {
    const second = new Example(example.port);
    const { code, output } = await second.ended;
    expect(code).toBe(1);
    expect(output).toContain(`Port ${example.port} is already in use`);
    expect(output).toContain(`PORT=${example.port + 1} npm start`);
  }, 30_000);

  test('Ctrl-C twice ends hosts that do not end by themselves, too', async () => {
    const other = new Example(await freePort());
    const { arena, token } = await other.urls();
    const response = await fetch(new URL('/v1/hosts', arena), {
      headers: { authorization: `Bearer ${token}` },
    });
    const pids = ((await response.json()) as { hosts: { pid: number }[] }).hosts.map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      void other.interrupt();
      await other.says('press Ctrl-C again');
      await other.interrupt();
      for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    } finally {
      for (const pid of pids) kill(pid);
    }
  }, 60_000);

  test('Ctrl-C ends the service, its hosts and the function', async () => {
    const hosts = await fetch(new URL('/v1/hosts', urls.arena), {
      headers: { authorization: `Bearer ${urls.token}` },
    }).then((response) => response.json() as Promise<{ hosts: { pid: number }[] }>);
    expect(hosts.hosts.length).toBeGreaterThan(0);
    expect((await example.interrupt()).code).toBe(0);
    for (const { pid } of hosts.hosts) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await expect(fetch(urls.arena)).rejects.toThrow();
  }, 60_000);
});
