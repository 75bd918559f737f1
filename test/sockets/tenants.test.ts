// Sockets of two tenants on one service: each has its own players, functions, secrets, versions and quota.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { Webhook } from 'standardwebhooks';
import { Service, until } from '../support/service.ts';
import { secretsOf } from './fixtures/tenants.config.ts';
import { json, Studio } from './studio.ts';

type Tenant = keyof typeof secretsOf;

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');
const rooms: Room[] = [];
let studio: Studio;
let service: Service;

beforeAll(async () => {
  studio = await Studio.open();
  service = await Service.start(path.join(fixtures, 'app.config.ts'), {
    args: ['--mappings', path.join(fixtures, 'tenants.config.ts')],
    env: { FUNCTIONS_URL: studio.url },
  });
});
afterAll(async () => {
  await service?.stop();
  await studio.close();
});
afterEach(async () => {
  await Promise.all(rooms.splice(0).map((room) => room.connection.isOpen && room.leave()));
});

const token = (tenant: Tenant, sub: string) =>
  new SignJWT({ sub, exp: Math.floor(Date.now() / 1_000) + 60 })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(secretsOf[tenant].token));

async function open(mapping: string, tenant: Tenant, player: string): Promise<Room> {
  const room = await new Client(service.url).joinOrCreate(mapping, {
    tenant,
    token: await token(tenant, player),
  });
  rooms.push(room);
  return room;
}

const put = (name: string, mapping: object) => service.api<any>('PUT', `/v1/mappings/${name}`, mapping);
const at = (name: string) => ({ url: `${studio.url}${name}` });
const version = ({ headers }: { headers: Record<string, unknown> }) => Number(headers['ce-mappingversion']);

test('calls go to the tenant’s functions, say whose they are, and are signed with its secrets', async () => {
  for (const tenant of ['default', 'acme'] as const) {
    await open('duel', tenant, `signed-${tenant}`);
    const [call] = await studio.calls(`signed-${tenant}`, 1, tenant);
    expect(call!.headers['ce-tenant']).toBe(tenant);
    const verify = (by: Tenant) =>
      new Webhook(secretsOf[by].signing).verify(
        call!.body.toString(),
        call!.headers as Record<string, string>,
      );
    expect(verify(tenant)).toEqual({});
    expect(() => verify(tenant === 'acme' ? 'default' : 'acme')).toThrow('No matching signature');
  }
});

test('a socket that is open keeps its version; new ones have the new one', async () => {
  await put('kept', { open: at('kept'), close: at('kept-1') });
  const old = await open('kept', 'default', 'kept-old');
  await put('kept', { open: at('kept'), close: at('kept-2') });
  const young = await open('kept', 'default', 'kept-young');
  await Promise.all([old.leave(), young.leave()]);
  const [first] = await studio.calls('kept-old', 1, 'kept-1');
  const [second] = await studio.calls('kept-young', 1, 'kept-2');
  expect([version(first!), version(second!)]).toEqual([1, 2]);
});

test('one that is to be adopted is, also by sockets that have moved', async () => {
  await put('adopted', { open: at('adopted'), close: at('adopted-1') });
  const players = [
    await open('adopted', 'default', 'adopter-1'),
    await open('adopted', 'default', 'adopter-2'),
  ];
  await put('adopted', { open: at('adopted'), close: at('adopted-2'), onUpdate: 'adopt' });
  await service.moveAway(players[1]!.roomId);
  await Promise.all(players.map((room) => room.leave()));
  for (const player of ['adopter-1', 'adopter-2']) {
    const [call] = await studio.calls(player, 1, 'adopted-2');
    expect(version(call!)).toBe(2);
  }
});

