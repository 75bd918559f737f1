// The control API in this process, on backends that remember what they were asked.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import {
  type ControlBackend,
  type ControlOptions,
  createControl,
  type DeadLettersBackend,
  type FunctionsBackend,
  type KeyRing,
  type Operation,
  operationsOf,
  type Principal,
  type SocketsBackend,
  type WatchBackend,
} from '../../server/src/control/index.ts';
import type { KeysBackend } from '../../server/src/control/operations/keys.ts';
import type { MappingsBackend } from '../../server/src/control/operations/mappings.ts';
import { createLog } from '../../server/src/telemetry/index.ts';
import { SCOPES, type Scope } from '../../server/src/tenants/index.ts';

export const token = 'a-token-of-some-length';
export const metricsToken = 'another-token-of-some-length';
const servers: http.Server[] = [];

export async function closeAll(): Promise<void> {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

export interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

export interface Init {
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Api {
  url: string;
  calls: unknown[][];
  logged: string;
  operations: Operation[];
  send(method: string, path: string, init?: Init): Promise<Answer>;
}

/** Backends whose answers are set beforehand, and which note how they are called. */
export function fakes(calls: unknown[][] = []) {
  const record =
    (name: string, result: unknown): any =>
    async (...args: unknown[]) => {
      calls.push([name, ...args]);
      return result;
    };
  const service: ControlBackend = {
    hosts: record('hosts', [{ id: 'h1' }]),
    rooms: record('rooms', [{ roomId: 'a' }]),
    migrate: record('migrate', { roomId: 'a' }),
    drain: record('drain', { host: 'h1' }),
    reload: record('reload', { generation: 2 }),
  };
  const sockets: SocketsBackend = {
    list: record('list', { sockets: [{ socketId: 's1' }], next: 's1' }),
    get: record('get', { socketId: 's1' }),
    timeline: record('timeline', { socketId: 's1', events: [] }),
    close: record('close', undefined),
    send: record('send', undefined),
    link: record('link', { socketId: 's1', status: 'linked' }),
    unlink: record('unlink', { socketId: 's1', status: 'open' }),
    allocate: record('allocate', { socketId: 's9', token: 't', expires: 1 }),
  };
  const deadLetters: DeadLettersBackend = {
    newest: record('newest', [{ number: 7 }, { number: 3 }]),
    get: record('get', { number: 7 }),
    replay: record('replay', undefined),
  };
  const tenantLog = { newest: record('newest', [{ number: 7 }, { number: 3 }]) };
  const functions: FunctionsBackend = {
    deploy: record('deploy', { name: 'duel', version: 2 }),
    rollback: record('rollback', { name: 'duel', version: 3 }),
    list: record('list', { functions: [] }),
    show: record('show', { name: 'duel', versions: [] }),
    remove: record('remove', undefined),
    logs: record('logs', { lines: [] }),
    setSecret: record('setSecret', { name: 'key', updatedAt: 1 }),
    secrets: record('secrets', { secrets: [] }),
    removeSecret: record('removeSecret', undefined),
  };
  const view = {
    name: 'duel',
    version: 2,
    declared: false,
    updatedAt: '2030-01-01T00:00:00.000Z',
    mapping: {},
  };
  const mappings: MappingsBackend = {
    list: () => [view],
    view: () => view,
    versions: record('versions', []),
    apply: record('apply', { ...view, changed: true, everywhere: true }),
    delete: record('delete', undefined),
  };
  const key = {
    id: '9f2c51d07aab3e64',
    name: 'ci',
    scopes: [],
    createdAt: view.updatedAt,
    createdBy: 'service',
  };
  const keys: KeysBackend = {
    list: record('list', [key]),
    create: record('create', { key: 'baton_default_…', view: key }),
    revoke: record('revoke', key),
  };
  const watch: WatchBackend = {
    look: record('look', { at: 1 }),
    async watch({ key }, out) {
      calls.push(['watch', key]);
      const stream = out();
      stream.send('snapshot', '{"at":1}');
      stream.end('leaving');
    },
  };
  return { service, sockets, deadLetters, tenantLog, functions, mappings, keys, watch };
}

export interface Setup extends Partial<Omit<ControlOptions, 'operations' | 'tokens'>> {
  service?: Partial<ControlBackend>;
  sockets?: Partial<SocketsBackend>;
  deadLetters?: Partial<DeadLettersBackend>;
  watch?: WatchBackend;
  unready?: () => string | undefined;
}

export async function serve({
  service,
  sockets,
  deadLetters,
  watch,
  unready,
  ...options
}: Setup = {}): Promise<Api> {
  const calls: unknown[][] = [];
  const fake = fakes(calls);
  const api: Api = { url: '', calls, logged: '', operations: [], send };
  const log = createLog({ format: 'json', level: 'trace', write: (line) => void (api.logged += line) });
  api.operations = operationsOf({
    service: { ...fake.service, ...service },
    sockets: { ...fake.sockets, ...sockets },
    deadLetters: { ...fake.deadLetters, ...deadLetters },
    functions: fake.functions,
    mappings: fake.mappings,
    keys: fake.keys,
    tenantLog: fake.tenantLog,
    watch: watch ?? fake.watch,
    ...(options.audit ? { audit: options.audit } : {}),
    unready,
    metrics: async () => 'some_metric 1\n',
  });
  const control = createControl({
    operations: api.operations,
    tokens: { service: token, metrics: metricsToken },
    log,
    ...options,
  });
  const app = express()
    .use(control)
    .use((_request, response) => void response.send('the app'));
  const server = http.createServer(app);
  servers.push(server.listen(0, '127.0.0.1'));
  await new Promise((resolve) => server.once('listening', resolve));
  api.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function send(method: string, path: string, { body, headers }: Init = {}): Promise<Answer> {
    const raw = typeof body === 'string' || body === undefined || body instanceof Uint8Array;
    const response = await fetch(api.url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: raw ? (body as string) : JSON.stringify(body),
      redirect: 'manual',
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text,
    };
  }
  return api;
}

/** Keys as they are given: `name` stands for itself as a bearer. */
export function keyRing(keys: Record<string, { tenant?: string; scopes?: readonly Scope[] }>): KeyRing {
  return {
    async authenticate(bearer): Promise<Principal | undefined> {
      const key = keys[bearer];
      if (!key) return undefined;
      const scopes = new Set(key.scopes ?? SCOPES);
      return { tenant: key.tenant ?? 'default', operator: false, scopes, key: bearer };
    },
  };
}

export const as = (key: string) => ({ authorization: `Bearer ${key}` });
