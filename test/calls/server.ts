// A function server that answers as a test says, and remembers what it was sent.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import {
  AddressGuard,
  type CallEvent,
  Caller,
  type Endpoint,
  type FunctionHosts,
} from '../../server/src/calls/index.ts';

export interface Asked {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}
export type Answer = (response: ServerResponse) => void;

export const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end();
export const json =
  (value: unknown): Answer =>
  (response) =>
    response.writeHead(200).end(JSON.stringify(value));

export const raw =
  (type: string, body: string | Uint8Array): Answer =>
  (response) =>
    response.writeHead(200, { 'content-type': type }).end(body);

export const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;

/** @param answers to one call after the other; the last one to all that follow */
export async function functionServer(...answers: Answer[]) {
  const asked: Asked[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { method = '', url: path = '' } = request;
    asked.push({ method, url: path, headers: request.headers, body: Buffer.concat(chunks) });
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    answer(response);
  }).listen(0, '127.0.0.1');
  server.on('connection', () => connections++);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const guard = new AddressGuard(['127.0.0.0/8']);
  const url = `http://127.0.0.1:${port}/`;
  const dispatcher = new Agent();
  const functions: FunctionHosts = {
    resolve: async (tenant, name) => {
      if (name === 'missing') throw new Error('there is none');
      return { url: `${url}${tenant}/${name}`, dispatcher };
    },
  };
  const secrets = [secret];
  const caller = new Caller({ source: '/baton/h1', guard, secrets: () => secrets, functions });
  const endpoint: Endpoint = { url, timeout: 20_000, retries: 2, retryTimeouts: false };
  const event: CallEvent = {
    type: 'open',
    tenant: 'default',
    mapping: 'duel',
    mappingVersion: 2,
    socketId: 's',
    playerId: 'p',
    epoch: 3,
    sequence: 1,
    attributes: undefined,
    contentType: 'application/json',
    body: Buffer.from('{}'),
  };
  return {
    asked,
    /** How many were made to it. */
    connections: () => connections,
    caller,
    endpoint,
    event,
    url,
    open: async (options: Partial<typeof endpoint> = {}) =>
      (await caller.call({ ...endpoint, ...options }, event)).actions,
    stop: async () => {
      await caller.shutdown();
      await dispatcher.destroy();
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
    /** Nobody listens there from now on. */
    hangUp: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
