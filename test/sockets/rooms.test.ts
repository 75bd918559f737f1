// The room of linked sockets, entered on the connections that they have: on a real service of two hosts, which players
// leave and come back to, while everything moves.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Baton, type BatonSocket } from '@baton/client';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { kill, Service, until } from '../support/service.ts';
import { Plain } from './plain.ts';
import { json, nothing, Studio } from './studio.ts';
import { Player } from './support.ts';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');
const log = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'baton-arena-')), 'log');
let studio: Studio;
let service: Service;
const opened: BatonSocket<any>[] = [];

beforeAll(async () => {
  fs.writeFileSync(log, '');
  studio = await Studio.open();
  service = await start(2);
}, 60_000);
afterAll(async () => {
  await Promise.all(opened.map((socket) => socket.close()));
  await service?.stop();
  await studio?.close();
  fs.rmSync(path.dirname(log), { recursive: true });
});

const start = (hosts: number) =>
  Service.start(path.join(fixtures, 'arena.config.ts'), {
    hosts,
    args: ['--mappings', path.join(fixtures, 'arena-mappings.config.ts')],
    env: { FUNCTIONS_URL: studio.url, ARENA_LOG: log },
  });

/** What the hooks of rooms saw of those whose names begin so. */
const noted = (about: string) =>
  fs
    .readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[1]?.startsWith(about));

class Peer {
  readonly socket: BatonSocket<any>;
  readonly name: string;
  readonly connections: WebSocket[];
  readonly heard: unknown[] = [];
  readonly errors: string[] = [];
  readonly rooms: Room[] = [];
  readonly hits: number[] = [];
  readonly left: { code: number; reason?: string }[] = [];
  readonly closes: number[] = [];
  sent = 0;

  constructor(socket: BatonSocket<any>, name: string, connections: WebSocket[]) {
    this.socket = socket;
    this.name = name;
    this.connections = connections;
    socket.on('message', (data) => this.heard.push(data));
    socket.on('error', ({ code }) => this.errors.push(code));
    socket.on('close', (code) => this.closes.push(code));
    socket.on('room', (room) => {
      this.rooms.push(room);
      room.onMessage('hit', (n: number) => this.hits.push(n));
      room.onMessage('*', () => {});
      room.onLeave((code, reason) => this.left.push(reason ? { code, reason } : { code }));
    });
  }

  get room(): Room {
    return this.socket.room!;
  }

  get state(): any {
    return this.room.state;
  }

  hit(): void {
    this.room.send('hit', ++this.sent);
  }

  async inside(times = 1): Promise<void> {
    const there = () => this.rooms.length === times && this.socket.room?.state?.players?.size > 0;
    await until(there, `${this.name} is inside`).catch((error) => {
      const seen = { rooms: this.rooms.map(({ roomId }) => roomId), errors: this.errors, left: this.left };
      throw new Error(`${error.message}: ${JSON.stringify(seen)}`);
    });
  }

  async outside(): Promise<void> {
    await until(() => this.socket.room === undefined, `${this.name} is outside`);
  }

  async hears(data: unknown): Promise<void> {
    await until(() => this.heard.includes(data), `${this.name} hears ${data}`);
  }
}

async function enter(name: string, answer: object = {}, mapping = 'duel'): Promise<Peer> {
  studio.answer(name, 'open', json(answer));
  const connections: WebSocket[] = [];
  class Watched extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      connections.push(this);
    }
  }
  const socket = await new Baton(service.url, { WebSocket: Watched }).open(mapping, { token: name });
  opened.push(socket);
  return new Peer(socket, name, connections);
}

/** Two that are linked. */
async function pair(
  name: string,
  room: object = { name: 'arena', options: { map: name } },
  mapping = 'duel',
): Promise<Peer[]> {
  const one = await enter(`${name}-1`, {}, mapping);
  const two = await enter(`${name}-2`, { peer: one.socket.id, room }, mapping);
  return [one, two];
}

