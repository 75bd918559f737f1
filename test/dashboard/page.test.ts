// How the page and the stream of events are served.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EventSink } from '../../server/src/control/index.ts';
import { dashboardPage } from '../../server/src/dashboard/index.ts';
import { closeAll, serve, token } from '../control/support.ts';
import { until } from '../support/service.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'baton-page-'));
});
afterEach(async () => {
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

function built(): void {
  mkdirSync(path.join(folder, 'assets'));
  writeFileSync(path.join(folder, 'index.html'), '<title>Baton</title>');
  writeFileSync(path.join(folder, 'assets', 'index-abc123.js'), 'go()');
  writeFileSync(path.join(folder, 'LICENSES.md'), '');
}

describe('the page', () => {
  test('is one document and files that never change, and nobody else may use it', async () => {
    built();
    const { url } = await serve({ dashboard: dashboardPage(folder) });
    const get = (at: string) => fetch(url + at, { redirect: 'manual' });
    const page = await get('/dashboard/');
    expect(await page.text()).toBe('<title>Baton</title>');
    expect(Object.fromEntries(page.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'content-security-policy': expect.stringMatching(
        /^default-src 'none'; script-src 'self'; style-src 'self'; .*frame-ancestors 'none'$/,
      ),
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(page.headers.get('content-security-policy')).not.toMatch(/unsafe|\*|https?:/);
    const script = await get('/dashboard/assets/index-abc123.js');
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(script.headers.get('content-security-policy')).toBeTruthy();
    const moved = await get('/dashboard');
    expect([moved.status, moved.headers.get('location')]).toEqual([308, '/dashboard/']);
  });

  test('is all there is below its path', async () => {
    built();
    const { url } = await serve({ dashboard: dashboardPage(folder) });
    for (const at of [
      'x',
      'assets/',
      'assets/none.js',
      'LICENSES.md',
      'assets/..%2fLICENSES.md',
      '..%2f..%2fetc',
    ])
      expect([at, (await fetch(`${url}/dashboard/${at}`)).status]).toEqual([at, 404]);
    expect(await (await fetch(`${url}/dashboards`)).text()).toBe('the app');
  });

  test('says how to build it where it is not', async () => {
    const { url } = await serve({ dashboard: dashboardPage(folder) });
    const missing = await fetch(`${url}/dashboard/`);
    expect([missing.status, await missing.text()]).toEqual([
      503,
      expect.stringContaining('npm run dashboard'),
    ]);
  });
});

test('what a viewer does not read is not kept for it', async () => {
  let stream: EventSink | undefined;
  const { url } = await serve({
    watch: {
      look: async () => ({}) as never,
      async watch(_principal, out) {
        stream = out();
        await stream.closed;
      },
    },
  });
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    `GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\naccept: text/event-stream\r\n\r\n`,
  );
  socket.pause();
  await until(() => stream !== undefined, 'the stream');
  const data = JSON.stringify('x'.repeat(100_000));
  let sent = 0;
  // the kernel takes some, for both ends
  while (stream!.ready && sent < 1_000) {
    stream!.send('change', data);
    sent++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(sent).toBeLessThan(1_000);
  socket.resume();
  await until(() => stream!.ready, 'it to be read');
  socket.destroy();
  await stream!.closed;
  expect(stream!.ready).toBe(false);
}, 30_000);
