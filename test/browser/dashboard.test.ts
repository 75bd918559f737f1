// The dashboard in a browser, on a service with rooms, sockets and functions that fail when they are told to.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { dashboardPage } from '../../server/src/dashboard/index.ts';
import { closeAll, serve, token } from '../control/support.ts';
import { crowd } from '../dashboard/crowd.ts';
import { World } from '../dashboard/world.ts';
import { nothing, status } from '../sockets/studio.ts';
import { Network } from '../support/network.ts';
import { violations } from './accessibility.ts';
import { openBrowser } from './example.ts';

const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
const PATIENCE = { timeout: 30_000 };
const VIEWS = [
  ['overview', 'Overview'],
  ['hosts', 'Hosts'],
  ['rooms', 'Rooms'],
  ['sockets', 'Sockets'],
  ['links', 'Links'],
  ['matchmaking', 'Matchmaking'],
  ['mappings', 'Mappings'],
  ['calls', 'Calls'],
  ['dead-letters', 'Dead letters'],
  ['moves', 'Moves'],
] as const;

let world: World;
let browser: Browser;

beforeAll(async () => {
  await promisify(execFile)(process.execPath, [
    fileURLToPath(new URL('../../dashboard/build.mjs', import.meta.url)),
  ]);
  [world, browser] = await Promise.all([World.start(), openBrowser()]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await world?.stop();
}, 60_000);

/** A page, and what must not happen on it: errors, and anything that its policy forbids. */
async function open(
  address: string,
  context?: BrowserContext,
): Promise<{ page: Page; wrong: string[]; asked: string[] }> {
  const page = await (context ?? browser).newPage({
    ...(context ? {} : { viewport: { width: 1360, height: 860 } }),
  } as never);
  const wrong: string[] = [];
  const asked: string[] = [];
  page.on('pageerror', (error) => wrong.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') wrong.push(message.text());
  });
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(address);
  return { page, wrong, asked };
}

const signedIn = async (key = world.service.token) => {
  const opened = await open(`${world.service.url}/dashboard/#token=${key}`);
  await opened.page.locator('.connection.live').waitFor(PATIENCE);
  return opened;
};

const goTo = async (page: Page, view: string) => {
  await page.evaluate((hash) => void (location.hash = hash), `#/${view}`);
  await page.locator('main h1').waitFor(PATIENCE);
};

const row = (page: Page, text: string): Locator => page.locator('.table-body [role=row]', { hasText: text });
/** An event of the timeline. */
const happened = (page: Page, name: string): Locator =>
  page.locator('.timeline .what b', { hasText: new RegExp(`^${name}$`) });
const dialog = (page: Page) => page.locator('dialog[open]');

async function confirm(page: Page, button: string): Promise<string> {
  await dialog(page).getByRole('button', { name: button, exact: true }).click();
  const outcome = dialog(page).locator('.operation.done, .operation.failed');
  await outcome.waitFor({ timeout: 90_000 });
  const text = (await outcome.textContent())!;
  await dialog(page).getByRole('button', { name: 'Close' }).click();
  return text;
}