/** Two that are in a room. */
async function play(name: string, room?: object, mapping?: string): Promise<[Peer, Peer]> {
  const [one, two] = (await pair(name, room, mapping)) as [Peer, Peer];
  await Promise.all([one.inside(), two.inside()]);
  await until(() => one.state?.players?.size === 2 && two.state?.players?.size === 2, 'both see both');
  return [one, two];
}

/** Plays while `work` goes on. @returns what was lost or came out of order */
async function during(peers: Peer[], work: () => Promise<unknown>): Promise<string[]> {
  const timer = setInterval(() => {
    for (const peer of peers) peer.hit();
  }, 5);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  for (const peer of peers)
    await until(() => peer.hits.length >= peer.sent, `${peer.name} hears of all its hits`, 20_000);
  return peers.flatMap(({ name, hits, sent, closes }) => {
    const right = hits.length === sent && hits.every((n, i) => n === i + 1) && closes.length === 0;
    return right ? [] : [`${name}: ${hits.length} of ${sent}, closed ${closes}`];
  });
}

const ids = (peers: Peer[]) => [...peers.map(({ socket }) => socket.id), peers[0]!.room.roomId];
async function hostsOf(roomIds: string[]): Promise<string[]> {
  const rooms = await service.rooms();
  return roomIds.map((id) => rooms.find(({ roomId }) => roomId === id)!.host);
}

