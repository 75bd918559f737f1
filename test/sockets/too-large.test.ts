// A message that is longer than the service takes: whoever sends it is told in the way that it speaks.
import { Baton, SocketError } from '@baton/client';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Plain } from './plain.ts';
import { World } from './support.ts';

const LIMIT = 4_096; // maxPayload
const tooLong = 'x'.repeat(LIMIT + 1);
const CLOSED = { code: 1009, reason: 'BATON_MESSAGE_TOO_LARGE' };
const ERROR = { code: 'BATON_MESSAGE_TOO_LARGE', message: `A message has more than ${LIMIT} bytes.` };

let world: World;
const opened: Plain[] = [];
beforeAll(async () => {
  world = await World.start({ hosts: 2 });
}, 60_000);
afterAll(async () => {
  for (const socket of opened) socket.close();
  await world?.stop();
});

let players = 0;
const open = async (...protocols: string[]) => {
  const token = `player-${++players}`;
  const socket = new Plain(world.service.url, 'script', { token, protocols });
  opened.push(socket);
  await socket.opened;
  return Object.assign(socket, { id: await world.functions.socketOf(token) });
};
const reasons = async (socketId: string) =>
  (await world.functions.have('close', socketId)).map(({ body }) => JSON.parse(body));

test.each([
  ['where it was opened', async () => {}],
  ['where it has moved', (id: string) => world.service.moveAway(id)],
])('closes a socket with the code of the catalogue, and its function with "error": %s', async (_, before) => {
  for (const protocols of [[], ['baton.raw.v1'], ['baton.v1'], ['baton.resume.v1']]) {
    const socket = await open(...protocols);
    const speaks = protocols[0] === 'baton.v1' || protocols[0] === 'baton.resume.v1';
    if (speaks) await socket.event('open');
    await before(socket.id);
    socket.send(tooLong.slice(1)); // as long as may be
    socket.send(tooLong);
    expect(await socket.closed).toEqual(CLOSED);
    const told = socket.all('error').filter(({ code }) => code === ERROR.code);
    expect(told).toEqual(speaks ? [{ event: 'error', ...ERROR }] : []);
    expect(await reasons(socket.id)).toEqual([{ reason: 'error' }]);
  }

  const player = await world.open('script', `colyseus-${++players}`);
  await before(player.id);
  player.send(tooLong);
  await player.have('close');
  expect(player.of('error')).toEqual([ERROR]);
  expect(player.closes).toEqual([CLOSED]);
  expect(await reasons(player.id)).toEqual([{ reason: 'error' }]);
});

test('the client package has the error and the close', async () => {
  const socket = await new Baton(world.service.url).open('script', { token: 'sdk' });
  const heard: unknown[] = [];
  socket.on('error', (error) => heard.push(error));
  const closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason }));
  });
  socket.send(tooLong);
  expect(await closed).toEqual(CLOSED);
  expect(heard).toEqual([expect.any(SocketError)]);
  expect(heard).toMatchObject([ERROR]);
});

test('also of a client that is back on another connection', async () => {
  const socket = await open('baton.resume.v1');
  const { secret } = await socket.event('open');
  socket.sendAsItIs('\u0001{"ack":0,"ask":true}');
  await socket.event('ack');
  socket.terminate();
  const again = new Plain(world.service.url, `script?resume=${socket.id}&received=0`, {
    token: '',
    protocols: ['baton.resume.v1', `baton.secret.${secret}`],
  });
  opened.push(again);
  await again.event('resumed');
  again.send(tooLong);
  expect(await again.closed).toEqual(CLOSED);
  expect(again.all('error')).toEqual([{ event: 'error', ...ERROR }]);
});

test('also while the open function is still asked', async () => {
  const protocols = ['baton.v1'];
  const socket = new Plain(world.service.url, 'script', {
    token: 'hasty',
    options: { hold: true },
    protocols,
  });
  opened.push(socket);
  await socket.opened;
  socket.send(tooLong);
  expect(await socket.closed).toEqual(CLOSED);
  expect(socket.all('error')).toEqual([{ event: 'error', ...ERROR }]);
  const id = await world.functions.socketOf('hasty');
  world.functions.release(id, {});
  expect(await reasons(id)).toEqual([{ reason: 'error' }]);
});

test('what is wrong with a frame otherwise stays what it is', async () => {
  const socket = await open('baton.v1');
  await socket.event('open');
  socket.sendText(Buffer.of(0xff));
  expect(await socket.closed).toMatchObject({ code: 1007 });
  expect(socket.all('error')).toEqual([]);
});
