// A player's network fails: its socket waits for it, wherever it is moved meanwhile, and closes once if it stays away.

import { Client } from '@colyseus/sdk';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Absence } from '../../server/src/sockets/absence.ts';
import { Network } from '../support/network.ts';
import { kill } from '../support/service.ts';
import { Plain } from './plain.ts';
import { type Player, World } from './support.ts';

let world: World;
let network: Network;
/** Those whose network is cut. */
const cutOnes: Player[] = [];
/** Of sockets that have closed: their close functions were called once, and never again. */
const closed: string[] = [];
beforeAll(async () => {
  world = await World.start({ env: { PING_MS: '1000' } });
  network = await Network.start(world.service.port);
});
afterEach(async () => {
  for (const { room } of cutOnes) room.reconnection.enabled = false;
  network.cut();
  await Promise.all(cutOnes.splice(0).map((player) => player.have('close')));
  await world.leaveAll();
});
afterAll(async () => {
  network?.stop();
  await world?.stop();
});

/** A player behind the network that can be cut, and its peer that is not. */
async function pair(mapping: string, name: string): Promise<[Player, Player]> {
  const two = await world.open(mapping, `${name}-stays`);
  const room = await new Client(network.url).joinOrCreate(mapping, {
    token: `${name}-drops`,
    answer: { peer: two.id },
  });
  room.reconnection.minUptime = 0;
  const one = world.add(room, `${name}-drops`);
  cutOnes.push(one);
  await Promise.all([one.linked(two), two.linked(one)]);
  await world.together(one, two);
  // what was sent on the way is on its way no more
  two.send('linked', 'probe');
  await one.have('probe');
  return [one, two];
}

/** Cuts the network of one who does not come back by itself. @returns the token to come back with */
async function cutOff(one: Player, two: Player): Promise<string> {
  const token = one.room.reconnectionToken;
  one.room.reconnection.enabled = false;
  network.cut();
  await two.have('peer-drop');
  return token;
}

async function comeBack(token: string, name: string, url = network.url): Promise<Player> {
  const player = world.add(await new Client(url).reconnect(token), name);
  if (url === network.url) cutOnes.push(player);
  return player;
}

async function control(method: string, route: string, body?: string): Promise<void> {
  const { url, token } = world.service;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/plain' };
  const response = await fetch(`${url}${route}`, { method, headers, ...(body ? { body } : {}) });
  expect(response.ok).toBe(true);
}

async function closeReason(id: string): Promise<string> {
  const [call] = await world.functions.have('close', id);
  closed.push(id);
  return JSON.parse(call!.body).reason;
}

test('a client that is cut off comes back by itself: what was said to it meanwhile follows in order', async () => {
  const [one, two] = await pair('script', 'cut');
  one.room.reconnection.minDelay = 1_000;
  network.cut();
  expect(await two.have('peer-drop')).toEqual([{ peer: one.id }]);
  const socket = `/v1/sockets/${one.id}`;
  expect(await world.service.api('GET', socket)).toMatchObject({ status: 'linked', peers: [two.id] });
  two.send(1);
  two.room.sendBytes('data', Uint8Array.of(2));
  await control('POST', `${socket}/send`, 'three');
  two.send(4, 'other');
  two.send(5);
  one.send('said while away');
  expect(await two.have('peer-back')).toEqual([{ peer: one.id }]);
  two.send(6);
  await one.have('data', 5);
  expect(await two.have('data')).toEqual(['said while away']);
  const heard = one.events.filter(({ type }) => !['linked', 'probe'].includes(type));
  const values = heard.map(({ data }) => (data instanceof Uint8Array ? [...data] : data));
  expect(values).toEqual([1, [2], 'three', 4, 5, 6]);
  expect([one.drops, two.of('peer-left'), one.closes, world.functions.of('close', one.id)]).toEqual([
    1,
    [],
    [],
    [],
  ]);
  await one.leave();
  expect(await two.have('peer-left')).toEqual([{ peer: one.id }]);
  expect(await closeReason(one.id)).toBe('left');
});

test('client.reconnect() brings it back, on whichever host it is; again and again', async () => {
  const [one, two] = await pair('script', 'manual');
  let token = await cutOff(one, two);
  await expect(new Client(world.service.url).reconnect(`${one.id}:wrong`)).rejects.toThrow(
    'invalid or has expired',
  );
  await expect(new Client(world.service.url).reconnect(`nobody:${token}`)).rejects.toThrow('disposed');
  for (let i = 1; i <= 3; i++) {
    two.send(i);
    const back = await comeBack(token, `manual-${i}`);
    expect(await back.have('data')).toEqual([i]);
    await two.have('peer-back', i);
    token = back.room.reconnectionToken;
    back.room.reconnection.enabled = false;
    network.cut();
    await two.have('peer-drop', i + 1);
  }
  expect(two.of('peer-left')).toEqual([]);
});

test('one that comes back before anybody knows that it was away does not wait for its old connection to end', async () => {
  const [one, two] = await pair('script', 'roaming');
  one.room.reconnection.enabled = false;
  const back = await comeBack(one.room.reconnectionToken, 'roaming-back', world.service.url);
  await two.have('peer-back');
  back.send('here');
  expect(await two.have('data')).toEqual(['here']);
  expect(two.events.map(({ type }) => type)).toEqual(['linked', 'peer-drop', 'peer-back', 'data']);
  back.send('x'.repeat(5_000));
  await back.have('close');
  expect([await back.failed(), back.closes]).toEqual([
    'BATON_MESSAGE_TOO_LARGE',
    [{ code: 1009, reason: 'BATON_MESSAGE_TOO_LARGE' }],
  ]);
});

