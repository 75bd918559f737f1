import { LocalPresence } from '@colyseus/core';
import { afterEach, expect, test } from '@jest/globals';
import { AuditLog, type Operation } from '../../server/src/control/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { closeAll, serve } from '../control/support.ts';
import { codeIn, rowsOf } from './markdown.ts';

afterEach(closeAll);

const routes = rowsOf('docs/control-api.md', 'Routes').map(([method, path, scope, what]) => ({
  route: `${codeIn(method)} ${codeIn(path)}`,
  scope: codeIn(scope) ?? 'open',
  body: /body `(\{[^`]*\})`/.exec(what!)?.[1],
  query: /`(\?[^`]*=[^`]+)`/.exec(what!)?.[1] ?? '',
}));
const everything = () => serve({ audit: new AuditLog(new LocalPresence(), silentLog) });
const routeOf = ({ method, path }: Operation) => `${method} ${path}`;

test('the page lists the operations with their scopes, and no others', async () => {
  const { operations } = await everything();
  const documented = routes.map(({ route, scope }) => [route, scope]);
  const real = operations.map((operation) => [routeOf(operation), operation.scope]);
  expect(documented.sort()).toEqual(real.sort());
});

test('each answers as the page says: with its body, and with or without the token', async () => {
  const api = await everything();
  for (const { route, scope, body, query } of routes) {
    const [method, path] = route.split(' ') as [string, string];
    const sent = body?.replace('<0 … 3600000>', '0').replace(/<[^>]+>/, 'h1');
    const ask = (headers = {}) =>
      api.send(method, path.replace(/\{\w+\}/, 'some') + query.replace(/=$/, '=some'), {
        body: sent,
        headers,
      });
    const { status, body: answer } = await ask();
    expect([route, status < 300 ? 'done' : answer]).toEqual([route, 'done']);
    expect([route, (await ask({ authorization: '' })).status === 401]).toEqual([route, scope !== 'open']);
  }
});
