// Upgrade requests no browser makes, on a transport of the test's own.
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { BatonTransport, type BatonTransportOptions } from '../../server/src/transport/index.ts';
import { exchange, upgradeRequest } from './attack.ts';

let transport: BatonTransport | undefined;

afterEach(async () => {
  transport!.shutdown();
  await new Promise((resolve) => transport!.server!.close(resolve));
});

async function listen(options: BatonTransportOptions = {}): Promise<number> {
  transport = new BatonTransport(options);
  await new Promise<void>((resolve) => transport!.listen(0, '127.0.0.1', 511, () => resolve()));
  return (transport!.server!.address() as AddressInfo).port;
}

const statusOf = async (port: number, request: string) =>
  Number(/^HTTP\/1\.1 (\d+)/.exec(await exchange(port, request, '\r\n\r\n'))?.[1] ?? 0);

test.each([
  ['a body with a length', `${upgradeRequest('/p/r?sessionId=s', ['Content-Length: 5'])}hello`, 400],
  ['a body in chunks', `${upgradeRequest('/p/r?sessionId=s', ['Transfer-Encoding: chunked'])}0\r\n\r\n`, 400],
  ['no body', upgradeRequest('/p/r?sessionId=s', ['Content-Length: 0']), 101],
  ['a line end in the path', upgradeRequest('/p/r\r\nX: y'), 400],
  ['a carriage return in the path', upgradeRequest('/p/r\rX: y'), 400],
  ['a NUL in the path', upgradeRequest('/p/r\0'), 400],
  ['another method', upgradeRequest('/p/r').replace('GET', 'POST'), 405],
  ['HTTP/1.0', upgradeRequest('/p/r').replace('HTTP/1.1', 'HTTP/1.0'), 400],
  ['a header of 20 KB', upgradeRequest('/p/r', [`X: ${'a'.repeat(20_000)}`]), 431],
  ['two lengths', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n`, 400],
])('%s', async (_what, request, status) => {
  expect(await statusOf(await listen(), request)).toBe(status);
});

test('headers named like members of Object.prototype reach the app as they were sent', async () => {
  let seen: Headers | undefined;
  const port = await listen({
    beforeUpgrade: (_url: unknown, context: { headers: Headers }) => {
      seen = context.headers;
      return undefined;
    },
  } as never);
  expect(
    await statusOf(
      port,
      upgradeRequest('/p/r?sessionId=s', ['constructor: one', '__proto__: two', '__proto__: three']),
    ),
  ).toBe(101);
  expect(seen!.get('constructor')).toBe('one');
});

test('an allowed origin with the flag g is allowed every time', async () => {
  const port = await listen({ allowedOrigins: [/^https:\/\/game\.example$/g] });
  const from = (origin: string) => statusOf(port, upgradeRequest('/p/r?sessionId=s', [`Origin: ${origin}`]));
  for (let i = 0; i < 4; i++) expect(await from('https://game.example')).toBe(101);
  expect(await from('https://game.example.evil')).toBe(403);
});

test('connections that send nothing, or half a request, are ended in time', async () => {
  const port = await listen({ headersTimeout: 100 });
  for (const begun of ['', 'GET / HTTP/1.1\r\n', upgradeRequest('/p/r?sessionId=s').slice(0, -2)]) {
    expect(await exchange(port, begun)).toMatch(/^HTTP\/1\.1 408 /);
  }
});
