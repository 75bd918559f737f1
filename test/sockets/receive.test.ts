// What clients say, as functions get it: on a real service of two hosts, with sockets that move meanwhile.
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeadLetter } from '../../server/src/calls/index.ts';
import { kill, Service, until } from '../support/service.ts';
import { Plain } from './plain.ts';
import { json, raw, Studio, status } from './studio.ts';
import { attributesOf, Player } from './support.ts';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');
let studio: Studio;
let service: Service;
const opened: Plain[] = [];

beforeAll(async () => {
  studio = await Studio.open();
  service = await Service.start(path.join(fixtures, 'app.config.ts'), {
    args: ['--mappings', path.join(fixtures, 'receive.config.ts')],
    env: { FUNCTIONS_URL: studio.url },
  });
}, 60_000);
afterAll(async () => {
  for (const socket of opened) socket.close();
  await service?.stop();
  await studio?.close();
});

async function open(mapping: string, token: string) {
  const socket = new Plain(service.url, mapping, { token, protocols: ['baton.v1'] });
  opened.push(socket);
  const { socketId } = await socket.event('open');
  return Object.assign(socket, { socketId: socketId as string });
}

describe('a message', () => {
  test('is a call: text, bytes, and whatever a Colyseus client sends', async () => {
    const plain = await open('each', 'ann');
    plain.send('Zoë');
    plain.send(Buffer.of(0, 255));
    const calls = await studio.calls('ann', 2);
    expect(calls.map(({ headers, body }) => [headers['content-type'], body.toString('hex')])).toEqual([
      ['text/plain; charset=utf-8', Buffer.from('Zoë').toString('hex')],
      ['application/octet-stream', '00ff'],
    ]);
    expect(calls[0]!.headers).toMatchObject({
      'ce-type': 'baton.socket.receive',
      'ce-subject': plain.socketId,
      'ce-tenant': 'default',
      'ce-mapping': 'each',
      'ce-mappingversion': '1',
      'ce-epoch': '1',
      'ce-sequence': '2',
      'webhook-id': calls[0]!.headers['ce-id'],
    });
    const player = new Player(await new Client(service.url).joinOrCreate('each', { token: 'col' }), 'col');
    player.send({ x: 1 });
    player.room.sendBytes('data', Uint8Array.of(1, 2));
    expect(await studio.bodies('col', 2)).toEqual(['{"x":1}', '\x01\x02']);
    await player.leave();
  });

  test('is answered with text, bytes, actions, or nothing', async () => {
    const ann = await open('each', 'asker');
    const say = async (answer: Parameters<Studio['answer']>[2], text: string) => {
      studio.answer('asker', 'receive', answer);
      ann.send(text);
      return ann.text();
    };
    expect(await say(raw('text/plain', '\u0001Zoë'), 'a')).toBe('\u0001Zoë');
    expect(await say(raw('application/octet-stream', Buffer.of(0, 255)), 'b')).toEqual(Buffer.of(0, 255));
    expect(await say(json({ send: { hello: 1 } }), 'c')).toBe('{"hello":1}');
    expect(await say(json({ send: 'plain' }), 'd')).toBe('plain');
    studio.answer('asker', 'receive', json({ sent: 1 }));
    ann.send('e');
    expect(await ann.event('error')).toMatchObject({
      code: 'BATON_CALL_FAILED',
      message: 'The receive function of mapping each failed: its answer is invalid: Unrecognized key: "sent"',
    });
  });

  test('goes to the peers and to the endpoint, where the mapping says both', async () => {
    const [ann, bob] = [await open('both', 'both-a'), await open('both', 'both-b')];
    ann.send('alone');
    expect(await studio.bodies('both-a', 1)).toEqual(['alone']);
    studio.answer('both-a', 'receive', json({ peer: bob.socketId }));
    ann.send('link');
    await Promise.all([ann.event('linked'), bob.event('linked')]);
    studio.answer('both-a', 'receive', json({}));
    ann.send('hello');
    expect(await bob.text()).toBe('hello');
    expect(await studio.bodies('both-a', 3)).toEqual(['alone', 'link', 'hello']);
  });

  test('goes to the entry that picks it, or is refused', async () => {
    const ann = await open('routed', 'router');
    ann.send('{"type":"move","x":1}');
    ann.send(Buffer.of(1, 2));
    ann.send('{"type":"chat"}');
    ann.send(Buffer.of(1, 3));
    expect(await studio.bodies('router', 1, 'moves')).toEqual(['{"type":"move","x":1}']);
    expect(await studio.bodies('router', 1, 'binary')).toEqual(['\x01\x02\x01\x03']);
    expect((await ann.event('error')).code).toBe('BATON_MESSAGE_UNROUTED');
  });
});

