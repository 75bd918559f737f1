// How a call reaches its endpoint: what is repeated and what never is, circuits, and how many are made at a time.
import { createServer } from 'node:net';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Verifier } from '../../matchmaker-functions/src/signature.ts';
import { Circuits } from '../../server/src/calls/circuits.ts';
import { Turns } from '../../server/src/calls/turns.ts';
import { type Answer, functionServer, json, secret, status } from './server.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function server(...answers: Answer[]) {
  const made = await functionServer(...answers);
  ends.push(made.stop);
  return made;
}
const failed = (reason: string, attempts: number) => ({
  code: 'BATON_CALL_FAILED',
  message: `The open function of mapping duel failed: ${reason}`,
  details: { attempts },
});
const silence: Answer = () => {};
const cut: Answer = (response) => {
  response.writeHead(200, { 'content-length': '100' });
  response.write('{', () => response.destroy());
};

describe('a call is repeated', () => {
  test.each([500, 502, 503, 429])(
    'after %i, with the same ids and body, under a later time',
    async (code) => {
      const { asked, open } = await server(status(code), status(code), json({ peer: 'x' }));
      expect(await open()).toEqual({ peer: 'x' });
      expect(asked).toHaveLength(3);
      for (const name of ['webhook-id', 'ce-id', 'ce-time', 'ce-subject'])
        expect(new Set(asked.map(({ headers }) => headers[name])).size).toBe(1);
      expect(new Set(asked.map(({ body }) => body.toString()))).toEqual(new Set(['{}']));
      const verifier = new Verifier([secret]);
      for (const { headers, body } of asked) verifier.check((name) => headers[name] as string, body);
    },
  );

  test('after pauses that may be twice as long each time, at random', async () => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(0.999);
    ends.push(() => random.mockRestore());
    const times: number[] = [];
    const { open } = await server((response) => {
      times.push(performance.now());
      status(503)(response);
    });
    await expect(open({ retries: 3 })).rejects.toMatchObject(failed('it answered 503', 4));
    const pauses = times.slice(1).map((time, i) => time - times[i]!);
    expect(pauses.map((pause, i) => pause >= 95 * 2 ** i)).toEqual([true, true, true]);
  });

  test('when nobody listened, until somebody does', async () => {
    const { endpoint, open, hangUp } = await server(json({}));
    await hangUp();
    const { port } = new URL(endpoint.url);
    const opened = open({ retries: 5 });
    const late = createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'));
    });
    ends.push(() => late.close());
    late.listen(Number(port), '127.0.0.1');
    expect(await opened).toEqual({});
  });

  test.each([
    [0, 1],
    [2, 3],
  ])('as often as the endpoint says: %i', async (retries, attempts) => {
    const { asked, open } = await server(status(500));
    await expect(open({ retries })).rejects.toMatchObject(failed('it answered 500', attempts));
    expect(asked).toHaveLength(attempts);
  });

  test('when the endpoint wants it, and not when that is after the call’s time', async () => {
    const soon = await server(status(429, { 'retry-after': '0' }), json({}));
    expect(await soon.open()).toEqual({});
    const dated = await server(status(503, { 'retry-after': new Date(0).toUTCString() }), json({}));
    expect(await dated.open()).toEqual({});
    const unreadable = await server(status(503, { 'retry-after': 'soon' }), json({}));
    expect(await unreadable.open()).toEqual({});
    for (const later of ['60', new Date(Date.now() + 3_600_000).toUTCString()]) {
      const { asked, open } = await server(status(429, { 'retry-after': later }), json({}));
      await expect(open()).rejects.toMatchObject(failed('it answered 429', 1));
      expect(asked).toHaveLength(1);
    }
  });

  test('also when it was sent and not answered, if the endpoint allows that', async () => {
    const slow = await server(silence, json({ send: 1 }));
    expect(await slow.open({ timeout: 3_000, retryTimeouts: true })).toEqual({ send: 1 });
    expect(slow.asked).toHaveLength(2);
    const gone = await server((response) => response.destroy(), json({ send: 2 }));
    expect(await gone.open({ retryTimeouts: true })).toEqual({ send: 2 });
  });
});

