// baton.resume.v1 as it goes over the wire, to clients that do not do their part.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import { Plain } from './plain.ts';
import { World } from './support.ts';

let world: World;
const opened: Plain[] = [];
beforeAll(async () => {
  world = await World.start({ hosts: 1 });
}, 60_000);
afterAll(async () => {
  for (const socket of opened) socket.close();
  await world?.stop();
});

async function open(token: string, answer: object = {}, mapping = 'quickly', protocol = 'baton.resume.v1') {
  const socket = new Plain(world.service.url, mapping, { token, options: { answer }, protocols: [protocol] });
  opened.push(socket);
  const { socketId } = await socket.event('open');
  return Object.assign(socket, { id: socketId as string });
}
const say = (socket: Plain, what: object) => socket.sendAsItIs(`\u0001${JSON.stringify(what)}`);
const comeBack = ({ id }: { id: string }, mapping: string, secret: unknown) => {
  const again = new Plain(world.service.url, `${mapping}?resume=${id}&received=0`, {
    token: '',
    protocols: ['baton.resume.v1', `baton.secret.${secret}`],
  });
  opened.push(again);
  return again;
};

test('its client is told what it needs to come back, and what was heard of it: by number, by time, when it asks', async () => {
  const one = await open('ann');
  expect(await one.event('open')).toEqual({
    event: 'open',
    socketId: one.id,
    playerId: 'ann',
    secret: expect.stringMatching(/^[\w-]{32}$/),
    resumeMs: 10_000,
    forward: 'peers',
  });
  const acks = async (count: number) => {
    await until(() => one.all('ack').length >= count, `${count} acks`);
    return one.all('ack').at(-1).count;
  };
  for (let i = 0; i < 32; i++) one.send('x');
  expect(await acks(1)).toBe(32);
  one.send('y');
  expect(await acks(2)).toBe(33);
  say(one, { ack: 0, ask: true });
  expect(await acks(3)).toBe(33);
  const strict = await open('bob', {}, 'strict');
  expect(await strict.event('open')).toMatchObject({ resumeMs: 0 });
  say(strict, { ack: 0, ask: true });
  expect(await strict.event('ack')).toEqual({ event: 'ack', count: 0 });
});

test('what is not understood is answered; a client that confirms what it never got, or asks all the time, too', async () => {
  const one = await open('odd');
  for (const nonsense of [
    { what: 1 },
    { ack: -1 },
    { ack: 9 },
    { enter: 'x'.repeat(65) },
    { request: 1, more: 2 },
    { back: false },
  ])
    say(one, nonsense);
  one.sendAsItIs('\u0001nonsense');
  await until(() => one.all('error').length === 7, 'errors');
  expect(new Set(one.all('error').map(({ code }) => code))).toEqual(new Set(['BATON_MESSAGE_UNKNOWN']));
  say(one, { enter: 'no room' });
  expect(await one.event('left')).toMatchObject({ code: 4020, reason: 'BATON_ROOM_NOT_FOUND' });
  say(one, { back: true });
  for (let i = 0; i < 30; i++) say(one, { ack: 0, ask: true });
  expect(await one.closed).toEqual({ code: 4016, reason: 'BATON_TOO_MANY_MESSAGES' });
});

test('a room that is not there is no way around the limit, nor is to be back again and again', async () => {
  const [one, two] = [await open('loud', {}, 'quiet'), await open('back')];
  say(one, { enter: 'no room' });
  for (let i = 0; i < 100; i++) one.send(`${i}`);
  for (let i = 0; i < 30; i++) say(two, { back: true });
  for (const { closed } of [one, two])
    expect(await closed).toEqual({ code: 4016, reason: 'BATON_TOO_MANY_MESSAGES' });
  expect(two.all('error').map(({ code }) => code)).toEqual(['BATON_TOO_MANY_MESSAGES']);
});

test('what a client has kept while it was away is not held against it', async () => {
  const one = await open('keeper', {}, 'quiet');
  const { secret } = one.all('open')[0]!;
  say(one, { ack: 0, ask: true });
  await one.event('ack');
  one.send('first');
  one.terminate();
  await new Promise((resolve) => setTimeout(resolve, 1_200)); // 20 a second
  const again = comeBack(one, 'quiet', secret);
  const { received } = await again.event('resumed');
  for (let i = 0; i < 40; i++) again.send(`${i}`);
  say(again, { ack: 0, ask: true });
  const heard = () => again.all('ack').some(({ count }) => count === (received as number) + 40);
  await until(() => heard() || !again.isOpen, 'all to be heard');
  expect([again.isOpen, heard()]).toEqual([true, true]);
});

test('a client that confirms nothing holds its peer back, and is closed in the end', async () => {
  const mute = await open('mute');
  const writer = await open('writer', { peer: mute.id }, 'quickly', 'baton.v1');
  await mute.event('linked');
  const chunk = Buffer.alloc(4_000, 7);
  const count = 10_000;
  for (let i = 0; i < count; i++) writer.send(chunk);
  await until(() => writer.buffered > 0 && writer.settled(), 'the writer to be held back');
  expect(writer.buffered).toBeGreaterThan(5_000_000);
  expect(await mute.closed).toEqual({ code: 4013, reason: 'BATON_HELD_OVERFLOW' });
  await writer.event('peer-left');
}, 60_000);

test('where the mapping says so what it does not confirm is left out instead, until it does', async () => {
  const mute = await open('mum', {}, 'volatile');
  const writer = await open('author', { peer: mute.id }, 'volatile');
  await Promise.all([mute.event('linked'), writer.event('linked')]);
  const [count, kept] = [200, 65]; // of 4,000 bytes, until 256 KiB are full
  for (let i = 0; i < count; i++) writer.send(Buffer.alloc(4_000, i));
  say(writer, { ack: 0, ask: true });
  await until(() => writer.all('ack').some((ack) => ack.count === count), 'all to be read');
  const heard = (await mute.data(kept)) as Buffer[];
  expect(heard.map(([first]) => first)).toEqual(Array.from({ length: kept }, (_, i) => i));
  say(mute, { ack: kept + 1, ask: true }); // what it heard first is `linked`
  await mute.event('ack');
  writer.send('again');
  expect(await mute.text()).toBe('again');
});

test('a silent client is idle, whatever it says of the counting', async () => {
  const idle = await open('idle', {}, 'silent');
  const asking = setInterval(() => say(idle, { ack: 0, ask: true }), 100);
  expect(await idle.closed).toEqual({ code: 4021, reason: 'BATON_SOCKET_IDLE' });
  clearInterval(asking);
});

test('one that was not heard of since it opened comes back soon, or is not waited for', async () => {
  const one = await open('hasty', {}, 'patient');
  const ghost = await open('ghost', {}, 'patient');
  const two = await open('stays', { peers: [one.id, ghost.id] }, 'patient', 'baton.v1');
  await two.event('linked');
  // what the first has said may be lost with its connection; the second may never have heard that its socket is open
  one.terminate();
  ghost.terminate();
  await comeBack(one, 'patient', one.all('open')[0]!['secret']).event('resumed');
  expect(await two.event('peer-left')).toMatchObject({ peer: ghost.id });
  expect(two.all('peer-left')).toHaveLength(1);
});
