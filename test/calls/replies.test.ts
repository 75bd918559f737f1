// What functions answer: actions, or data for the client; anything else is an error that says what is wrong.
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Answer, functionServer, json, raw, status } from './server.ts';

let server: Awaited<ReturnType<typeof functionServer>>;
afterEach(() => server.stop());

async function call(answer: Answer, change: object = { type: 'receive' }) {
  server = await functionServer(answer);
  return server.caller.call(server.endpoint, { ...server.event, ...change });
}

describe('an answer', () => {
  test.each<[string, Answer]>([
    ['204', status(204)],
    ['an empty body', raw('text/plain', '')],
    ['{}', json({})],
  ])('of %s says nothing', async (_what, answer) => {
    expect(await call(answer)).toEqual({ actions: {} });
  });

  test('of bytes or text is for the client as it is', async () => {
    const bytes = Buffer.of(0, 255, 10);
    const { message } = await call(raw('application/octet-stream', bytes));
    expect(message).toEqual({ data: bytes, text: false });
    await server.stop();
    const text = await call(raw('text/plain; charset=utf-8', 'Zoë'));
    expect(text.message).toEqual({ data: Buffer.from('Zoë'), text: true });
  });

  test('may be as long as its endpoint says', async () => {
    const bytes = Buffer.alloc(100_000);
    server = await functionServer(raw('application/octet-stream', bytes));
    const event = { ...server.event, type: 'receive' as const };
    const { message } = await server.caller.call({ ...server.endpoint, maxReply: 100_000 }, event);
    expect(message!.data).toHaveLength(100_000);
    const refused = server.caller.call({ ...server.endpoint, maxReply: 99_999 }, event);
    await expect(refused).rejects.toThrow('longer than 99999 bytes');
    await expect(server.caller.call(server.endpoint, event)).rejects.toThrow('longer than 65536 bytes');
  });

  test('links no more sockets than a link may have', async () => {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `s${i}`);
    await call(json({ peers: names(15) }));
    await server.stop();
    await call(json({ group: 'g', size: 16 }));
    await server.stop();
    await expect(call(json({ peers: names(16) }))).rejects.toThrow('peers');
    await server.stop();
    await expect(call(json({ group: 'g', size: 17 }))).rejects.toThrow('size');
  });

  test('of JSON has actions', async () => {
    const actions = {
      send: { hello: 1 },
      group: 'match-42',
      size: 4,
      alias: 'match-42:red',
      unlink: true,
      room: { name: 'arena', options: { map: 1 } },
      close: { code: 4100, reason: 'over' },
    };
    expect(await call(raw('application/json; charset=utf-8', JSON.stringify(actions)))).toEqual({ actions });
  });

  test('changes attributes one by one: the new value counts, null takes one away', async () => {
    const attributes = { a: 1, b: 2, c: { d: 3 } };
    const change = { type: 'receive', attributes };
    expect((await call(json({ attributes: { b: 4, c: null, e: 5 } }), change)).actions.attributes).toEqual({
      a: 1,
      b: 4,
      e: 5,
    });
    await server.stop();
    const none = await call(json({ attributes: { a: null, b: null, c: null } }), change);
    expect(none.actions.attributes).toEqual({});
  });
});

describe('an answer is refused', () => {
  test.each<[string, Answer, string]>([
    [
      'nested too deeply',
      raw('', `{"send":${'['.repeat(5_000)}${']'.repeat(5_000)}}`),
      'nested more than 200',
    ],
    ['with an unknown field', json({ pear: 'x' }), 'its answer is invalid: Unrecognized key: "pear"'],
    ['with reject, if it is none to an open call', json({ reject: { code: 4000, reason: '' } }), 'reject'],
    ['with two wishes', json({ peer: 'a', peers: ['b'] }), 'expected only one of peer, peers and group'],
    ['with a group of unknown size', json({ group: 'a' }), 'group and size belong together'],
    [
      'with a close code of Colyseus or the protocol',
      json({ close: { code: 1000, reason: '' } }),
      'close.code',
    ],
    ['with text that is none', raw('text/plain', Buffer.of(0xc3)), 'text that is not UTF-8'],
    ['of another type', raw('text/html', '<p>'), 'none of application/json, application/octet-stream and'],
    [
      'with attributes that fit no header',
      json({ attributes: { a: 'é'.repeat(700) } }),
      'longer than 4096 bytes',
    ],
  ])('%s', async (_what, answer, reason) => {
    await expect(call(answer)).rejects.toMatchObject({
      code: 'BATON_CALL_FAILED',
      message: expect.stringContaining(reason),
      details: { attempts: 1, callId: expect.any(String) },
    });
  });
});

test('an open call may be answered with reject', async () => {
  const reject = { code: 4003, reason: 'banned' };
  expect(await call(json({ reject }), {})).toEqual({ actions: { reject } });
});

test('a function of the service itself is called where it runs, whatever the guard says', async () => {
  server = await functionServer(json({ send: 1 }));
  expect(await server.open({ url: 'function:match' })).toEqual({ send: 1 });
  expect(server.asked[0]!.url).toBe('/default/match');
  expect(server.asked[0]!.headers['webhook-signature']).toBeDefined();
  await expect(server.open({ url: 'function:missing', retries: 1 })).rejects.toMatchObject({
    message: 'The open function of mapping duel failed: it does not run',
    details: { attempts: 2 },
  });
});
