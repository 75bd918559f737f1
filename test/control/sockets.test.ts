import { afterEach, describe, expect, test } from '@jest/globals';
import { socketNotFound } from '../../server/src/errors.ts';
import { as, closeAll, keyRing, serve } from './support.ts';

afterEach(closeAll);

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

describe('operations on sockets', () => {
  test('reach the backend with the tenant of the key', async () => {
    const api = await serve({ keys: keyRing({ k: { tenant: 'acme' } }) });
    const send = (method: string, path: string, body?: unknown) =>
      api.send(method, path, { body, headers: as('k') });
    expect((await send('GET', '/v1/sockets/s1')).body).toEqual({ socketId: 's1' });
    expect((await send('DELETE', '/v1/sockets/s1')).status).toBe(204);
    expect((await send('DELETE', '/v1/sockets/s1?code=4003&reason=banned')).status).toBe(204);
    expect((await send('POST', '/v1/sockets/s1/link', { peer: 's2' })).body.status).toBe('linked');
    await send('POST', '/v1/sockets/s1/link', { group: 'match-1', size: 4 });
    expect((await send('POST', '/v1/sockets/s1/unlink')).body.status).toBe('open');
    const allocated = await send('POST', '/v1/sockets', { mapping: 'duel', playerId: 'anna' });
    expect([allocated.status, allocated.body.socketId]).toEqual([201, 's9']);
    expect(api.calls).toEqual([
      ['get', 'acme', 's1'],
      ['close', 'acme', 's1', {}],
      ['close', 'acme', 's1', { code: 4003, reason: 'banned' }],
      ['link', 'acme', 's1', { peer: 's2' }],
      ['link', 'acme', 's1', { group: 'match-1', size: 4 }],
      ['unlink', 'acme', 's1'],
      ['allocate', 'acme', { mapping: 'duel', playerId: 'anna' }],
    ]);
  });

  test.each([
    ['text/plain', 'hello ✓', true],
    ['text/plain; charset=utf-8', 'hello', true],
    ['application/json', '{"a": 1 }', true],
    ['application/octet-stream', new Uint8Array([0, 255, 10]), false],
  ])('a message of %s is sent as it came', async (type, body, text) => {
    const api = await serve();
    const { status } = await api.send('POST', '/v1/sockets/s1/send', {
      body,
      headers: { 'content-type': type },
    });
    expect(status).toBe(204);
    const [, tenant, id, message] = api.calls[0] as [
      string,
      string,
      string,
      { data: Uint8Array; text: boolean },
    ];
    expect([tenant, id, message.text]).toEqual(['default', 's1', text]);
    expect(Buffer.from(message.data)).toEqual(Buffer.from(body as string));
  });

  test.each<[string, object]>([
    ['a player whose name no header can have', { playerId: '\ud800' }],
    ['more attributes than a call has room for', { attributes: { a: 'x'.repeat(4 * 1024) } }],
  ])('%s gets no socket', async (_what, change) => {
    const api = await serve();
    const body = { mapping: 'duel', playerId: 'anna', ...change };
    const refused = await api.send('POST', '/v1/sockets', { body });
    expect([refused.status, refused.body.code]).toEqual([400, 'BATON_INVALID_REQUEST']);
    expect(api.calls).toEqual([]);
  });

  test.each<[string, string, string, unknown, string]>([
    ['a peer and a group at once', 'POST', '/link', { peer: 'a', group: 'b', size: 2 }, 'application/json'],
    ['no peer at all', 'POST', '/link', { alias: 'red', unlink: true }, 'application/json'],
    ['a close code that is not an app’s', 'DELETE', '?code=1000', undefined, 'application/json'],
    ['a reason past a close frame', 'DELETE', `?reason=${'é'.repeat(62)}`, undefined, 'application/json'],
    ['text that is not UTF-8', 'POST', '/send', new Uint8Array([0xff]), 'text/plain'],
    ['a body where none is taken', 'POST', '/unlink', {}, 'application/json'],
    ['JSON that goes down too far', 'POST', '/link', { peer: nested(1_000) }, 'application/json'],
  ])('%s is refused', async (_what, method, path, body, type) => {
    const api = await serve();
    const { status, body: answer } = await api.send(method, `/v1/sockets/s1${path}`, {
      body,
      headers: { 'content-type': type },
    });
    expect([status, answer.code]).toEqual([400, 'BATON_INVALID_REQUEST']);
    expect(api.calls).toEqual([]);
  });

  test('a message of another type, or past the limit, is refused', async () => {
    const api = await serve();
    const send = (body: Uint8Array, type: string) =>
      api.send('POST', '/v1/sockets/s1/send', { body, headers: { 'content-type': type } });
    expect((await send(new Uint8Array(3), 'image/png')).body.code).toBe('BATON_UNSUPPORTED_MEDIA_TYPE');
    const large = await send(new Uint8Array(256 * 1024 + 1), 'application/octet-stream');
    expect([large.status, large.body.code]).toEqual([413, 'BATON_BODY_TOO_LARGE']);
    expect((await send(new Uint8Array(256 * 1024), 'application/octet-stream')).status).toBe(204);
  });

  test('a socket that is not there is 404', async () => {
    const api = await serve({
      sockets: { get: async (_tenant, socketId) => Promise.reject(socketNotFound({ socketId })) },
    });
    const { status, body } = await api.send('GET', '/v1/sockets/nope');
    expect([status, body.code]).toEqual([404, 'BATON_SOCKET_NOT_FOUND']);
  });
});

describe('lists', () => {
  test('go on where the page before ended', async () => {
    const api = await serve();
    const { body } = await api.send('GET', '/v1/sockets?limit=1&mapping=duel');
    expect(body.sockets).toEqual([{ socketId: 's1' }]);
    await api.send('GET', `/v1/sockets?after=${body.next}`);
    expect(api.calls).toEqual([
      ['list', { tenant: 'default', mapping: 'duel', limit: 1 }],
      ['list', { tenant: 'default', after: 's1', limit: 100 }],
    ]);
  });

  test('come whole, once, in pages of any size', async () => {
    const rooms = ['c', 'a', 'e', 'b', 'd'].map((roomId) => ({ roomId }) as never);
    const api = await serve({ service: { rooms: async () => rooms } });
    for (const limit of [1, 2, 5, 6]) {
      const found: string[] = [];
      let pages = 0;
      for (let after = ''; ; pages++) {
        const { body } = await api.send('GET', `/v1/rooms?limit=${limit}${after}`);
        found.push(...body.rooms.map(({ roomId }: { roomId: string }) => roomId));
        if (body.next === undefined) break;
        after = `&after=${body.next}`;
      }
      expect([limit, found, pages + 1]).toEqual([limit, ['a', 'b', 'c', 'd', 'e'], Math.ceil(5 / limit)]);
    }
  });

  test.each(['limit=0', 'limit=1001', 'limit=x', 'limit=1&limit=2', 'after=*', 'after=', 'page=2'])(
    '?%s is refused',
    async (query) => {
      const { status, body } = await (await serve()).send('GET', `/v1/rooms?${query}`);
      expect([status, body.code]).toEqual([400, 'BATON_INVALID_REQUEST']);
    },
  );
});
