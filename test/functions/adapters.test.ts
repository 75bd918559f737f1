// The same functions behind whatever serves HTTP: real servers, real requests.
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { defineFunctions, type Functions, Unsigned, verify } from '@baton/functions';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import express from 'express';
import { Hono } from 'hono';
import { Webhook } from 'standardwebhooks';

const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
const seen: unknown[] = [];
const functions: Functions = defineFunctions({
  secrets: [secret],
  open: ({ playerId, data }) => {
    seen.push(data);
    return { send: `hello ${playerId}` };
  },
});

const servers: Server[] = [];
afterEach(async () => {
  seen.length = 0;
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(listener: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let calls = 0;
function signed(body: string): Record<string, string> {
  const id = `call-${calls++}`;
  const now = new Date();
  return {
    'ce-type': 'baton.socket.open',
    'ce-subject': 's1',
    'ce-playerid': 'ann',
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, now, body),
  };
}

type Send = (init: RequestInit) => Promise<Response>;

/** What has to hold of every adapter. */
async function works(send: Send): Promise<void> {
  const body = '{ "rank":  12 }';
  const headers = signed(body);
  const response = await send({ method: 'POST', headers, body });
  expect([response.status, await response.json()]).toEqual([200, { send: 'hello ann' }]);
  expect(seen).toEqual([{ rank: 12 }]);
  expect((await send({ method: 'POST', headers, body })).status).toBe(401);
  expect((await send({ method: 'POST', headers: signed(body), body: '{}' })).status).toBe(401);
  const asked = await send({ method: 'OPTIONS', headers: { 'webhook-request-origin': 'baton.example' } });
  expect(asked.headers.get('webhook-allowed-origin')).toBe('baton.example');
  expect((await send({ method: 'GET' })).status).toBe(405);
}

describe('functions are served by', () => {
  test('node:http', async () => {
    const url = await listen(functions.node);
    await works((init) => fetch(url, init));
  });

  test('express, before what parses bodies', async () => {
    const app = express().use('/duel', functions.node).use(express.json());
    app.get('/', (_request, response) => void response.send('the rest'));
    const url = await listen(app);
    await works((init) => fetch(`${url}/duel`, init));
    expect(await (await fetch(url)).text()).toBe('the rest');
  });

  test('express, where bodies are read as bytes', async () => {
    const url = await listen(express().use(express.raw({ type: () => true }), functions.node));
    await works((init) => fetch(url, init));
  });

  test('express, which says so when the bytes are gone', async () => {
    const said = jest.spyOn(console, 'error').mockImplementation(() => {});
    const url = await listen(express().use(express.json()).use('/duel', functions.node));
    const body = '{}';
    const response = await fetch(`${url}/duel`, { method: 'POST', headers: signed(body), body });
    expect(response.status).toBe(500);
    expect(((await response.json()) as { detail: string }).detail).toContain('before what parses bodies');
    said.mockRestore();
  });

  test('Hono', async () => {
    const app = new Hono().all('/duel', (context) => functions.fetch(context.req.raw));
    await works(async (init) => app.request('/duel', init));
  });

  test('whatever calls fetch handlers by method, as route handlers of Next do', async () => {
    const route = { GET: functions.fetch, POST: functions.fetch, OPTIONS: functions.fetch };
    await works((init) => {
      const handler = route[init.method as keyof typeof route] as (request: Request, context: object) => any;
      return handler(new Request('https://studio.example/api/duel', init), { params: {} });
    });
  });
});

describe('a body that is larger than maxBody', () => {
  const open = { 'ce-type': 'baton.socket.open', 'ce-subject': 's1', 'ce-playerid': 'ann' };
  const small = defineFunctions({ open: () => ({}), maxBody: 100_000 });
  const unlimited = defineFunctions({ open: () => ({}) });
  const behind: Record<string, (functions: Functions) => Promise<Send>> = {
    'fetch()': async (functions) => (init) => functions.fetch(new Request('https://studio.example', init)),
    'node:http': async (functions) => {
      const url = await listen(functions.node);
      return (init) => fetch(url, init);
    },
    express: async (functions) => {
      const url = await listen(
        express().use(express.raw({ type: () => true, limit: '8mb' }), functions.node),
      );
      return (init) => fetch(url, init);
    },
    'serve()': async (functions) => {
      const served = await functions.serve({ port: 0 });
      closing.push(() => served.close());
      return (init) => fetch(served.url, init);
    },
  };
  const closing: (() => Promise<void>)[] = [];
  afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

  test.each(Object.entries(behind))('is refused, behind %s', async (_kind, serve) => {
    const status = async (send: Send, bytes: number) =>
      (await send({ method: 'POST', headers: open, body: 'x'.repeat(bytes) })).status;
    const send = await serve(small);
    expect([await status(send, 100_000), await status(send, 100_001)]).toEqual([200, 413]);
    // what a mapping may let wait, and the message that ends the wait
    expect(await status(await serve(unlimited), 1024 * 1024 + 4_096)).toBe(200);
  });

  /** Chunks without an end. */
  function endless() {
    const told = { chunks: 0, cancelled: false };
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          told.chunks++;
          controller.enqueue(new Uint8Array(40_000));
        },
        cancel: () => {
          told.cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    return { told, init: { method: 'POST', headers: open, body, duplex: 'half' } as RequestInit };
  }

  test('is not read to its end', async () => {
    const { told, init } = endless();
    expect((await small.fetch(new Request('https://studio.example', init))).status).toBe(413);
    expect(told).toEqual({ chunks: 3, cancelled: true });
  });

  test('is not read at all when it says how long it is', async () => {
    const { told, init } = endless();
    const headers = { ...open, 'content-length': '100001' };
    const request = new Request('https://studio.example', { ...init, headers });
    expect((await small.fetch(request)).status).toBe(413);
    expect(told).toEqual({ chunks: 0, cancelled: true });
  });

  test('is answered by node:http before it ends', async () => {
    const port = Number(new URL(await listen(small.node)).port);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    const lines = ['POST / HTTP/1.1', 'host: studio.example', 'transfer-encoding: chunked'];
    socket.write(`${lines.join('\r\n')}\r\n\r\n186a1\r\n${'x'.repeat(100_001)}\r\n`);
    let answer = '';
    for await (const part of socket) answer += part;
    expect(answer).toContain('HTTP/1.1 413');
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(answer).toContain('The body exceeds 100000 bytes.');
  });

  test('a maxBody that is none is an error at once', () => {
    for (const maxBody of [0, -1, 1.5, Number.NaN])
      expect(() => defineFunctions({ open: () => ({}), maxBody })).toThrow(`maxBody is ${maxBody}`);
  });
});

describe('verify()', () => {
  test.each([
    ['Headers', (headers: Record<string, string>) => new Headers(headers)],
    ['headers of node:http', (headers: Record<string, string>) => headers],
    ['a function', (headers: Record<string, string>) => (name: string) => headers[name]],
  ])('takes %s', (_kind, as) => {
    const check = verify([secret]);
    const headers = signed('{}');
    check(as(headers), '{}');
    expect(() => check(as(headers), '{}')).toThrow('made before');
    expect(() => check(as(signed('{}')), Buffer.from('{} '))).toThrow(Unsigned);
    expect(() => check(as({}), '{}')).toThrow('webhook-id is missing');
  });

  test('an old call is not taken', () => {
    const headers = signed('{}');
    const old = new Date(Date.now() - 301_000);
    headers['webhook-timestamp'] = String(Math.floor(old.getTime() / 1_000));
    headers['webhook-signature'] = new Webhook(secret).sign(headers['webhook-id']!, old, '{}');
    expect(() => verify([secret])(headers, '{}')).toThrow('300 seconds');
  });

  test('a secret that is none is an error at once', () => {
    expect(() => verify([])).toThrow('secrets is empty');
    expect(() => verify(['hunter2'])).toThrow('secrets[0]');
  });
});