describe('linked sockets', () => {
  test('enter one room on their connections, play, leave it and are peers as before', async () => {
    const [one, two] = (await pair('ann')) as [Peer, Peer];
    await Promise.all([one.inside(), two.inside()]);
    expect(one.room.roomId).toBe(two.room.roomId);
    await until(() => one.state.players.size === 2, 'both are there');
    expect([...one.state.players.values()].sort()).toEqual(['ann-1', 'ann-2']);
    expect(one.state.map).toBe('ann');
    expect(await during([one, two], () => until(() => two.state.hits > 20, 'hits'))).toEqual([]);
    const everybody = one.rooms[0]!;
    const view = () => service.api<{ room?: string }>('GET', `/v1/sockets/${one.socket.id}`);
    expect((await view()).room).toBe(one.room.roomId);
    two.socket.send('later');
    await one.room.leave();
    expect([one.left, one.socket.room, one.closes]).toEqual([[{ code: 4000 }], undefined, []]);
    expect((await view()).room).toBeUndefined();
    one.socket.send('are you there?');
    await until(() => two.state.players.size === 1, 'one has left');
    expect(two.heard).toEqual([]);
    await two.room.leave();
    await one.hears('later');
    await two.hears('are you there?');
    one.socket.send('yes');
    await two.hears('yes');
    everybody.send('hit', 1); // nobody is there any more
    await until(() => noted('ann').includes('dispose ann'), 'the room is gone');
    expect(noted('ann')).toEqual(['create ann', 'leave ann-1 4000', 'leave ann-2 4000', 'dispose ann']);
    expect([one.connections.length, one.errors, two.errors]).toEqual([1, [], []]);
    one.socket.send('x'.repeat(4_097)); // it is the socket's again
    await until(() => one.closes.length > 0, 'it is closed');
    expect([one.errors, one.closes]).toEqual([['BATON_MESSAGE_TOO_LARGE'], [1009]]);
  });

  test('enter the room that the control API says', async () => {
    const [one, two] = [await enter('asked-1'), await enter('asked-2')];
    const room = { name: 'arena', options: { map: 'asked' } };
    await service.api('POST', `/v1/sockets/${one.socket.id}/link`, { peer: two.socket.id, room });
    await Promise.all([one.inside(), two.inside()]);
    expect([one.state.map, two.room.roomId]).toEqual(['asked', one.room.roomId]);
    await Promise.all([one.room.leave(), two.room.leave()]);
  });

  test('get another room when all have left the first one', async () => {
    const [one, two] = await play('rob');
    const [first] = one.rooms;
    await Promise.all([one.room.leave(), two.room.leave(false)]);
    await until(() => noted('rob').includes('dispose rob'), 'the room is gone');
    studio.answer('rob-1', 'linked', json({ room: { name: 'arena', options: { map: 'rob2' } } }));
    // any function may say so: the next call is that of a new link
    await two.socket.close();
    await until(() => one.socket.peers.length === 0, 'the link to end');
    const three = await enter('rob-3', { peer: one.socket.id });
    await Promise.all([one.inside(2), three.inside()]);
    expect(one.room.roomId).toBe(three.room.roomId);
    expect(one.room.roomId).not.toBe(first!.roomId);
    expect(three.state.map).toBe('rob2');
  });

  test('are moved and drained with their room, and come home elsewhere', async () => {
    const [one, two] = await play('mov');
    const wrong = await during([one, two], async () => {
      for (let i = 0; i < 3; i++) await service.moveAway(one.room.roomId);
      for (let i = 0; i < 3; i++) await service.moveAway(two.socket.id);
      const [host] = await hostsOf([one.room.roomId]);
      expect((await service.drain(host!)).refused).toEqual([]);
    });
    expect(wrong).toEqual([]);
    expect(new Set(await hostsOf(ids([one, two]))).size).toBe(1);
    await one.room.leave();
    two.room.send('kick', 4300);
    await two.outside();
    expect(two.left).toEqual([{ code: 4300, reason: 'out' }]);
    one.socket.send('home');
    two.socket.send('home, too');
    await two.hears('home');
    await one.hears('home, too');
    await service.reload();
    one.socket.send('again');
    await two.hears('again');
    expect([one.closes, two.closes]).toEqual([[], []]);
  }, 60_000);

  test('stay where they are while their room cannot move', async () => {
    const [one, two] = await play('fix', { name: 'fixed', options: { map: 'fix' } });
    const [before] = await hostsOf([one.room.roomId]);
    const other = (await service.hosts()).find(({ id, state }) => id !== before && state === 'up');
    for (const id of ids([one, two]))
      await expect(service.migrate(id, other!.id)).rejects.toMatchObject({ code: 'BATON_ROOM_IMMOVABLE' });
    expect(new Set(await hostsOf(ids([one, two])))).toEqual(new Set([before]));
    expect(await during([one, two], () => until(() => two.state.hits > 20, 'hits'))).toEqual([]);
    await Promise.all([one.room.leave(), two.room.leave()]);
    await service.moveAway(one.socket.id);
    one.socket.send('moved');
    await two.hears('moved');
  });

  test('come back when the room ends, whatever ends it', async () => {
    const [one, two] = await play('end');
    one.room.send('end');
    await Promise.all([one.outside(), two.outside()]);
    expect([one.left, two.left]).toEqual([[{ code: 4100 }], [{ code: 4100 }]]);
    two.socket.send('still here');
    await one.hears('still here');
    expect(noted('end').sort()).toEqual([
      'create end',
      'dispose end',
      'drop end-1 4100',
      'drop end-2 4100',
      'leave end-1 4100',
      'leave end-2 4100',
    ]);
  });

  test('that close while they are in the room have left it', async () => {
    const [one, two] = await play('bye');
    await one.socket.close();
    expect([one.left, one.closes]).toEqual([[{ code: 4000 }], [4000]]);
    await until(() => two.state.players.size === 1, 'one has left');
    expect((await studio.calls('bye-1', 1, 'close')).map(({ body }) => body.toString())).toEqual([
      '{"reason":"left"}',
    ]);
    two.connections[0]!.close(4999);
    expect((await studio.calls('bye-2', 1, 'close')).length).toBe(1);
    await until(() => noted('bye').includes('dispose bye'), 'the room is gone');
    expect(noted('bye')).toEqual([
      'create bye',
      'leave bye-1 4000',
      'drop bye-2 4999',
      'leave bye-2 4999',
      'dispose bye',
    ]);
  });

  test('that say too much at once in the room are closed with the code of that', async () => {
    const [, two] = await play('big');
    two.room.send('data', 'x'.repeat(5_000));
    await until(() => two.closes.length > 0, 'two is closed');
    expect([two.left, two.closes]).toEqual([[{ code: 1009, reason: 'BATON_MESSAGE_TOO_LARGE' }], [1009]]);
    expect((await studio.calls('big-2', 1, 'close')).map(({ body }) => body.toString())).toEqual([
      '{"reason":"error"}',
    ]);
  });

  test('go in and out while they are moved, and lose nothing that they say', async () => {
    const [one, two] = await play('io', undefined, 'both');
    const another = json({ room: { name: 'arena', options: { map: 'io' } } });
    studio.answer('io-1', 'receive', (response, told) =>
      (told.body.toString() === 'again' ? another : nothing)(response, told),
    );
    const moving = service.keepMoving(one.socket.id);
    const said: string[][] = [[], []];
    for (let round = 1; round <= 16; round++) {
      await Promise.all([one.inside(round), two.inside(round)]);
      said[0]!.push(`inside ${round}`);
      two.socket.send(`inside ${round}`);
      one.hit();
      two.hit();
      if (round % 3 === 0) one.room.send('end');
      else if (round % 3 === 1) two.room.send('kick', 4300);
      else void two.room.leave();
      two.room.send('data', 'on its way when the room was left');
      await two.outside();
      said[1]!.push(`outside ${round}`);
      one.socket.send(`outside ${round}`);
      if (one.socket.room) await one.room.leave();
      await Promise.all([one.hears(`inside ${round}`), two.hears(`outside ${round}`)]);
      if (round === 16) break;
      said[1]!.push('again');
      one.socket.send('again');
    }
    await moving.stop(4);
    expect([one.heard, two.heard]).toEqual(said);
    expect([one.errors, two.errors, one.closes, two.closes]).toEqual([[], [], [], []]);
  }, 60_000);

  test('may not be told too much while they are in it', async () => {
    const [one, two] = await play('too');
    const flood = () => {
      for (;;) two.socket.send('x'.repeat(2_000));
    };
    expect(flood).toThrow(expect.objectContaining({ code: 'BATON_SEND_BUFFER_FULL' }));
    await one.room.leave();
    for (let i = 0; i < 140; i++) one.socket.send('x'.repeat(2_000));
    await until(() => two.closes.length > 0, 'two is closed');
    expect([two.closes, two.errors, two.left]).toEqual([
      [4013],
      [],
      [{ code: 4013, reason: 'BATON_HELD_OVERFLOW' }],
    ]);
    await until(() => noted('too').includes('drop too-2 4013'), 'the room knows');
    expect(await studio.calls('too-2', 1, 'close')).toHaveLength(1);
  });

  test('are closed in it by the control API', async () => {
    const [one, two] = await play('del');
    await service.api('DELETE', `/v1/sockets/${two.socket.id}`).catch(() => {});
    await until(() => two.closes.length > 0, 'two is closed');
    expect([two.closes, two.left[0]!.code]).toEqual([[4019], 4019]);
    expect(await studio.calls('del-2', 1, 'close')).toHaveLength(1);
    await until(() => one.state.players.size === 1, 'two has left');
  });

  test('are closed in it when their mapping says so', async () => {
    const [one, two] = await play('clo', undefined, 'closing');
    await one.socket.close();
    await until(() => two.closes.length > 0, 'two is closed');
    expect([two.closes, two.left[0]!.code]).toEqual([[4014], 4014]);
    expect((await studio.calls('clo-2', 1, 'close'))[0]!.body.toString()).toBe('{"reason":"peer-left"}');
  });
});

