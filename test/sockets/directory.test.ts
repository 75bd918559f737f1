// Sockets by the control API of a real service, whichever host they are on.

import { Client, type Room } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import type { SocketView } from '../../server/src/control/index.ts';
import { ApiError, until } from '../support/service.ts';
import { World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
}, 60_000);
afterAll(() => world?.stop());

const api = <T = any>(method: string, path: string, body?: unknown) =>
  world.service.api<T>(method, path, body);
const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'done',
    (error) => (error instanceof ApiError ? error.code : String(error)),
  );

/** As its tenant does, with a media type of its own. */
const say = (id: string, body: string | Uint8Array, type: string) =>
  fetch(`${world.service.url}/v1/sockets/${id}/send`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.service.token}`, 'content-type': type },
    body: body as string,
  });

/** A plain WebSocket client of a mapping, and what it heard. */
async function plain(mapping: string, token: string) {
  const url = `${world.service.url.replace('http', 'ws')}/v1/socket/${mapping}?token=${token}`;
  const socket = new WebSocket(url, 'baton.v1');
  const heard: { text: string; binary: boolean }[] = [];
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  const messages: (() => void)[] = [];
  socket.on('message', (data, binary) => {
    heard.push({ text: binary ? (data as Buffer).toString('hex') : String(data), binary });
    for (const wake of messages.splice(0)) wake();
  });
  const have = async (n: number) => {
    while (heard.length < n) await new Promise<void>((resolve) => messages.push(resolve));
    return heard;
  };
  await have(1);
  return { socket, have, closed, id: JSON.parse(heard[0]!.text.slice(1)).socketId as string };
}

describe('GET /v1/sockets', () => {
  test('lists those of all hosts, once, in pages, and finds each', async () => {
    const players = await Promise.all(
      Array.from({ length: 6 }, (_, i) => world.open('script', `lister-${i}`, { attributes: { i } })),
    );
    const mine = new Set(players.map(({ id }) => id));
    const found: SocketView[] = [];
    for (let after = ''; ; ) {
      const page = await api('GET', `/v1/sockets?mapping=script&limit=2${after}`);
      expect(page.sockets.length).toBeLessThanOrEqual(2);
      found.push(...page.sockets);
      if (page.next === undefined) break;
      after = `&after=${page.next}`;
    }
    const ids = found.map(({ socketId }) => socketId);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(found.filter(({ socketId }) => mine.has(socketId))).toHaveLength(6);
    expect(new Set(found.map(({ host }) => host)).size).toBe(2);
    for (const [i, { id }] of players.entries()) {
      const one = await api<SocketView>('GET', `/v1/sockets/${id}`);
      expect(one).toEqual({
        socketId: id,
        tenant: 'default',
        mapping: 'script',
        mappingVersion: expect.any(Number),
        playerId: `lister-${i}`,
        status: 'open',
        peers: [],
        attributes: { i },
        host: expect.stringMatching(/^h\d+$/),
        epoch: 1,
        openedAt: expect.any(Number),
        speech: 'colyseus',
      });
      expect(found).toContainEqual(one);
    }
    expect((await api('GET', '/v1/sockets?mapping=duel')).sockets).toEqual([]);
  });

  test('has nothing of another tenant, and finds nothing there', async () => {
    const { id } = await world.open('script', 'mine');
    const as = (path: string, method = 'GET') =>
      fetch(world.service.url + path, {
        method,
        headers: { authorization: `Bearer ${world.service.token}`, 'baton-tenant': 'other' },
      }).then((response) => response.json() as Promise<any>);
    expect(await as('/v1/sockets')).toEqual({ sockets: [] });
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/unlink'],
    ] as const)
      expect((await as(`/v1/sockets/${id}${path}`, method)).code).toBe('BATON_SOCKET_NOT_FOUND');
    expect(await codeOf(api('GET', '/v1/sockets/nope'))).toBe('BATON_SOCKET_NOT_FOUND');
    expect((await api('GET', `/v1/sockets/${id}`)).socketId).toBe(id);
  });
});

describe('POST /v1/sockets/{id}/send', () => {
  test('reaches the client as it was sent: text and bytes, on a socket that moved as well', async () => {
    const client = await plain('script', 'listener');
    const statuses = [
      await say(client.id, '{"a": 1 }', 'application/json'),
      await say(client.id, 'grüße', 'text/plain'),
      await say(client.id, new Uint8Array([0, 255]), 'application/octet-stream'),
    ].map(({ status }) => status);
    expect(statuses).toEqual([204, 204, 204]);
    expect((await client.have(4)).slice(1)).toEqual([
      { text: '{"a": 1 }', binary: false },
      { text: 'grüße', binary: false },
      { text: '00ff', binary: true },
    ]);
    await world.service.moveAway(client.id);
    expect((await api('GET', `/v1/sockets/${client.id}`)).epoch).toBe(2);
    const large = 'x'.repeat(256 * 1024);
    // any of the hosts takes it; one of them has to ask the other
    for (let i = 0; i < 4; i++) expect((await say(client.id, large, 'text/plain')).status).toBe(204);
    expect((await client.have(8)).slice(4).map(({ text }) => text.length)).toEqual(
      Array(4).fill(large.length),
    );
    client.socket.close();
  });

  test('reaches Colyseus clients as a message of type "data"', async () => {
    const player = await world.open('script', 'colyseus-listener');
    await say(player.id, 'hello', 'text/plain');
    expect(await player.have('data')).toEqual(['hello']);
  });
});

describe('DELETE /v1/sockets/{id}', () => {
  test('closes it with the code and the reason given, and its close function hears why', async () => {
    const client = await plain('script', 'banned');
    expect(
      (
        await fetch(`${world.service.url}/v1/sockets/${client.id}?code=4003&reason=banned`, {
          method: 'DELETE',
          headers: { authorization: `Bearer ${world.service.token}` },
        })
      ).status,
    ).toBe(204);
    expect(await client.closed).toEqual({ code: 4003, reason: 'banned' });
    const [call] = await world.functions.have('close', client.id);
    expect(JSON.parse(call!.body)).toEqual({ reason: 'deleted' });
    expect(await codeOf(api('GET', `/v1/sockets/${client.id}`))).toBe('BATON_SOCKET_NOT_FOUND');
  });
});

describe('POST /v1/sockets', () => {
  const allocate = () =>
    api('POST', '/v1/sockets', { mapping: 'script', playerId: 'invited', attributes: { seat: 3 } });

  test('gives an id out that the socket then has, to the player that was named, once', async () => {
    const ticket = await allocate();
    expect(ticket.expires).toBeGreaterThan(Date.now());
    expect(await codeOf(api('GET', `/v1/sockets/${ticket.socketId}`))).toBe('BATON_SOCKET_NOT_FOUND');
    const client = await plain('script', ticket.token);
    expect(client.id).toBe(ticket.socketId);
    expect(await api('GET', `/v1/sockets/${ticket.socketId}`)).toMatchObject({
      playerId: 'invited',
      attributes: { seat: 3 },
      speech: 'baton.v1',
    });
    const [call] = await world.functions.have('open', ticket.socketId);
    expect(call!.headers).toMatchObject({ 'ce-playerid': 'invited' });
    client.socket.close();
    const again = new Client(world.service.url).joinOrCreate('script', { token: ticket.token });
    await expect(again).rejects.toThrow('BATON_TOKEN_INVALID');
  });

  test('is not used up by a function that turns the player away', async () => {
    const { token, socketId } = await allocate();
    const client = new Client(world.service.url);
    const answer = { reject: { code: 4003, reason: 'come later' } };
    await expect(client.joinOrCreate('script', { token, answer })).rejects.toThrow('come later');
    let room: Room | undefined;
    // it is there again once the room is gone
    await until(async () => {
      room = await client.joinOrCreate('script', { token }).catch((error) => {
        expect(error.message).toContain('BATON_TOKEN_INVALID');
        return undefined;
      });
      return room !== undefined;
    }, 'the ticket to be back');
    expect(room!.roomId).toBe(socketId);
    await expect(client.joinOrCreate('script', { token })).rejects.toThrow('BATON_TOKEN_INVALID');
    await room!.leave();
  });

  test('works for Colyseus clients; not for another mapping, and not for a mapping there is not', async () => {
    const { token, socketId } = await allocate();
    const other = new Client(world.service.url).joinOrCreate('duel', { token });
    await expect(other).rejects.toThrow('BATON_TOKEN_INVALID');
    const room = await new Client(world.service.url).joinOrCreate('script', { token });
    expect(room.roomId).toBe(socketId);
    await room.leave();
    const nowhere = api('POST', '/v1/sockets', { mapping: 'nope', playerId: 'a' });
    expect(await codeOf(nowhere)).toBe('BATON_MAPPING_NOT_FOUND');
  });
});

describe('POST /v1/sockets/{id}/link and /unlink', () => {
  test('links two of different hosts, by id or alias, and takes them apart again', async () => {
    const one = await world.open('script', 'link-1', { alias: 'red' });
    const two = await world.open('script', 'link-2');
    const linked = await api<SocketView>('POST', `/v1/sockets/${two.id}/link`, { peer: 'red' });
    expect(linked).toMatchObject({ socketId: two.id, status: 'linked', peers: [one.id] });
    await Promise.all([one.linked(two), two.linked(one)]);
    expect(await api('GET', `/v1/sockets/${one.id}`)).toMatchObject({ alias: 'red', peers: [two.id] });
    const third = await world.open('script', 'link-3');
    const taken = api('POST', `/v1/sockets/${third.id}/link`, { peer: one.id });
    expect(await codeOf(taken)).toBe('BATON_LINK_TAKEN');
    expect(await codeOf(api('POST', `/v1/sockets/${third.id}/link`, { peer: third.id }))).toBe(
      'BATON_LINK_SELF',
    );
    expect(await api('POST', `/v1/sockets/${one.id}/unlink`)).toMatchObject({ peers: [] });
    await two.have('peer-left');
  });

  test('takes a socket from one to another, and names it', async () => {
    const [one, two] = await world.pair('script', 'torn');
    const three = await world.open('script', 'torn-3');
    const wish = { peer: three.id, unlink: true, alias: 'torn-away' };
    const linked = await api<SocketView>('POST', `/v1/sockets/${one.id}/link`, wish);
    expect(linked).toMatchObject({ peers: [three.id], alias: 'torn-away' });
    await Promise.all([two.have('peer-left'), three.linked(one)]);
  });

  test('a socket waits for one whose id was given out and that is not open yet', async () => {
    const ticket = await api('POST', '/v1/sockets', { mapping: 'script', playerId: 'awaited' });
    const one = await world.open('script', 'waits');
    const waiting = await api('POST', `/v1/sockets/${one.id}/link`, { peer: ticket.socketId });
    expect(waiting).toMatchObject({ status: 'waiting', peers: [] });
    const room = await new Client(world.service.url).joinOrCreate('script', { token: ticket.token });
    const two = world.add(room, 'awaited');
    await Promise.all([one.linked(two), two.linked(one)]);
    expect((await api('GET', `/v1/sockets/${two.id}`)).peers).toEqual([one.id]);
  });
});

test('calls are counted by kind and outcome', async () => {
  const text = async () =>
    (
      await fetch(`${world.service.url}/metrics`, {
        headers: { authorization: `Bearer ${world.service.token}` },
      })
    ).text();
  const total = (all: string, series: RegExp) =>
    all
      .split('\n')
      .filter((line) => series.test(line))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  const before = await text();
  await world.open('script', 'counted');
  await expect(world.open('failing', 'counted-too')).rejects.toThrow();
  const after = await text();
  const grown = (series: RegExp) => total(after, series) - total(before, series);
  expect(grown(/^baton_calls_total\{event="open",outcome="delivered"/)).toBe(1);
  expect(grown(/^baton_calls_total\{event="open",outcome="failed"/)).toBe(1);
  expect(grown(/^baton_call_duration_seconds_count\{event="open"/)).toBe(2);
  expect(grown(/^baton_call_retries_total/)).toBeGreaterThan(0);
  expect(grown(/^baton_sockets\{status="open"/)).toBe(1);
});