describe('signing in', () => {
  test('a link signs in, and its token does not stay in the address', async () => {
    const { page, wrong, asked } = await signedIn();
    expect(page.url()).toBe(`${world.service.url}/dashboard/#/`);
    expect(await page.evaluate(() => JSON.stringify(Object.entries(localStorage)))).not.toContain(
      world.service.token,
    );
    for (const url of asked) {
      expect(url.startsWith(world.service.url)).toBe(true);
      expect(new URL(url).pathname + new URL(url).search).not.toContain(world.service.token);
    }
    await page.reload();
    await page.locator('.connection.live').waitFor(PATIENCE);
    expect(wrong).toEqual([]);
    await page.close();
  }, 60_000);

  test('a wrong key is told to be one; the right one, pasted, is not', async () => {
    const { page, wrong } = await open(`${world.service.url}/dashboard`);
    const field = page.getByLabel('API key or token');
    await field.fill('baton_default_0000000000000000_wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor(PATIENCE);
    expect(await page.getByRole('alert').textContent()).toContain('does not know this key');
    await page.screenshot({ path: `${artifacts}dashboard-sign-in.png` });
    expect(await violations(page)).toEqual([]);
    await field.fill(world.service.token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.connection.live').waitFor(PATIENCE);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await field.waitFor(PATIENCE);
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    expect(wrong.filter((text) => !text.includes('401'))).toEqual([]); // the browser tells of the answer by itself
    await page.close();
  }, 60_000);
});

describe('watching', () => {
  test('rooms, sockets and links come and go by themselves, without the page asking', async () => {
    const { page, wrong, asked } = await signedIn();
    await goTo(page, 'rooms');
    await page.getByText('No rooms').waitFor(PATIENCE);
    const room = await world.join('arena');
    await row(page, room.roomId).waitFor(PATIENCE);

    await goTo(page, 'sockets');
    const { id: waiting, socket } = await world.socket('duel', 'anna', { peer: 'nobody-yet' });
    await row(page, waiting).getByText('waiting').waitFor(PATIENCE);
    const [one, two] = await world.pair('berta', 'carl');
    await row(page, one).first().getByText('linked').waitFor(PATIENCE);
    await page.getByLabel('Id, player').fill('berta');
    await row(page, 'anna').waitFor({ state: 'detached' });
    await page.getByLabel('Id, player').fill('');
    await page.getByLabel('State').selectOption('waiting');
    await row(page, 'berta').waitFor({ state: 'detached' });
    await page.getByLabel('State').selectOption('');

    await goTo(page, 'links');
    await row(page, 'berta · carl').or(row(page, 'carl · berta')).waitFor(PATIENCE);
    await goTo(page, 'matchmaking');
    await row(page, 'duel').waitFor(PATIENCE);
    await goTo(page, 'sockets');
    socket.close();
    await row(page, 'anna').waitFor({ state: 'detached', ...PATIENCE });
    expect(await row(page, two).count()).toBeGreaterThan(0);

    const requests = asked.filter((url) => url.includes('/v1/'));
    expect(requests).toEqual([`${world.service.url}/v1/events`]);
    expect(wrong).toEqual([]);
    await page.close();
  }, 120_000);

  test('one socket’s timeline goes on as things happen to it, and stays when it is closed', async () => {
    const { page, wrong } = await signedIn();
    const { id, socket } = await world.socket('duel', 'dora', {});
    await goTo(page, 'sockets');
    await row(page, id).getByRole('link', { name: id }).click();
    const events = () => page.locator('.timeline .what b:first-child').allTextContents();
    await page.locator('.timeline li').nth(2).waitFor(PATIENCE);
    expect(await events()).toEqual(['Opened', 'Call', 'Reply']);

    await page.getByRole('button', { name: 'Move …' }).click();
    expect(await confirm(page, 'Move')).toMatch(/^Done\. Moved from h\d+ to h\d+ with 1 client; still for /);
    await happened(page, 'Moved').waitFor(PATIENCE);
    await world.open('duel', 'emil', { peer: id });
    await happened(page, 'Linked').waitFor(PATIENCE);
    await page.screenshot({ path: `${artifacts}dashboard-socket.png` });
    socket.close();
    await happened(page, 'Closed').waitFor(PATIENCE);
    expect(wrong).toEqual([]);
    await page.close();
  }, 90_000);

  test('a tenant’s key sees its own and nothing else, and is offered no more than it may do', async () => {
    const { key } = await world.key('acme', ['sockets:read', 'mappings:read', 'dead-letters:read']);
    const id = await world.open('race', 'acmes-own', {}, 'acme');
    await world.open('duel', 'of-another');
    const { page, wrong } = await signedIn(key);
    expect(await page.locator('nav a .nav-label').allTextContents()).toEqual([
      ...['Overview', 'Sockets', 'Links', 'Matchmaking', 'Mappings', 'Calls', 'Dead letters'],
    ]);
    await goTo(page, 'sockets');
    await row(page, id).waitFor(PATIENCE);
    expect(await page.locator('.table-body [role=row]').count()).toBe(1);
    expect(await page.getByRole('button', { name: 'Move' }).count()).toBe(0);
    await goTo(page, 'hosts');
    await page.getByText('this key may not see it').waitFor(PATIENCE);
    expect(await page.content()).not.toContain('of-another');
    expect(wrong).toEqual([]);
    await page.close();
  }, 60_000);

  test('a revoked key ends it', async () => {
    const { id, key } = await world.key('default', ['sockets:read']);
    const { page } = await signedIn(key);
    await world.service.api('DELETE', `/v1/keys/${id}`);
    await page.getByLabel('API key or token').waitFor(PATIENCE);
    await page.close();
  }, 60_000);
});

describe('acting', () => {
  test('a room is moved by a button, to the host that was chosen', async () => {
    const { page, wrong } = await signedIn();
    const room = await world.join('lobby');
    await goTo(page, 'rooms');
    await row(page, room.roomId).getByRole('button', { name: 'Move' }).click();
    await dialog(page).getByText('its clients stay connected').waitFor(PATIENCE);
    const to = await dialog(page).getByLabel('To host').inputValue();
    await page.screenshot({ path: `${artifacts}dashboard-move.png` });
    expect(await violations(page)).toEqual([]);
    expect(await confirm(page, 'Move')).toContain(`to ${to} with 1 client`);
    expect((await world.service.room(room.roomId))?.host).toBe(to);
    await goTo(page, 'moves');
    await row(page, room.roomId).getByText('moved').waitFor(PATIENCE);
    expect(room.connection.isOpen).toBe(true);
    expect(wrong).toEqual([]);
    await page.close();
  }, 90_000);

  test('how far it is is said while it goes on, also when its dialog was closed', async () => {
    const { page } = await signedIn();
    const room = await world.join('lobby');
    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await page.route('**/v1/rooms/*/migrate', async (route) => {
      await held;
      await route.continue();
    });
    await goTo(page, 'rooms');
    await row(page, room.roomId).getByRole('button', { name: 'Move' }).click();
    await dialog(page).getByRole('button', { name: 'Move', exact: true }).click();
    await dialog(page).getByRole('status').getByText('waiting until it rests').waitFor(PATIENCE);
    await dialog(page).getByRole('button', { name: 'Close, and let it go on' }).click();
    const corner = page.getByRole('region', { name: 'Under way' });
    await corner.getByText('waiting until it rests').waitFor(PATIENCE);
    goOn();
    await corner.getByText(/Done\. Moved from h\d+ to h\d+ with \d clients?/).waitFor(PATIENCE);
    await page.close();
  }, 60_000);

  test('what cannot be done is said, with its code', async () => {
    const { page } = await signedIn();
    const room = await world.join('arena');
    await goTo(page, 'rooms');
    await row(page, room.roomId).getByRole('button', { name: 'Move' }).click();
    await room.leave();
    await page.route('**/v1/rooms/**', async (route) => {
      await route.continue({ url: `${world.service.url}/v1/rooms/not-there/migrate` });
    });
    expect(await confirm(page, 'Move')).toMatch(
      /^Failed\. There is no room not-there\..*BATON_ROOM_NOT_FOUND$/,
    );
    await page.close();
  }, 60_000);

  test('a host is drained, the service reloaded: the page goes on, and so do the clients', async () => {
    const { page, wrong } = await signedIn();
    const room = await world.join('lobby');
    await goTo(page, 'hosts');
    const name = (await page.locator('.host h2').first().textContent())!;
    await page.getByRole('button', { name: `Drain … ${name}` }).click();
    await dialog(page).getByText('nobody is disconnected').waitFor(PATIENCE);
    expect(await confirm(page, 'Drain')).toMatch(/^Done\. Moved \d+ in /);
    await page
      .locator('.host h2', { hasText: new RegExp(`^${name}$`) })
      .waitFor({ state: 'detached', ...PATIENCE });
    await page.locator('.host').nth(1).waitFor(PATIENCE);

    await page.getByRole('button', { name: 'Reload …' }).click();
    expect(await confirm(page, 'Reload')).toMatch(/^Done\. Generation 2 serves\. Moved \d+ in /);
    await page.locator('.host-foot', { hasText: 'generation 2' }).nth(1).waitFor(PATIENCE);
    await page.locator('.connection.live').waitFor(PATIENCE);
    expect(room.connection.isOpen).toBe(true);
    expect(wrong.filter((text) => !text.includes('ERR_'))).toEqual([]);
    await page.close();
  }, 180_000);

  test('a function that fails shows in calls and dead letters, and is called again by a button', async () => {
    const { page, wrong } = await signedIn();
    world.studio.answer('frida', 'close', status(500));
    const { id, socket } = await world.socket('duel', 'frida');
    await goTo(page, 'dead-letters');
    socket.close();
    await row(page, 'frida').waitFor(PATIENCE);
    await goTo(page, 'calls');
    await row(page, 'close').getByText('%').waitFor(PATIENCE);
    await goTo(page, 'dead-letters');
    await row(page, 'frida').getByRole('link').first().click();
    await page.getByText('it answered 500').waitFor(PATIENCE);
    await page.getByText('"reason"').waitFor(PATIENCE);
    await page.screenshot({ path: `${artifacts}dashboard-dead-letter.png` });
    await page.getByRole('button', { name: 'Replay …' }).click();
    expect(await confirm(page, 'Replay')).toContain('BATON_CALL_FAILED');
    world.studio.answer('frida', 'close', nothing);
    await page.getByRole('button', { name: 'Replay …' }).click();
    expect(await confirm(page, 'Replay')).toContain('Delivered');
    await page.getByText('It is off the list').first().waitFor(PATIENCE);
    expect((await world.studio.calls('frida', 3, 'close')).map(({ socketId }) => socketId)).toEqual([
      id,
      id,
      id,
    ]);
    expect(wrong.filter((text) => !/status of (502|404)/.test(text))).toEqual([]);
    await page.close();
  }, 90_000);
});

describe('for everybody', () => {
  test.each(['light', 'dark'])(
    'axe-core finds nothing wrong in any view, %s',
    async (theme) => {
      const context = await browser.newContext({
        colorScheme: theme as 'light' | 'dark',
        viewport: { width: 1360, height: 860 },
        bypassCSP: true, // axe is put into the page from outside
      });
      const [one] = await world.pair(`gerd-${theme}`, `hanna-${theme}`);
      const room = await world.join('arena');
      await world.service.moveAway(room.roomId);
      world.studio.answer(`inge-${theme}`, 'close', status(500));
      (await world.socket('duel', `inge-${theme}`)).socket.close();
      const { page, wrong } = await open(
        `${world.service.url}/dashboard/#token=${world.service.token}`,
        context,
      );
      await page.locator('.connection.live').waitFor(PATIENCE);
      const found: [string, string[]][] = [];
      for (const view of [...VIEWS.map(([id]) => id), `sockets/${one}`, 'mappings/duel', 'nothing']) {
        await goTo(page, view);
        await page.waitForFunction(() => document.querySelector('.skeleton') === null);
        found.push([view, await violations(page)]);
        await page.screenshot({ path: `${artifacts}dashboard-${theme}-${view.replace(/\/.*/, '-one')}.png` });
      }
      expect(found.filter(([, wrong]) => wrong.length > 0)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe(theme);
      await page.getByRole('button', { name: /theme$/ }).click();
      expect(await page.evaluate(() => document.documentElement.dataset['theme'])).not.toBe(theme);
      expect(wrong).toEqual([]);
      await context.close();
    },
    120_000,
  );

  test('the keyboard is enough', async () => {
    const { page } = await signedIn();
    for (let i = 0; i < 3; i++) await world.open('duel', `kim-${i}`);
    await goTo(page, 'sockets');
    await row(page, 'kim-2').waitFor(PATIENCE);
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('H1');
    await page.getByLabel('Id, player').fill('kim-');
    await row(page, 'gerd').first().waitFor({ state: 'detached' });
    await page.locator('.table-body [tabindex="0"]').first().focus();
    const player = () =>
      page.evaluate(() => document.activeElement?.closest('[role=row]')?.children[1]?.textContent);
    const first = await player();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const third = await player();
    expect([first, third].every((name) => name?.startsWith('kim-'))).toBe(true);
    expect(third).not.toBe(first);
    await page.keyboard.press('Home');
    expect(await player()).toBe(first);
    await page.keyboard.press('Enter');
    await page.locator('.timeline').waitFor(PATIENCE);
    // a button of a row opens its dialog, and has the focus again when that is closed
    await page.goBack();
    await page.getByLabel('Id, player').fill('kim-0');
    await page.getByText(/^1 of/).waitFor(PATIENCE);
    await page.locator('.table-body [tabindex="0"]').first().focus();
    const here = () => page.evaluate(() => document.activeElement?.textContent);
    await page.keyboard.press('Tab');
    expect(await here()).toMatch(/^Move …/);
    await page.keyboard.press('Enter');
    await dialog(page).waitFor(PATIENCE);
    expect(await page.evaluate(() => document.activeElement?.closest('dialog') !== null)).toBe(true);
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'detached' });
    expect(await here()).toMatch(/^Move …/);
    await page.close();
  }, 60_000);

  test('a table in which there is nothing to press can be read by keyboard, too', async () => {
    const { page } = await signedIn();
    const room = await world.join('lobby');
    for (let i = 0; i < 3; i++) await world.service.moveAway(room.roomId);
    await goTo(page, 'moves');
    await row(page, room.roomId).nth(2).waitFor(PATIENCE);
    const at = () =>
      page.evaluate(
        () => document.activeElement?.closest('.table-body [role=row]')?.ariaRowIndex ?? undefined,
      );
    for (let i = 0; i < 40 && (await at()) === undefined; i++) await page.keyboard.press('Tab');
    expect(await at()).toBe('2');
    await page.keyboard.press('ArrowDown');
    expect(await at()).toBe('3');
    await page.keyboard.press('End');
    await page.keyboard.press('Home');
    expect(await at()).toBe('2');
    expect(await violations(page)).toEqual([]);
    await page.close();
  }, 60_000);
});

describe('when the service is lost', () => {
  test('what is shown is said to be old, and comes back by itself', async () => {
    const network = await Network.start(world.service.port);
    const { page } = await open(`${network.url}/dashboard/#token=${world.service.token}`);
    await page.locator('.connection.live').waitFor(PATIENCE);
    await goTo(page, 'sockets');
    network.close();
    await page.getByText('The connection to the service is lost.').waitFor(PATIENCE);
    expect(await page.locator('main.stale').count()).toBe(1);
    await page.screenshot({ path: `${artifacts}dashboard-lost.png` });
    const id = await world.open('duel', 'while-it-was-away');
    network.close(false);
    await page.locator('.connection.live').waitFor({ timeout: 60_000 });
    await page.locator('.banner').waitFor({ state: 'detached', ...PATIENCE });
    await row(page, id).waitFor(PATIENCE);
    await page.close();
    network.stop();
  }, 120_000);
});

describe('5,000 sockets', () => {
  test('are a list of which only what can be seen is there', async () => {
    const service = await serve({ dashboard: dashboardPage(), watch: crowd(5_000) });
    const { page, wrong } = await open(`${service.url}/dashboard/#token=${token}`);
    await page.evaluate(() => {
      const slow: number[] = ((window as any).slow = []);
      new PerformanceObserver((list) =>
        slow.push(...list.getEntries().map(({ duration }) => duration)),
      ).observe({
        type: 'longtask',
      });
    });
    await page.locator('.connection.live').waitFor(PATIENCE);
    await goTo(page, 'sockets');
    await page.getByText('5,000 of 5,000').waitFor(PATIENCE);
    const rows = page.locator('.table-body [role=row]');
    expect(await rows.count()).toBeLessThan(60);
    expect(await page.locator('[role=table]').getAttribute('aria-rowcount')).toBe('5001');
    for (let i = 0; i < 40; i++) {
      await page.mouse.move(700, 500);
      await page.mouse.wheel(0, 3_000);
      await page.waitForTimeout(50);
    }
    await page.locator('.table-body [tabindex="0"]').first().focus();
    await page.keyboard.press('End');
    await page.locator('[aria-rowindex="5001"]').waitFor(PATIENCE);
    await page.getByLabel('Id, player').fill('player-4321');
    await page.getByText('1 of 5,000').waitFor(PATIENCE);
    expect(await rows.count()).toBe(1);
    await page.screenshot({ path: `${artifacts}dashboard-5000.png` });
    const slow: number[] = await page.evaluate(() => (window as any).slow);
    writeFileSync(`${artifacts}dashboard-5000.json`, JSON.stringify({ longTasksMs: slow.map(Math.round) }));
    expect(wrong).toEqual([]);
    await page.close();
    await closeAll();
  }, 120_000);
});
