// The site that `npm run docs` makes of docs/.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { fileOf, groups, OUTSIDE } from '../../docs/.vitepress/pages.ts';
import { openBrowser } from '../browser/example.ts';
import { blocksOf, pages, read, root } from './markdown.ts';

const axe = readFileSync(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8');
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.txt': 'text/plain; charset=utf-8',
  '.gif': 'image/gif',
  '.png': 'image/png',
};
const listed = groups.flatMap((group) => group.pages);
const addressOf = (page: string) => `/${OUTSIDE[page] ?? (page === 'index' ? '' : page)}`;

let site: string;
let server: Server;
let url: string;
let browser: Browser;

beforeAll(async () => {
  site = mkdtempSync(join(tmpdir(), 'baton-site-'));
  browser = await openBrowser();
  const build = ['node_modules/vitepress/bin/vitepress.js', 'build', 'docs'];
  await promisify(execFile)(process.execPath, build, {
    cwd: root,
    env: { ...process.env, BATON_DOCS_OUT: site },
  });
  server = createServer(({ url: asked = '/' }, response) => {
    const path = new URL(asked, 'http://site').pathname.replace(/\/$/, '/index');
    const file = extname(path) === '' ? `${path}.html` : path;
    try {
      const body = readFileSync(join(site, file));
      response
        .writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' })
        .end(body);
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}, 180_000);

afterAll(async () => {
  await browser?.close();
  server?.close();
  rmSync(site, { recursive: true, force: true });
});

test('every page of docs/ has its place in the list, once', () => {
  const files = pages().filter((page) => page.startsWith('docs/'));
  expect(listed.map(fileOf).sort()).toEqual([...files, ...Object.keys(OUTSIDE)].sort());
});

test('every link and every anchor of the site leads somewhere', () => {
  const files = readdirSync(site).filter((name) => name.endsWith('.html'));
  const html = new Map(files.map((name) => [`/${name}`, readFileSync(join(site, name), 'utf8')]));
  expect(html.size).toBeGreaterThan(listed.length);
  const dead: string[] = [];
  let followed = 0;
  for (const [file, text] of html) {
    for (const [, href] of text.matchAll(/<(?:a|link|img|script)[^>]* (?:href|src)="([^"]+)"/g)) {
      if (/^(?:https?|data|mailto):/.test(href!)) continue;
      followed++;
      const { pathname, hash } = new URL(href!, `http://site${file}`);
      const target = pathname.replace(/\/$/, '/index.html');
      const there = html.get(target) ?? html.get(`${target}.html`);
      if (there === undefined) {
        if (!existsSync(join(site, target))) dead.push(`${file}: ${href}`);
      } else if (hash !== '' && !there.includes(`id="${decodeURIComponent(hash.slice(1))}"`))
        dead.push(`${file}: ${href}`);
    }
  }
  expect(followed).toBeGreaterThan(1_000);
  expect(dead).toEqual([]);
});

/** Errors of the page, and what it asks others for. */
function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on('pageerror', (error) => found.push(`${page.url()}: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) found.push(`${page.url()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url)) found.push(request.url());
  });
  return found;
}

/** Follows the list of pages, as a reader does, and waits for the page's drawings. */
async function open(page: Page, name: string): Promise<void> {
  await page
    .locator(`.VPSidebar a[href="${addressOf(name)}.html"], .VPSidebar a[href="${addressOf(name)}"]`)
    .click();
  const [, title] = /^# (.+)$/m.exec(read(fileOf(name)))!;
  await page.locator('h1', { hasText: title! }).waitFor();
  const count = blocksOf(fileOf(name)).filter(({ info }) => info === 'mermaid').length;
  await page.waitForFunction((n) => document.querySelectorAll('.diagram svg').length === n, count);
}

async function violationsOn(page: Page): Promise<unknown> {
  return page.evaluate(async () => {
    const { violations } = await (globalThis as any).axe.run({ resultTypes: ['violations'] });
    return violations.map(({ id, nodes }: any) => [id, nodes.map(({ html }: any) => html)]);
  });
}

test('every page opens without a complaint, asks no other server, and has its drawings', async () => {
  const page = await browser.newPage();
  const wrong = complaints(page);
  await page.goto(url);
  for (const name of listed) await open(page, name);
  expect(wrong).toEqual([]);
}, 120_000);

test.each(['light', 'dark'] as const)(
  'pages are accessible in the %s theme',
  async (colorScheme) => {
    const page = await browser.newPage({ colorScheme });
    await page.goto(url);
    await page.evaluate(axe);
    for (const name of ['index', 'tutorial', 'migration', 'metrics']) {
      await open(page, name);
      expect([name, await violationsOn(page)]).toEqual([name, []]);
    }
    expect(await page.evaluate(() => document.documentElement.classList.contains('dark'))).toBe(
      colorScheme === 'dark',
    );
  },
  120_000,
);

test('the search finds an error by its code, without a server', async () => {
  const page = await browser.newPage();
  const wrong = complaints(page);
  await page.goto(url);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByPlaceholder('Search').fill('BATON_FOLDER_IN_USE');
  await page.locator('#localsearch-list li:first-child a', { hasText: 'Errors' }).click();
  await page.locator('h1', { hasText: 'Errors' }).waitFor();
  expect(wrong).toEqual([]);
}, 60_000);