describe('a call is not repeated', () => {
  test.each<[string, Answer, string]>([
    ['an answer that is invalid', json({ peer: 42 }), 'its answer is invalid: peer: '],
    ['an answer that breaks off', cut, 'it cannot be reached'],
    ['400', status(400), 'it answered 400'],
    ['401', status(401), 'it answered 401'],
    ['a redirect', status(307, { location: '/' }), 'it answered 307'],
  ])('after %s, whatever the endpoint allows', async (_what, answer, reason) => {
    const { asked, open } = await server(answer);
    await expect(open({ retryTimeouts: true })).rejects.toThrow(reason);
    expect(asked).toHaveLength(1);
  });

  test('when it was sent and not answered', async () => {
    const slow = await server(silence);
    await expect(slow.open({ timeout: 300 })).rejects.toMatchObject(failed('no answer within 300 ms', 1));
    expect(slow.asked).toHaveLength(1);
    const gone = await server((response) => response.destroy());
    await expect(gone.open()).rejects.toMatchObject(failed('it cannot be reached', 1));
    expect(gone.asked).toHaveLength(1);
  });
});

describe('the circuit of an endpoint', () => {
  test('opens after ten failures in a row; calls fail at once, those to other endpoints do not', async () => {
    const { asked, endpoint, open } = await server(status(500));
    for (let i = 0; i < 10; i++) await expect(open({ retries: 0 })).rejects.toThrow('it answered 500');
    for (let i = 0; i < 5; i++) await expect(open()).rejects.toMatchObject(failed('its circuit is open', 0));
    expect(asked).toHaveLength(10);
    await expect(open({ url: `${endpoint.url}other`, retries: 0 })).rejects.toThrow('it answered 500');
  });

  test('counts attempts, and what the function says about a call is no failure of it', async () => {
    const { asked, open } = await server(...Array(9).fill(status(500)), status(400), status(500));
    for (let i = 0; i < 3; i++) await expect(open()).rejects.toThrow('it answered 500');
    await expect(open()).rejects.toThrow('it answered 400');
    for (let i = 0; i < 3; i++) await expect(open()).rejects.toThrow('it answered 500');
    await expect(open()).rejects.toMatchObject(failed('it answered 500', 1));
    await expect(open()).rejects.toThrow('its circuit is open');
    expect(asked).toHaveLength(20);
  });

  test('lets one call through every five seconds, and closes when that one succeeds', () => {
    const circuits = new Circuits();
    for (let i = 0; i < 10; i++) circuits.failed('t', 'a', 1_000);
    expect([circuits.isOpen('t', 'a', 5_999), circuits.enter('t', 'a', 5_999)]).toEqual([true, false]);
    expect([circuits.isOpen('t', 'a', 6_000), circuits.enter('t', 'a', 6_000)]).toEqual([false, true]);
    expect(circuits.enter('t', 'a', 6_001)).toBe(false);
    circuits.failed('t', 'a', 6_002);
    expect([circuits.enter('t', 'a', 11_001), circuits.enter('t', 'a', 11_002)]).toEqual([false, true]);
    circuits.succeeded('t', 'a');
    expect(circuits.enter('t', 'a', 11_003)).toBe(true);
    for (let i = 0; i < 9; i++) circuits.failed('t', 'a', 11_003);
    expect(circuits.isOpen('t', 'a', 11_003)).toBe(false);
  });

  test('is forgotten when too many others fail', () => {
    const circuits = new Circuits();
    for (let i = 0; i < 10; i++) circuits.failed('t', 'first', 0);
    for (let i = 0; i < 999; i++) circuits.failed('t', `other ${i}`, 0);
    expect(circuits.isOpen('t', 'first', 1)).toBe(true);
    circuits.failed('t', 'one more', 0);
    expect(circuits.isOpen('t', 'first', 1)).toBe(false);
  });
});

