import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { closeAll, serve, token } from '../control/support.ts';
import { openBrowser } from './example.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
}, 60_000);
afterEach(closeAll);
afterAll(() => browser?.close());

test('/v1/docs/ shows the operations and tries them, and asks no other server for anything', async () => {
  const api = await serve();
  const page = await browser.newPage();
  const wrong: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(`${api.url}/v1/docs`);
  await page.locator('.opblock-summary').first().waitFor();
  expect(await page.locator('.opblock-summary').count()).toBe(api.operations.length);
  expect(await page.locator('.opblock-summary-path').allInnerTexts()).toEqual(
    expect.arrayContaining([expect.stringContaining('/hosts')]),
  );

  await page
    .getByRole('button', { name: /authorize/i })
    .first()
    .click();
  await page.locator('.auth-container input').fill(token);
  await page.locator('.auth-btn-wrapper button[type=submit]').click();
  await page.locator('.auth-btn-wrapper .btn-done').click();
  await page.locator('#operations-hosts-listHosts').getByRole('button').first().click();
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.locator('.live-responses-table .response-col_status', { hasText: '200' }).first().waitFor();
  expect(api.calls).toEqual([['hosts']]);

  expect(asked.filter((url) => !url.startsWith(api.url) && !url.startsWith('data:'))).toEqual([]);
  expect(wrong).toEqual([]);
}, 120_000);