describe('no room', () => {
  test('of that name: peers hear why, and stay linked', async () => {
    const [one, two] = (await pair('non', { name: 'nowhere' })) as [Peer, Peer];
    await until(() => one.errors.length > 0 && two.errors.length > 0, 'errors');
    expect([one.errors, two.errors]).toEqual([['BATON_ROOM_CLASS_MISSING'], ['BATON_ROOM_CLASS_MISSING']]);
    one.socket.send('never mind');
    await two.hears('never mind');
    expect(service.output.join('')).toContain('does not define the room \\"nowhere\\"');
  });

  test('that could be made', async () => {
    const [one, two] = (await pair('bad', { name: 'arena', options: { fails: true } })) as [Peer, Peer];
    await until(() => one.errors.length > 0 && two.errors.length > 0, 'errors');
    expect(two.errors).toEqual(['BATON_ROOM_FAILED']);
    one.socket.send('never mind');
    await two.hears('never mind');
  });

  test('that is still there when a client comes', async () => {
    const one = await enter('gone-1');
    const late = one.socket as unknown as { enter(): void };
    const offered = new Promise<void>((resolve) => {
      late.enter = resolve;
    });
    const two = await enter('gone-2', {
      peer: one.socket.id,
      room: { name: 'arena', options: { map: 'gone' } },
    });
    await two.inside();
    two.room.send('end');
    await offered;
    await two.outside(); // the seat that is still held keeps the room from being disposed
    one.socket.send('before');
    Object.getPrototypeOf(late).enter.call(late);
    one.socket.send('after');
    await until(() => one.errors.length > 0, 'an error');
    expect([one.errors, one.rooms]).toEqual([['BATON_ROOM_NOT_FOUND'], []]);
    await two.hears('after');
    expect(two.heard).toEqual(['before', 'after']);
  });

  test('that lets one of them in', async () => {
    const options = { map: 'ref', refuse: 'ref-1' };
    const [one, two] = (await pair('ref', { name: 'arena', options })) as [Peer, Peer];
    await two.inside();
    await until(() => one.errors.length > 0, 'errors');
    expect([one.errors, one.rooms, one.socket.room]).toEqual([['BATON_ROOM_FAILED'], [], undefined]);
    await two.room.leave();
    one.socket.send('never mind');
    await two.hears('never mind');
  });

  test('for those who speak plainly', async () => {
    const one = await enter('pla-1');
    studio.answer('pla-2', 'open', json({ peer: one.socket.id, room: { name: 'arena' } }));
    const plain = new Plain(service.url, 'duel', { token: 'pla-2', protocols: ['baton.v1'] });
    expect((await plain.event('error')).code).toBe('BATON_ROOM_UNSUPPORTED');
    await until(() => one.errors.length > 0, 'errors');
    plain.send('as you like');
    await one.hears('as you like');
    plain.close();
  });
});