describe('at a time', () => {
  test('256 calls are made, the others in their order', async () => {
    const release: (() => void)[] = [];
    const { asked, open } = await server((response) => release.push(() => json({})(response)));
    const opened = Array.from({ length: 300 }, () => open());
    while (asked.length < 256) await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toHaveLength(256);
    while (asked.length < 300 || release.length > 0) {
      for (const answer of release.splice(0)) answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await Promise.all(opened)).toHaveLength(300);
  });

  test('as many of a tenant wait as its quota says, and more are turned away', async () => {
    const turns = new Turns();
    expect(turns.take('a', 1_000, 1, 1)).toBe('taken');
    const second = turns.take('a', 1_000, 1, 1);
    expect(turns.take('a', 1_000, 1, 1)).toBe('full');
    expect(turns.take('b', 1_000, 1, 0)).toBe('taken');
    turns.give('a');
    expect(await second).toBe('taken');
  });

  test('10,000 of a tenant wait, no more; one whose time is over does not, and its turn goes to the next', async () => {
    const turns = new Turns();
    for (let i = 0; i < 256; i++) expect(turns.take('a', 60_000)).toBe('taken');
    const order: number[] = [];
    const late = turns.take('a', 1);
    const waiting = Array.from({ length: 9_999 }, async (_, i) => {
      expect(await turns.take('a', 60_000)).toBe('taken');
      order.push(i);
    });
    expect(turns.take('a', 60_000)).toBe('full');
    expect(await late).toBe('late');
    for (let i = 0; i < 9_999; i++) turns.give('a');
    await Promise.all(waiting);
    expect(order).toEqual(Array.from({ length: 9_999 }, (_, i) => i));
  });

  test('each tenant has its own; when all are taken, tenants are served one after the other', async () => {
    const turns = new Turns();
    const order: string[] = [];
    const wait = (tenant: string, most?: number) => {
      const turn = turns.take(tenant, 60_000, most);
      if (typeof turn === 'string') order.push(turn);
      else void turn.then(() => order.push(tenant));
    };
    for (const tenant of ['a', 'b', 'c', 'd']) for (let i = 0; i < 256; i++) wait(tenant);
    expect(order.splice(0)).toEqual(Array(1_024).fill('taken'));
    for (const tenant of ['a', 'a', 'a', 'e', 'e', 'f']) wait(tenant);
    for (let i = 0; i < 2; i++) turns.give('b');
    for (let i = 0; i < 4; i++) turns.give('a');
    await Promise.resolve();
    expect(order.splice(0)).toEqual(['e', 'f', 'e', 'a', 'a', 'a']);
    for (let i = 0; i < 3; i++) wait('small', 1);
    turns.give('c');
    turns.give('c');
    await Promise.resolve();
    expect(order.splice(0)).toEqual(['small']);
    wait('small', 2);
    await Promise.resolve();
    expect(order.splice(0)).toEqual(['small']);
    turns.give('small');
    turns.give('small');
    await Promise.resolve();
    expect(order.splice(0)).toEqual(['small', 'small']);
  });
});

test('calls share connections, which stay open between them', async () => {
  const { connections, open } = await server(json({}));
  for (let i = 0; i < 20; i++) await open();
  // one may still be busy with the end of the answer before
  expect(connections()).toBeLessThanOrEqual(2);
  await Promise.all(Array.from({ length: 8 }, () => open()));
  const many = connections();
  for (let i = 0; i < 20; i++) await open();
  expect(connections()).toBe(many);
});

test('calls that wait for their next attempt end with the caller', async () => {
  const { asked, caller, open } = await server(status(503, { 'retry-after': '15' }));
  const call = open();
  const refused = expect(call).rejects.toMatchObject({ code: 'BATON_CALL_FAILED', details: { attempts: 1 } });
  while (asked.length < 1) await new Promise((resolve) => setImmediate(resolve));
  await caller.shutdown();
  await refused;
});
