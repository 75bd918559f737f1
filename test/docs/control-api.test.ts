import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import express from 'express';
import { type ControlBackend, createControl, operationsOf } from '../../server/src/control/index.ts';
import { codeIn, rowsOf } from './markdown.ts';

const token = 'a-token-of-some-length';
const backend = {
  hosts: async () => [],
  rooms: async () => [],
  migrate: async () => ({}),
  drain: async () => ({}),
  reload: async () => ({}),
} as unknown as ControlBackend;

const routes = rowsOf('docs/control-api.md', 'Routes').map(([method, path, needsToken, what]) => ({
  method: codeIn(method)!,
  path: codeIn(path)!,
  needsToken: needsToken === 'yes',
  body: /body `(\{[^`]*\})`/.exec(what!)?.[1],
}));
let server: http.Server;

beforeAll(async () => {
  server = http.createServer(
    express().use(createControl({ operations: operationsOf({ service: backend }), token })),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

function ask(method: string, path: string, init: { body?: string; token?: boolean } = {}): Promise<Response> {
  const { port } = server.address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}${path.replace('{id}', 'some')}`, {
    method,
    headers: {
      connection: 'close',
      ...(init.token ? { authorization: `Bearer ${token}` } : {}),
      ...(init.body ? { 'content-type': 'application/json' } : {}),
    },
    body: init.body,
  });
}

const registered = operationsOf({ service: backend }).map(({ method, path }) => `${method} ${path}`);

test('the page lists the routes of the API, and no others', () => {
  const documented = routes.map(({ method, path }) => `${method} ${path}`);
  expect(registered.length).toBeGreaterThan(4);
  expect(documented.filter((route) => route.includes(' /v1/')).sort()).toEqual(registered.sort());
  expect(documented.filter((route) => !route.includes(' /v1/'))).toEqual(['GET /healthz', 'GET /readyz']);
});

test('each answers as the page says: with its body, and with or without the token', async () => {
  for (const { method, path, needsToken, body } of routes) {
    const sent = body?.replace('<host>', 'h1').replace('<0 … 3600000>', '0');
    expect([path, (await ask(method, path, { body: sent, token: needsToken })).status]).toEqual([path, 200]);
    if (needsToken) expect([path, (await ask(method, path, { body: sent })).status]).toEqual([path, 401]);
  }
});