describe('calls of a socket', () => {
  test('come one at a time and in order, however long each takes and wherever the socket is', async () => {
    const ann = await open('each', 'mover');
    let running = 0;
    let most = 0;
    studio.answer('mover', 'receive', async (response) => {
      most = Math.max(most, ++running);
      await wait(Math.random() * 4);
      running--;
      response.writeHead(204).end();
    });
    const moving = service.keepMoving(ann.socketId);
    const count = 400;
    for (let n = 1; n <= count; n++) {
      ann.send(String(n));
      if (n % 20 === 0) await wait(20);
    }
    const calls = await studio.calls('mover', count);
    await moving.stop(3);
    expect(calls.map(({ body }) => Number(body.toString()))).toEqual(
      Array.from({ length: count }, (_, i) => i + 1),
    );
    expect(calls.map(({ headers }) => Number(headers['ce-sequence']))).toEqual(
      Array.from({ length: count }, (_, i) => i + 2),
    );
    expect(most).toBe(1);
    expect(new Set(calls.map(({ headers }) => headers['ce-source'])).size).toBe(2);
  }, 60_000);

  test('get what answers said is to be kept, on every host, up to the last one', async () => {
    studio.answer('keeper', 'open', json({ attributes: { team: 'rød', rank: 1 } }));
    const ann = await open('each', 'keeper');
    studio.answer('keeper', 'receive', json({ attributes: { rank: null, level: [2] } }));
    ann.send('1');
    await studio.calls('keeper', 1);
    await service.moveAway(ann.socketId);
    studio.answer('keeper', 'receive', json({ close: { code: 4100, reason: 'over' } }));
    ann.send('2');
    expect(await ann.closed).toEqual({ code: 4100, reason: 'over' });
    const [close] = await studio.calls('keeper', 1, 'close');
    const told = [...(await studio.calls('keeper', 2)), close!];
    expect(told.map((call) => attributesOf(call as never))).toEqual([
      { team: 'rød', rank: 1 },
      { team: 'rød', level: [2] },
      { team: 'rød', level: [2] },
    ]);
    expect(JSON.parse(close!.body.toString())).toEqual({ reason: 'function' });
    expect(close!.headers['ce-sequence']).toBe('4');
  });

  test('are not made twice nor left out when one fails for good; it is told, kept, and can be made again', async () => {
    const ann = await open('each', 'unlucky');
    studio.answer('unlucky', 'receive', status(500));
    ann.send('lost');
    expect(await ann.event('error')).toMatchObject({ code: 'BATON_CALL_FAILED' });
    studio.answer('unlucky', 'receive', raw('text/plain', 'well'));
    ann.send('next');
    expect(await ann.text()).toBe('well');

    const found = await service.api<{ deadLetters: DeadLetter[] }>('GET', '/v1/dead-letters');
    const letter = found.deadLetters.find(({ event }) => event.playerId === 'unlucky')!;
    expect(letter).toMatchObject({ reason: 'it answered 500', attempts: 1, route: 0 });
    const replay = () =>
      fetch(`${service.url}/v1/dead-letters/${letter.number}/replay`, {
        method: 'POST',
        headers: { authorization: `Bearer ${service.token}` },
      });
    expect((await replay()).status).toBe(204);
    expect((await replay()).status).toBe(404);
    const [first, , again] = await studio.calls('unlucky', 3);
    expect(again!.body.toString()).toBe('lost');
    for (const name of ['ce-id', 'webhook-id', 'ce-sequence', 'ce-subject', 'content-type'])
      expect(again!.headers[name]).toBe(first!.headers[name]);
  });

  test('tell of the beginning and the end of a link, and may answer as any other', async () => {
    const [ann, bob] = [await open('each', 'link-a'), await open('each', 'link-b')];
    studio.answer('link-a', 'linked', json({ send: 'you have a peer' }));
    studio.answer('link-a', 'unlinked', raw('text/plain', 'it has left'));
    studio.answer('link-a', 'receive', json({ peer: bob.socketId }));
    ann.send('link');
    expect(await ann.text()).toBe('you have a peer');
    bob.close();
    expect(await ann.text()).toBe('it has left');
    for (const at of ['linked', 'unlinked'])
      expect(JSON.parse((await studio.bodies('link-a', 1, at))[0]!)).toEqual({ peers: [bob.socketId] });
    await studio.calls('link-b', 1, 'close');
    expect(studio.told.filter(({ player }) => player === 'link-b').map(({ type }) => type)).toEqual([
      'open',
      'linked',
      'close',
    ]);
  });
});

