// The control API of a real service: what it answers is what its document says, also through its shared port.
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { METRICS } from '../../server/src/host/metrics.ts';
import { Service } from '../support/service.ts';

const app = fileURLToPath(new URL('./fixtures/app.config.ts', import.meta.url));
const metricsToken = 'a-token-for-prometheus';
let service: Service;

beforeAll(async () => {
  service = await Service.start(app, { hosts: 2, env: { BATON_METRICS_TOKEN: metricsToken } });
}, 60_000);
afterAll(() => service?.stop());

const ask = (path: string, init: RequestInit = {}) =>
  fetch(service.url + path, {
    ...init,
    headers: { authorization: `Bearer ${service.token}`, ...(init.headers as Record<string, string>) },
  });

async function join() {
  const room = await new Client(service.url).joinOrCreate('echo');
  room.onMessage('*', () => {});
  return room;
}

async function metrics(): Promise<Map<string, number>> {
  const text = await (await ask('/metrics')).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

/** Sum over all series of a name. */
const sum = (found: Map<string, number>, name: string, label = '') =>
  [...found].reduce(
    (n, [key, value]) => (key.startsWith(`${name}{`) && key.includes(label) ? n + value : n),
    0,
  );

describe('the control API of a service', () => {
  test('answers as its document says', async () => {
    const document = (await (await fetch(`${service.url}/v1/openapi.json`)).json()) as any;
    const room = await join();
    const schemaOf = (path: string, method: string, status: number) => {
      const { schema } = document.paths[path][method].responses[status].content['application/json'];
      return z.fromJSONSchema({ ...schema, $defs: document.components.schemas } as never);
    };
    // references point into the document
    const text = JSON.stringify(document).replaceAll('#/components/schemas/', '#/$defs/');
    Object.assign(document, JSON.parse(text));
    for (const path of ['/v1/hosts', '/v1/rooms', '/v1/audit', '/healthz', '/readyz']) {
      const response = await ask(path);
      expect([path, response.status]).toEqual([path, 200]);
      expect([path, schemaOf(path, 'get', 200).safeParse(await response.json()).error]).toEqual([
        path,
        undefined,
      ]);
    }
    const info = (await service.room(room.roomId))!;
    const target = (await service.hosts()).find(({ id }) => id !== info.host)!;
    const moved = await service.migrate(room.roomId, target.id);
    expect(schemaOf('/v1/rooms/{id}/migrate', 'post', 200).safeParse(moved).error).toBeUndefined();
    await room.leave();
  });

  test('leaves to the app what is its own', async () => {
    expect(await (await ask('/v1/players')).text()).toBe('players of the app');
    expect((await ask('/v1/hosts/none/of/these')).status).toBe(404);
    expect((await ask('/v1/hostsandmore')).status).toBe(404);
    expect((await ask('/v1/docs/')).headers.get('content-type')).toContain('text/html');
  });

  test('carries a request with an Idempotency-Key out once, whichever host it reaches', async () => {
    const room = await join();
    const info = (await service.room(room.roomId))!;
    const target = (await service.hosts()).find(({ id }) => id !== info.host)!;
    const migrate = async () => {
      // each on a connection of its own: any host may take it
      const response = await ask(`/v1/rooms/${room.roomId}/migrate`, {
        method: 'POST',
        headers: { 'idempotency-key': 'once', 'content-type': 'application/json', connection: 'close' },
        body: JSON.stringify({ to: target.id }),
      });
      return { body: await response.text(), status: response.status };
    };
    const first = await migrate();
    expect(first.status).toBe(200);
    for (let i = 0; i < 6; i++) expect(await migrate()).toEqual(first);
    const { entries } = (await (await ask('/v1/audit')).json()) as { entries: { path: string }[] };
    expect(entries.filter(({ path }) => path.includes(room.roomId))).toHaveLength(1);
    await room.leave();
  });
});

describe('the metrics of a service', () => {
  test('are those of all its hosts, and count what happens', async () => {
    const before = await metrics();
    for (const name of Object.keys(METRICS)) {
      if (!/calls_total|call_duration/.test(name))
        expect([name, [...before.keys()].some((key) => key.startsWith(name))]).toEqual([name, true]);
    }
    const hosts = await service.hosts();
    for (const { id } of hosts)
      expect([...before.keys()]).toContainEqual(expect.stringContaining(`host="${id}"`));
    const room = await join();
    const heard = new Promise((resolve) => room.onMessage('echo', resolve));
    room.send('echo', 'hello');
    await heard;
    const during = await metrics();
    expect(sum(during, 'baton_rooms')).toBe(sum(before, 'baton_rooms') + 1);
    expect(sum(during, 'baton_connections')).toBe(1);
    await service.moveAway(room.roomId);
    const after = await metrics();
    const grown = (name: string, label = '') => sum(after, name, label) - sum(before, name, label);
    expect(grown('baton_connections_opened_total')).toBe(1);
    expect(grown('baton_moves_total', 'outcome="moved"')).toBe(1);
    expect(grown('baton_move_blackout_seconds_count')).toBe(1);
    expect(grown('baton_messages_received_total')).toBeGreaterThanOrEqual(1);
    expect(grown('baton_messages_sent_total')).toBeGreaterThanOrEqual(1);
    expect(grown('baton_received_bytes_total')).toBeGreaterThan(5);
    expect(grown('baton_sent_bytes_total')).toBeGreaterThan(5);
    expect(grown('baton_control_requests_total', 'operation="migrateRoom",status="200"')).toBe(1);
    expect(sum(after, 'baton_store_up')).toBe(hosts.length);
    await room.leave();
  });

  test('are for those with a token only; that of the metrics changes nothing', async () => {
    expect((await fetch(`${service.url}/metrics`)).status).toBe(401);
    const headers = { authorization: `Bearer ${metricsToken}` };
    expect((await fetch(`${service.url}/metrics`, { headers })).status).toBe(200);
    expect((await fetch(`${service.url}/v1/rooms`, { headers })).status).toBe(200);
    expect((await fetch(`${service.url}/v1/reload`, { method: 'POST', headers })).status).toBe(403);
    expect((await fetch(`${service.url}/v1/audit`, { headers })).status).toBe(403);
    const { entries } = (await (await ask('/v1/audit')).json()) as { entries: object[] };
    expect(entries[0]).toMatchObject({ operation: 'reload', key: 'metrics', status: 403 });
  });
});