test('an unmodified SDK client hears of its seat, and takes it on a connection of its own', async () => {
  const one = await enter('sdk-1');
  studio.answer('sdk-2', 'open', json({ peer: one.socket.id, room: { name: 'arena' } }));
  const client = new Client(service.url);
  const stock = new Player(await client.joinOrCreate('duel', { token: 'sdk-2' }), 'sdk-2');
  const [seat] = await stock.have('room');
  const room = await client.consumeSeatReservation<any>(seat);
  await one.inside();
  await until(() => one.state.players.size === 2, 'both are there');
  stock.send('to my peer');
  await one.room.leave();
  await one.hears('to my peer');
  await room.leave();
  await stock.leave();
});

test('the end of a host ends what is on it: each socket is closed once', async () => {
  const [one, two] = await play('die');
  const [host] = await hostsOf([one.room.roomId]);
  kill((await service.hosts()).find(({ id }) => id === host)!.pid);
  expect((await studio.calls('die-1', 1, 'close'))[0]!.body.toString()).toBe('{"reason":"host-lost"}');
  expect(await studio.calls('die-2', 1, 'close')).toHaveLength(1);
  await until(() => one.left.length === 1 && two.left.length === 1, 'both have left');
});

test('a service that stops closes the sockets of those who are in rooms, each once', async () => {
  const all = service;
  service = await start(1);
  await play('sto');
  await service.stop();
  service = all;
  const told = [...(await studio.calls('sto-1', 1, 'close')), ...(await studio.calls('sto-2', 1, 'close'))];
  expect(told.map(({ body }) => body.toString())).toEqual(Array(2).fill('{"reason":"server-shutdown"}'));
  await until(() => noted('sto').includes('dispose sto'), 'the room is gone');
});
