import { afterEach, expect, test } from '@jest/globals';
import { as, closeAll, keyRing, serve } from './support.ts';

afterEach(closeAll);

const javascript = { 'content-type': 'application/javascript' };
const code = 'export default { fetch() { return new Response("☃"); } };';

test('a bundle comes with the environment and the origins of its address', async () => {
  const api = await serve();
  const query =
    '?env=KEY=stats-key&env=OTHER=b&allowNet=https://a.example&allowNet=http://b.example:8080/&allowNet=https://c.example:443';
  const { status } = await api.send('PUT', `/v1/functions/duel${query}`, { body: code, headers: javascript });
  expect(status).toBe(200);
  const env = { KEY: 'stats-key', OTHER: 'b' };
  const allowNet = ['https://a.example', 'http://b.example:8080', 'https://c.example'];
  expect(api.calls).toEqual([['deploy', { tenant: 'default', name: 'duel', code, env, allowNet }]]);
});

test.each([
  ['an environment without a secret', '?env=KEY', code, javascript, 400, /env: expected KEY=secret/],
  ['a name no program can use', '?env=a-b=key', code, javascript, 400, /env: /],
  [
    'an origin with a path',
    '?allowNet=https://a.example/x',
    code,
    javascript,
    400,
    /allowNet: .*host and port only/,
  ],
  [
    'an origin with a password',
    '?allowNet=https://u:p@a.example',
    code,
    javascript,
    400,
    /host and port only/,
  ],
  ['an origin of another kind', '?allowNet=file:///etc', code, javascript, 400, /allowNet/],
  ['a body that is no text', '', new Uint8Array([0xff, 0xfe]), javascript, 400, /not UTF-8/],
  ['a body of another type', '', code, { 'content-type': 'text/html' }, 415, /application\/javascript/],
  ['a bundle that is too large', '', 'x'.repeat(1024 * 1024 + 1), javascript, 413, /limit/],
] as const)('%s is refused', async (_what, query, body, headers, status, detail) => {
  const api = await serve();
  const answer = await api.send('PUT', `/v1/functions/duel${query}`, { body, headers });
  expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(detail)]);
  expect(api.calls).toEqual([]);
});

test('a key without the scope neither deploys nor reads', async () => {
  const keys = keyRing({ reader: { scopes: ['functions:read'] }, stranger: { scopes: ['sockets:read'] } });
  const api = await serve({ keys });
  const put = (key: string, path: string, type: string) =>
    api.send('PUT', path, { body: 'x', headers: { ...as(key), 'content-type': type } });
  expect((await put('reader', '/v1/functions/duel', 'application/javascript')).status).toBe(403);
  expect((await put('reader', '/v1/secrets/key', 'text/plain')).status).toBe(403);
  expect((await api.send('GET', '/v1/functions/duel/logs', { headers: as('reader') })).status).toBe(200);
  expect((await api.send('GET', '/v1/functions', { headers: as('stranger') })).status).toBe(403);
});

test('a secret is its body, and is in no log line', async () => {
  const api = await serve();
  const text = { 'content-type': 'text/plain' };
  expect((await api.send('PUT', '/v1/secrets/key', { body: 'swordfish', headers: text })).status).toBe(200);
  expect(api.calls).toEqual([['setSecret', { tenant: 'default', name: 'key', value: 'swordfish' }]]);
  expect(api.logged).not.toContain('swordfish');
});