test('a network that is gone without a word is noticed by the pings', async () => {
  const [one, two] = await pair('script', 'silent');
  network.silence();
  expect(await two.have('peer-drop')).toEqual([{ peer: one.id }]);
  two.send('still there?');
  expect(one.drops).toBe(0);
  network.cut(); // now the client knows, too
  expect(await one.have('data')).toEqual(['still there?']);
});

test('when its time has passed it has left: peers and the close function hear it, once', async () => {
  const [one, two] = await pair('hasty', 'late');
  const token = await cutOff(one, two);
  expect(await two.have('peer-left')).toEqual([{ peer: one.id }]);
  expect(await closeReason(one.id)).toBe('lost');
  await expect(comeBack(token, 'too-late')).rejects.toThrow(/expired|disposed/);
  expect(two.of('peer-back')).toEqual([]);
});

test('leaving is leaving at once: no time to come back, a close code of its own, a plain client', async () => {
  const [one, two] = await pair('strict', 'strict');
  one.room.reconnection.enabled = false;
  network.cut();
  await two.have('peer-left');
  expect(await closeReason(one.id)).toBe('lost');

  const [three, four] = await pair('script', 'closing');
  three.room.reconnection.enabled = false;
  three.room.connection.close(1000, 'bye');
  await four.have('peer-left');
  expect(await closeReason(three.id)).toBe('left');

  const five = await world.open('script', 'plain-stays');
  const options = { answer: { peer: five.id } };
  const plain = new Plain(network.url, 'script', { token: 'plain', options, protocols: ['baton.v1'] });
  await plain.event('linked');
  network.cut();
  await five.have('peer-left');
  expect(await closeReason((await plain.event('open')).socketId)).toBe('lost');
  expect([two, four, five].flatMap((player) => player.of('peer-drop'))).toEqual([]);
});

test('more than is kept for it waits at those who sent it', async () => {
  const [one, two] = await pair('quickly', 'flood');
  one.room.reconnection.minDelay = 1_000;
  network.cut();
  await two.have('peer-drop');
  const text = 'x'.repeat(2_000);
  for (let i = 0; i < 2_000; i++) two.send(`${i} ${text}`);
  const heard = await one.have('data', 2_000, 20_000);
  expect(heard.map((message) => Number.parseInt(message, 10))).toEqual([...heard.keys()]);
  expect([one.closes, two.closes]).toEqual([[], []]);
});

test('what is kept is bounded', () => {
  const absence = new Absence('token');
  const frame = new Uint8Array(64 * 1024);
  expect([absence.full, absence.keep(frame), absence.full]).toEqual([false, true, true]);
  for (let i = 0; i < 16; i++) expect(absence.keep(frame)).toBe(true);
  expect(absence.keep(frame.subarray(0, 1))).toBe(false);
  expect([absence.take().length, absence.full]).toEqual([17, false]);
});

test('it is moved with its peer while it is away, by a drain as well, and finds its socket where it went', async () => {
  const [one, two] = await pair('script', 'moved');
  const token = await cutOff(one, two);
  two.count();
  const from = await world.hostOf(one);
  await world.service.moveAway(one.id);
  two.count();
  const there = await world.hostOf(one);
  expect(there).not.toBe(from);
  await world.service.drain(there!);
  two.count();
  expect(await world.hostOf(two)).not.toBe(there);
  const back = await comeBack(token, 'moved-back');
  await two.have('peer-back');
  two.count();
  expect(await back.have('data', 4)).toEqual([1, 2, 3, 4]);
  expect([two.of('peer-left'), two.drops, world.functions.of('close', one.id)]).toEqual([[], 0, []]);
});

test('it is closed while it is away: by the control API, over its peer, by the death of its host', async () => {
  const [one, two] = await pair('script', 'deleted');
  await cutOff(one, two);
  await control('DELETE', `/v1/sockets/${one.id}`);
  await two.have('peer-left');
  expect(await closeReason(one.id)).toBe('deleted');

  const [three, four] = await pair('closing', 'bereft');
  await cutOff(three, four);
  await four.leave();
  expect(await closeReason(three.id)).toBe('peer-left');

  const [five, six] = await pair('script', 'killed');
  await cutOff(five, six);
  const host = await world.hostOf(five);
  const { pid } = (await world.service.hosts()).find(({ id }) => id === host)!;
  six.room.reconnection.enabled = false;
  kill(pid);
  await six.have('close');
  expect(await closeReason(five.id)).toBe('host-lost');
  expect(closed.map((id) => world.functions.of('close', id).length)).toEqual(closed.map(() => 1));
});

test('it is closed while it is away: with the service', async () => {
  const last = await World.start({ hosts: 1 });
  const path = await Network.start(last.service.port);
  try {
    const stays = await last.open('script', 'stays');
    const options = { token: 'drops', answer: { peer: stays.id } };
    const drops = last.add(await new Client(path.url).joinOrCreate('script', options), 'drops');
    await Promise.all([stays.linked(drops), drops.linked(stays)]); // so it has confirmed its join, too
    drops.room.reconnection.enabled = false;
    path.cut();
    await stays.have('peer-drop');
    await last.service.stop();
    const [call] = await last.functions.have('close', drops.id);
    expect(JSON.parse(call!.body)).toEqual({ reason: 'server-shutdown' });
  } finally {
    path.stop();
    await last.stop();
  }
});
