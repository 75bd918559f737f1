import { afterEach, describe, expect, test } from '@jest/globals';
import { roomNotFound } from '../../server/src/errors.ts';
import { closeAll, serve, token } from './support.ts';

afterEach(closeAll);

describe('requests', () => {
  test('reach the backend', async () => {
    const api = await serve();
    expect((await api.send('GET', '/v1/hosts')).body).toEqual({ hosts: [{ id: 'h1' }] });
    expect((await api.send('GET', '/v1/rooms')).body).toEqual({ rooms: [{ roomId: 'a' }] });
    expect((await api.send('POST', '/v1/rooms/a%2Fb/migrate', { body: { to: 'h2' } })).body).toEqual({
      roomId: 'a',
    });
    expect((await api.send('POST', '/v1/hosts/h1/drain')).body).toEqual({ host: 'h1' });
    expect((await api.send('POST', '/v1/hosts/h1/drain', { body: { deadlineMs: 500 } })).status).toBe(200);
    expect((await api.send('POST', '/v1/reload')).body).toEqual({ generation: 2 });
    expect((await api.send('POST', '/v1/reload', { body: { keepImmovable: true } })).status).toBe(200);
    expect(api.calls).toEqual([
      ['hosts'],
      ['rooms'],
      ['migrate', 'a/b', 'h2'],
      ['drain', 'h1', undefined],
      ['drain', 'h1', 500],
      ['reload', {}],
      ['reload', { keepImmovable: true }],
    ]);
  });

  test('for other paths go on to the app', async () => {
    expect((await (await serve()).send('GET', '/game')).body).toBe('the app');
  });

  test('get answers that no cache keeps and no page of another origin may read', async () => {
    const { headers } = await (await serve()).send('GET', '/v1/hosts', {
      headers: { origin: 'http://example.org' },
    });
    expect(headers.get('cache-control')).toBe('no-store');
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('the token', () => {
  test.each([
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer wrong' }],
    ['one with more after it', { authorization: `Bearer ${token}x` }],
    ['another scheme', { authorization: `Basic ${token}` }],
    ['an overlong one', { authorization: `Bearer ${'x'.repeat(4000)}` }],
  ])('%s: 401', async (_what, headers) => {
    const api = await serve();
    for (const [method, path] of [
      ['GET', '/v1/hosts'],
      ['POST', '/v1/reload'],
      ['GET', '/v1/nothing'],
    ] as const) {
      const {
        status,
        body,
        headers: answered,
      } = await api.send(method, path, { headers: { authorization: '', ...headers } });
      expect([status, body.code]).toEqual([401, 'BATON_UNAUTHORIZED']);
      expect(answered.get('www-authenticate')).toBe('Bearer realm="baton"');
    }
    expect(api.calls).toEqual([]);
  });

  test('is not needed for probes', async () => {
    const api = await serve({ unready: () => undefined });
    for (const path of ['/healthz', '/readyz']) {
      const { status, body } = await api.send('GET', path, { headers: { authorization: '' } });
      expect([status, body]).toEqual([200, { status: 'ok' }]);
    }
  });
});

describe('probes', () => {
  test('/readyz tells why a host is not ready, /healthz only that it lives', async () => {
    const api = await serve({ unready: () => 'the store is away' });
    expect(await api.send('GET', '/readyz')).toMatchObject({
      status: 503,
      body: { code: 'BATON_NOT_READY', details: { reason: 'the store is away' } },
    });
    expect((await api.send('GET', '/healthz')).status).toBe(200);
    expect((await api.send('POST', '/healthz')).status).toBe(405);
  });
});

describe('problem details (RFC 9457)', () => {
  test('have the code and the particulars of the error', async () => {
    const api = await serve({
      service: {
        migrate: async (roomId) => {
          throw roomNotFound({ roomId });
        },
      },
    });
    const { status, headers, body } = await api.send('POST', '/v1/rooms/nope/migrate', {
      body: { to: 'h1' },
    });
    expect(status).toBe(404);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(body).toEqual({
      type: 'urn:baton:error:BATON_ROOM_NOT_FOUND',
      title: 'Room not found',
      status: 404,
      detail: 'There is no room nope.',
      code: 'BATON_ROOM_NOT_FOUND',
      details: { roomId: 'nope' },
    });
  });

  test('tell nothing of an unexpected error; the log does', async () => {
    const api = await serve({
      service: {
        hosts: () => {
          throw new Error('the inner secret');
        },
      },
    });
    const { status, body } = await api.send('GET', '/v1/hosts');
    expect([status, body.code]).toEqual([500, 'BATON_INTERNAL']);
    expect(JSON.stringify(body)).not.toMatch(/inner secret|\.ts/);
    expect(api.logged).toContain('the inner secret');
  });

  test.each<[string, string, string, object, number, string]>([
    ['an unknown path', 'GET', '/v1/nothing', {}, 404, 'BATON_NOT_FOUND'],
    ['another method', 'DELETE', '/v1/hosts', {}, 405, 'BATON_METHOD_NOT_ALLOWED'],
    ['GET where POST is meant', 'GET', '/v1/reload', {}, 405, 'BATON_METHOD_NOT_ALLOWED'],
    ['no body', 'POST', '/v1/rooms/a/migrate', {}, 400, 'BATON_INVALID_REQUEST'],
    [
      'a field of another type',
      'POST',
      '/v1/rooms/a/migrate',
      { body: { to: 7 } },
      400,
      'BATON_INVALID_REQUEST',
    ],
    ['an empty field', 'POST', '/v1/rooms/a/migrate', { body: { to: '' } }, 400, 'BATON_INVALID_REQUEST'],
    [
      'an unknown field',
      'POST',
      '/v1/rooms/a/migrate',
      { body: { to: 'h1', force: true } },
      400,
      'BATON_INVALID_REQUEST',
    ],
    ['an array', 'POST', '/v1/rooms/a/migrate', { body: [] }, 400, 'BATON_INVALID_REQUEST'],
    [
      'a negative deadline',
      'POST',
      '/v1/hosts/h1/drain',
      { body: { deadlineMs: -1 } },
      400,
      'BATON_INVALID_REQUEST',
    ],
    [
      'a deadline past an hour',
      'POST',
      '/v1/hosts/h1/drain',
      { body: { deadlineMs: 1e9 } },
      400,
      'BATON_INVALID_REQUEST',
    ],
    [
      'an overlong id',
      'POST',
      `/v1/rooms/${'x'.repeat(200)}/migrate`,
      { body: { to: 'h1' } },
      400,
      'BATON_INVALID_REQUEST',
    ],
    [
      'a path that is not UTF-8',
      'POST',
      '/v1/rooms/%FF/migrate',
      { body: { to: 'h1' } },
      400,
      'BATON_INVALID_REQUEST',
    ],
    ['broken JSON', 'POST', '/v1/rooms/a/migrate', { body: '{"to":' }, 400, 'BATON_INVALID_REQUEST'],
    [
      'another content type',
      'POST',
      '/v1/rooms/a/migrate',
      { body: 'to=h1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'BATON_UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'a body past the limit',
      'POST',
      '/v1/rooms/a/migrate',
      { body: { to: 'x'.repeat(70_000) } },
      413,
      'BATON_BODY_TOO_LARGE',
    ],
  ])('for %s', async (_what, method, path, init, status, code) => {
    const api = await serve();
    const answer = await api.send(method, path, init);
    expect([answer.status, answer.body.code, answer.body.status]).toEqual([status, code, status]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    if (status === 405) expect(answer.headers.get('allow')).toMatch(/^(GET, HEAD|POST)$/);
    expect(api.calls).toEqual([]);
  });
});