test('sockets of a deleted mapping stay open, new ones are refused; its name is not free for rooms', async () => {
  await put('gone', { open: at('gone'), close: at('gone-closed') });
  const room = await open('gone', 'default', 'left-over');
  const response = await fetch(`${service.url}/v1/mappings/gone`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${service.token}` },
  });
  expect(response.status).toBe(204);
  await expect(open('gone', 'default', 'late')).rejects.toThrow('BATON_MAPPING_NOT_FOUND');
  await service.moveAway(room.roomId);
  await room.leave();
  expect(version((await studio.calls('left-over', 1, 'gone-closed'))[0]!)).toBe(1);
});

test('a socket of another tenant is not there: not for its control API, its functions, its tickets', async () => {
  const theirs = await open('duel', 'default', 'kept-apart');
  const ask = async (method: string, path: string, body?: unknown) => {
    const type = path.endsWith('/send') ? 'text/plain' : 'application/json';
    const response = await fetch(`${service.url}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${service.token}`,
        'baton-tenant': 'acme',
        ...(body === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, ...(text ? JSON.parse(text) : {}) };
  };
  const at = `/sockets/${theirs.roomId}`;
  for (const [method, path, body] of [
    ['GET', at],
    ['DELETE', at],
    ['POST', `${at}/send`, 'hello'],
    ['POST', `${at}/link`, { peer: 'anybody' }],
    ['POST', `${at}/unlink`],
  ] as const)
    expect(await ask(method, path, body)).toMatchObject({ status: 404, code: 'BATON_SOCKET_NOT_FOUND' });
  expect((await ask('GET', '/sockets')).sockets).toEqual([]);

  const heard = new Promise<any>((resolve) => {
    studio.answer('nosy', 'acme', json({ peer: theirs.roomId }));
    void open('duel', 'acme', 'nosy').then((room) => room.onMessage('error', resolve));
  });
  expect((await heard).code).toBe('BATON_LINK_GONE');

  const ticket = await ask('POST', '/sockets', { mapping: 'duel', playerId: 'invited' });
  const stolen = new Client(service.url).joinOrCreate('duel', { token: ticket.token });
  await expect(stolen).rejects.toThrow('BATON_TOKEN_INVALID');
  const invited = await new Client(service.url).joinOrCreate('duel', { token: ticket.token, tenant: 'acme' });
  rooms.push(invited);
  expect(invited.roomId).toBe(ticket.socketId);
});

test('a tenant has no more sockets than it may, wherever they are, and no function hears of those beyond', async () => {
  const [one] = [await open('duel', 'acme', 'quota-1'), await open('duel', 'acme', 'quota-2')];
  await expect(open('duel', 'acme', 'quota-3')).rejects.toThrow(
    'BATON_QUOTA_SOCKETS: Tenant acme has as many sockets as it may have: 2.',
  );
  expect(studio.told.some(({ player }) => player === 'quota-3')).toBe(false);
  await open('duel', 'default', 'quota-4');
  await service.moveAway(one!.roomId);
  await expect(open('duel', 'acme', 'quota-5')).rejects.toThrow('BATON_QUOTA_SOCKETS');
  const promised: any = await (
    await fetch(`${service.url}/v1/sockets`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${service.token}`,
        'baton-tenant': 'acme',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ mapping: 'duel', playerId: 'promised' }),
    })
  ).json();
  const invited = () =>
    new Client(service.url).joinOrCreate('duel', { token: promised.token, tenant: 'acme' });
  // a promise is not used up by that
  for (let i = 0; i < 2; i++) await expect(invited()).rejects.toThrow('BATON_QUOTA_SOCKETS');
  await one!.leave();
  await until(
    () =>
      open('duel', 'acme', 'quota-6').then(
        () => true,
        () => false,
      ),
    'the place to be free',
  );
});

test('a tenant has no more calls at a time than its quotas say, and others have theirs', async () => {
  let refused!: (error: Error) => void;
  const turnedAway = new Promise<Error>((resolve) => (refused = resolve));
  // three on two hosts, each of which makes one call for it and lets none wait
  const players = ['one', 'two', 'three'];
  for (const player of players)
    studio.answer(player, 'busy', (response, told) => void turnedAway.then(() => json({})(response, told)));
  const opened = players.map((player) => open('duel', 'busy', player).catch(refused));
  expect((await turnedAway).message).toContain('too many calls wait');
  await open('duel', 'default', 'unhurried');
  await Promise.all(opened);
});