test('an answer may link by group or name, and end a link', async () => {
  const [ann, bob] = [await open('each', 'group-a'), await open('each', 'group-b')];
  for (const player of ['group-a', 'group-b']) {
    studio.answer(
      player,
      'receive',
      json({ group: `receive-${ann.socketId}`, size: 2, alias: `at-${player}` }),
    );
  }
  ann.send('join');
  bob.send('join');
  expect((await ann.event('linked')).peers).toEqual([bob.socketId]);
  await bob.event('linked');
  studio.answer('group-a', 'receive', json({ unlink: true }));
  ann.send('leave');
  expect((await bob.event('peer-left')).peer).toBe(ann.socketId);
  await studio.calls('group-a', 1, 'unlinked');
  studio.answer('group-a', 'receive', json({ peer: 'at-group-b' }));
  ann.send('again');
  expect((await studio.bodies('group-b', 2, 'linked'))[1]).toBe(JSON.stringify({ peers: [ann.socketId] }));
});

describe('what waits to become a call', () => {
  test('moves with the socket: a delimiter that is cut by a move is found', async () => {
    const ann = await open('lines', 'cut');
    ann.send('one\r\ntwo\r');
    await studio.bodies('cut', 1);
    await service.moveAway(ann.socketId);
    ann.send('\nthree');
    expect(await studio.bodies('cut', 2)).toEqual(['one\r\n', 'two\r\n']);
    await service.moveAway(ann.socketId);
    ann.send('\r\n');
    expect((await studio.bodies('cut', 3))[2]).toBe('three\r\n');
  });

  test('has its time, which goes on over a move', async () => {
    const ann = await open('every', 'timed');
    ann.send('a');
    await service.moveAway(ann.socketId);
    ann.send('b');
    const [call] = await studio.calls('timed', 1);
    expect(call!.body.toString()).toBe('ab');
    expect(call!.headers['content-type']).toBe('text/x-moves');
    expect(call!.headers['ce-epoch']).toBe('2');
    ann.send('c');
    expect((await studio.bodies('timed', 2))[1]).toBe('c');
  });

  test('is told before the close call when the socket closes, or dropped', async () => {
    for (const [mapping, player, last] of [
      ['lines', 'flush', ['one\r\n', 'two', '{"reason":"left"}']],
      ['dropped', 'drop', ['one\r\n', '{"reason":"left"}']],
    ] as const) {
      const release: (() => void)[] = [];
      studio.answer(player, 'receive', (response) => release.push(() => response.writeHead(204).end()));
      const ann = await open(mapping, player);
      ann.send('one\r\ntwo');
      await studio.calls(player, 1);
      ann.close();
      await ann.closed;
      const about = () => studio.told.filter((told) => told.player === player).slice(1);
      for (let i = 1; i < last.length; i++) {
        await studio.calls(player, i);
        while (release.length === 0) await wait(1);
        expect(about()).toHaveLength(i);
        release.shift()!();
      }
      await studio.calls(player, 1, 'close');
      expect(about().map(({ body }) => body.toString())).toEqual(last);
    }
  });

  test('closes the socket when it is too much, or is sent, as the mapping says', async () => {
    const ann = await open('tight', 'tight');
    ann.send('12345678');
    ann.send('9');
    expect((await ann.event('error')).code).toBe('BATON_RECEIVE_OVERFLOW');
    expect(await ann.closed).toEqual({ code: 4018, reason: 'BATON_RECEIVE_OVERFLOW' });
    expect((await studio.bodies('tight', 1, 'close'))[0]).toBe('{"reason":"receive-overflow"}');
    expect(await studio.bodies('tight', 1)).toEqual(['123456789']);
    const bob = await open('flushed', 'flushed');
    for (const message of ['1234', '5678', '9', 'x'.repeat(20)]) bob.send(message);
    expect(await studio.bodies('flushed', 3)).toEqual(['12345678', '9', 'x'.repeat(20)]);
  });

  test('may be many small messages, read at once: the client is held back, not closed', async () => {
    const ann = await open('each', 'small');
    let release: (() => void) | undefined;
    studio.answer('small', 'receive', (response) => {
      const done = () => response.writeHead(204).end();
      if (release) done();
      else release = done;
    });
    const count = 1_500;
    for (let n = 0; n < count; n++) ann.send(String(n));
    await studio.calls('small', 1);
    while (!ann.settled()) await wait(20);
    release!();
    expect(await studio.bodies('small', count)).toEqual(Array.from({ length: count }, (_, n) => String(n)));
  });

  test('holds a client back whose calls take long; nothing is lost', async () => {
    const ann = await open('each', 'eager');
    let release: (() => void) | undefined;
    studio.answer('eager', 'receive', (response, { body }) => {
      const done = () => response.writeHead(204).end();
      if (body[0] === 0 && !release) release = done;
      else done();
    });
    const message = (n: number) => Buffer.concat([Buffer.of(n), Buffer.alloc(4_000, n)]);
    const count = 3_000; // more than the kernel takes
    for (let n = 0; n < count; n++) ann.send(message(n));
    await studio.calls('eager', 1);
    while (!ann.settled() || ann.buffered === 0) await wait(50);
    release!();
    const calls = await studio.calls('eager', count);
    expect(calls.map(({ body }) => body.length === 4_001 && body[0])).toEqual(
      Array.from({ length: count }, (_, n) => n % 256),
    );
  });
});

