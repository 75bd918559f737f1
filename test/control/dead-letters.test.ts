import { afterEach, expect, test } from '@jest/globals';
import { deadLetterNotFound } from '../../server/src/errors.ts';
import { as, closeAll, keyRing, serve } from './support.ts';

afterEach(closeAll);

test('dead letters are those of the key’s tenant, in pages, and can be replayed', async () => {
  const api = await serve({ keys: keyRing({ k: { tenant: 'acme' } }) });
  const send = (method: string, path: string) => api.send(method, path, { headers: as('k') });
  const first = await send('GET', '/v1/dead-letters?limit=2');
  expect(first.body.deadLetters).toEqual([{ number: 7 }, { number: 3 }]);
  await send('GET', `/v1/dead-letters?limit=2&after=${first.body.next}`);
  expect((await send('GET', '/v1/dead-letters/7')).body).toEqual({ number: 7 });
  expect((await send('POST', '/v1/dead-letters/7/replay')).status).toBe(204);
  expect(api.calls).toEqual([
    ['newest', 'acme', 2, undefined],
    ['newest', 'acme', 2, 3],
    ['get', 'acme', 7],
    ['replay', 'acme', 7],
  ]);
});

test('reading and replaying take a scope each; what is not there is 404', async () => {
  const get = async (_tenant: string, number: number) => {
    throw deadLetterNotFound({ number });
  };
  const keys = keyRing({ reads: { scopes: ['dead-letters:read'] } });
  const api = await serve({ keys, deadLetters: { get } });
  const headers = as('reads');
  expect((await api.send('POST', '/v1/dead-letters/7/replay', { headers })).status).toBe(403);
  const missing = await api.send('GET', '/v1/dead-letters/x', { headers });
  expect([missing.status, missing.body.code]).toEqual([404, 'BATON_DEAD_LETTER_NOT_FOUND']);
});