test('what hosts that stop could not deliver in time is kept, nothing of it is lost', async () => {
  const players = ['late-0', 'late-1', 'late-2', 'late-3'];
  for (const player of players) {
    studio.answer(player, 'receive', () => {}); // never
    const socket = await open('each', player);
    socket.send('one');
    socket.send('two');
    await studio.calls(player, 1);
    socket.close();
    await socket.closed;
  }
  const before = await service.hosts();
  await service.reload();
  await until(async () => {
    const now = await service.hosts();
    return before.every(({ id }) => !now.some((host) => host.id === id));
  }, 'the hosts before to be gone');
  const { deadLetters } = await service.api<{ deadLetters: DeadLetter[] }>('GET', '/v1/dead-letters');
  for (const player of players) {
    const letters = deadLetters.filter(({ event }) => event.playerId === player).reverse();
    const kept = letters.map(({ event, body }) => [event.type, Buffer.from(body!, 'base64').toString()]);
    expect(kept).toEqual([
      ['receive', 'one'],
      ['receive', 'two'],
      ['close', '{"reason":"left"}'],
    ]);
  }
}, 60_000);

test('a socket whose host dies before its close function has answered is told again, under the same id', async () => {
  const ann = await open('each', 'mourned');
  const release: (() => void)[] = [];
  studio.answer('mourned', 'close', (response) => release.push(() => response.writeHead(204).end()));
  const { host } = (await service.room(ann.socketId))!;
  ann.close();
  await studio.calls('mourned', 1, 'close');
  kill((await service.hosts()).find(({ id }) => id === host)!.pid);
  const [first, second] = await studio.calls('mourned', 2, 'close');
  for (const answer of release) answer();
  expect(second!.headers['ce-id']).toBe(first!.headers['ce-id']);
  expect([first, second].map((call) => JSON.parse(call!.body.toString()).reason)).toEqual([
    'left',
    'host-lost',
  ]);
}, 60_000);
