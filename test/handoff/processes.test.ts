import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { failure, type Peer, Scene, until } from './peers.ts';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

/** A client that streams numbers and checks that each comes back once and in order. */
class NumberClient {
  readonly socket: net.Socket;
  readonly problems: string[] = [];
  sent = 0;
  back = 0;
  #rest = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = net.connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => this.#read(chunk));
    for (const event of ['error', 'end', 'close']) this.socket.on(event, () => this.problems.push(event));
  }

  #read(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    const whole = bytes.length & ~3;
    for (let at = 0; at < whole; at += 4, this.back++) {
      if (bytes.readUInt32LE(at) !== this.back)
        this.problems.push(`${bytes.readUInt32LE(at)} for ${this.back}`);
    }
    this.#rest = bytes.subarray(whole);
  }

  /** Sends `count` numbers, cut so that most packets end within one. */
  send(count: number): void {
    const bytes = Buffer.alloc(count * 4);
    for (let i = 0; i < count; i++) bytes.writeUInt32LE(this.sent++, i * 4);
    const cut = this.sent % bytes.length;
    this.socket.write(bytes.subarray(0, cut));
    this.socket.write(bytes.subarray(cut));
  }

  end(): void {
    this.socket.removeAllListeners();
    this.socket.on('error', () => {});
    this.socket.destroy();
  }
}

async function connectAll(port: number, count: number): Promise<NumberClient[]> {
  const clients = Array.from({ length: count }, () => new NumberClient(port));
  await Promise.all(clients.map((client) => once(client.socket, 'connect')));
  return clients;
}

describe('connections between processes', () => {
  test('1,000 connections move while their clients stream, and no byte is lost or doubled', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    const clients = await connectAll(await a.ask('serve', { name: 's' }), 1000);
    await until(
      () => a.ask('state'),
      ({ streams }) => streams === 1000,
    );
    let turn = 0;
    const talk = setInterval(() => {
      for (let i = turn++ % 5; i < clients.length; i += 5) clients[i]!.send(5);
    }, 5);

    expect(await a.ask('moveAll', { peer: b.path, batch: 100 })).toBe(1000);
    expect(await b.ask('moveAll', { peer: a.path, batch: 1000 })).toBe(1000);
    expect(await a.ask('moveAll', { peer: b.path, batch: 253 })).toBe(1000);

    clearInterval(talk);
    for (const client of clients) client.send(3);
    await until(
      async () => clients.filter((client) => client.back < client.sent).length,
      (left) => left === 0,
    );
    expect(clients.flatMap((client) => client.problems)).toEqual([]);
    const [left, right] = [await a.ask('state'), await b.ask('state')];
    expect({ left: left.streams, right: right.streams }).toEqual({ left: 0, right: 1000 });
    expect([...left.problems, ...right.problems]).toEqual([]);
    // Neither kept a descriptor of a connection that it handed over.
    expect(left.descriptors).toBeLessThan(100);
    for (const client of clients) client.end();
  });

  test('messages of several megabytes with hundreds of descriptors wait for a stopped peer and arrive whole', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    const before = await b.ask('state');
    b.signal('SIGSTOP');
    const calls = Array.from({ length: 6 }, (_, i) =>
      a.call(b, 'digest', { bytes: (i + 1) << 20, fds: 300 }),
    );
    // Nothing can be answered before the peer goes on; the calls wait for room in its socket meanwhile.
    await a.ask('state');
    b.signal('SIGCONT');
    const answers = await Promise.all(calls);
    expect(answers.map(({ fds }) => fds)).toEqual(Array(6).fill(300));
    expect(new Set(answers.map(({ digest }) => digest)).size).toBe(6);
    expect((await b.ask('state')).descriptors).toBe(before.descriptors);
  });

  test('acknowledgements that meet a full socket are sent later, and calls run once', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    expect(await a.ask('blockAcks', { peer: b.path })).toEqual({
      sizes: Array(4).fill(3 << 20),
      echoes: Array.from({ length: 20 }, (_, i) => i),
    });
    expect((await b.ask('state')).ran.echo).toBe(21);
  });
});

describe('a peer that dies', () => {
  async function streaming(): Promise<{ a: Peer; b: Peer; client: NumberClient }> {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    const [client] = await connectAll(await a.ask('serve', { name: 's' }), 1);
    client!.send(10);
    await until(
      async () => client!.back,
      (back) => back === 10,
    );
    return { a, b, client: client! };
  }

  async function goesOn(client: NumberClient): Promise<void> {
    client.send(10);
    await until(
      async () => client.back,
      (back) => back === client.sent,
    );
    expect(client.problems).toEqual([]);
    client.end();
  }

  test('before it acknowledges: not delivered, and the sender goes on with its connection', async () => {
    const { a, b, client } = await streaming();
    await a.call(b, 'echo');
    b.signal('SIGSTOP');
    const moved = failure(a.ask('moveOrKeep', { peer: b.path, method: 'hold' }));
    await a.ask('state');
    client.send(5);
    await b.kill();
    expect(await moved).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', details: { delivered: false } });
    await goesOn(client);
    expect((await a.ask('state')).gone).toEqual([b.path]);
  });

  test('after it acknowledged: delivered, and the sender still has its connection', async () => {
    const { a, b, client } = await streaming();
    const holds = b.event('holds');
    const moved = failure(a.ask('moveOrKeep', { peer: b.path, method: 'hold' }));
    await holds;
    await b.kill();
    expect(await moved).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', details: { delivered: true } });
    await goesOn(client);
  });

  test('a call that timed out undelivered never runs, even when the peer only slept', async () => {
    const { a, b, client } = await streaming();
    await a.call(b, 'echo');
    const before = await b.ask('state');
    b.signal('SIGSTOP');
    const moved = failure(a.ask('moveOrKeep', { peer: b.path, method: 'hold', timeoutMs: 100 }));
    expect(await moved).toMatchObject({ code: 'BATON_HANDOFF_TIMEOUT', details: { delivered: false } });
    b.signal('SIGCONT');
    await a.call(b, 'echo');
    // One more than before: b asked at a's socket whether a is still there.
    const after = await until(
      () => b.ask('state'),
      ({ descriptors }) => descriptors === before.descriptors + 1,
    );
    expect(after.ran.hold).toBeUndefined();
    await goesOn(client);
    // The peer lives: nobody was told otherwise.
    expect([(await a.ask('state')).gone, after.gone]).toEqual([[], []]);
  });

  test('a call that timed out delivered says so, and the connection stays', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    const other = a.call(b, 'hold', { timeoutMs: 20_000 });
    other.catch(() => {});
    const error = await failure(a.call(b, 'hold', { fds: 1, timeoutMs: 100 }));
    expect(error).toMatchObject({
      code: 'BATON_HANDOFF_TIMEOUT',
      details: { delivered: true, method: 'hold', ms: 100 },
    });
    expect(await a.call(b, 'echo', { payload: 'still' })).toBe('still');
    expect((await b.ask('state')).ran).toEqual({ hold: 2, echo: 1 });
  });

  test('a message too large to have been sent is taken back without ending the connection', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    const before = await a.call(b, 'echo').then(() => b.ask('state'));
    b.signal('SIGSTOP');
    const error = await failure(a.call(b, 'digest', { bytes: 20 << 20, fds: 600, timeoutMs: 100 }));
    expect(error).toMatchObject({ code: 'BATON_HANDOFF_TIMEOUT', details: { delivered: false } });
    b.signal('SIGCONT');
    expect(await a.call(b, 'echo', { payload: 1 })).toBe(1);
    expect((await b.ask('state')).descriptors).toBe(before.descriptors);
  });

  test('after it acknowledged, unseen: the next call finds it dead, and the first is still delivered', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    const flag = join(scene.folder, 'dead');
    const holds = b.event('holds');
    const outcome = a.ask('callBlindly', { peer: b.path, method: 'hold', flag, after: 'call' });
    await holds;
    await b.kill();
    writeFileSync(flag, '');
    expect(await outcome).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', delivered: true });
  });

  test('or not: a closing endpoint looks for acknowledgements a last time', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    const flag = join(scene.folder, 'held');
    const holds = b.event('holds');
    const outcome = a.ask('callBlindly', { peer: b.path, method: 'hold', flag, after: 'close' });
    await holds;
    writeFileSync(flag, '');
    expect(await outcome).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', delivered: true });
  });

  test('or not: an answer that came while the caller was busy is in time', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    const flag = join(scene.folder, 'answered');
    const outcome = a.ask('callBlindly', { peer: b.path, method: 'echo', flag, timeoutMs: 1 });
    await until(
      () => b.ask('state'),
      ({ ran }) => ran.echo === 2,
    );
    writeFileSync(flag, '');
    expect(await outcome).toBe('x');
  });

  test('in the middle of a large message: not delivered', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    b.signal('SIGSTOP');
    const large = failure(a.call(b, 'digest', { bytes: 50 << 20, fds: 1000 }));
    await a.ask('state');
    await b.kill();
    expect(await large).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', details: { delivered: false } });
  });

  test('by closing lets running handlers answer; calls after that fail', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    const slow = b.event('slow');
    const answer = a.call(b, 'slow', { payload: 'last words' });
    await slow;
    await b.ask('close');
    expect(await answer).toBe('last words');
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const error = await failure(from.call(to, 'echo'));
      expect(error).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', details: { delivered: false } });
    }
  });

  test('a sender killed in the middle of a message leaves no descriptor behind', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    const before = await b.ask('state');
    expect(await a.ask('halfMessage', { peer: b.path })).toBe(0);
    await until(
      () => b.ask('state'),
      ({ descriptors }) => descriptors === before.descriptors + 11,
    );
    await a.kill();
    await until(
      () => b.ask('state'),
      ({ descriptors }) => descriptors === before.descriptors,
    );
  });

  test('is reported once to those that called it and those it called', async () => {
    const [a, b, c] = [await scene.peer('a'), await scene.peer('b'), await scene.peer('c')];
    await a.call(b, 'echo');
    await b.call(a, 'echo');
    await b.call(c, 'echo');
    await b.kill();
    for (const peer of [a, c]) {
      expect(
        await until(
          () => peer.ask('state').then((s) => s.gone),
          (gone) => gone.length > 0,
        ),
      ).toEqual([b.path]);
    }
    const error = await failure(a.call(b, 'echo'));
    expect(error).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', details: { delivered: false } });
  });
});

describe('a kernel that runs short', () => {
  test('of descriptors at the receiver: the message is refused whole, and the sender told', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    const before = await b.ask('state');
    await b.ask('limitDescriptors', { more: 30 });
    const error = await failure(a.call(b, 'echo', { fds: 100 }));
    expect(error).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', details: { delivered: false } });
    expect(await a.call(b, 'echo', { payload: 'on', fds: 1 })).toBe('on');
    expect((await b.ask<string[]>('logged')).join()).toContain('out of descriptors');
    const after = await b.ask('state');
    expect({ ran: after.ran.echo, gone: after.gone }).toEqual({ ran: 2, gone: [] });
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 1);
  });

  test('of descriptors in flight (ETOOMANYREFS): the message waits until others are taken', async () => {
    const [a, b] = [await scene.peer('a', { listen: false }), await scene.peer('b', { listen: false })];
    // Root is exempt from that limit.
    if (process.geteuid!() === 0) {
      chownSync(scene.folder, 65534, 65534);
      for (const peer of [a, b]) await peer.ask('setuid', { uid: 65534 });
    }
    for (const peer of [a, b]) await peer.ask('listen', { path: peer.path });
    await a.call(b, 'echo');
    await a.ask('limitDescriptors', { more: 100 });
    b.signal('SIGSTOP');
    expect(await a.ask('flood', { peer: b.path })).toBe('ETOOMANYREFS');
    const call = a.call(b, 'digest', { bytes: 100, sameFd: 600 });
    await a.ask('state');
    b.signal('SIGCONT');
    expect(await call).toMatchObject({ fds: 600 });
  });

  test('of room in the backlog: the call waits until it is accepted, within its time', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    b.signal('SIGSTOP');
    expect(await a.ask('crowd', { peer: b.path })).toBeGreaterThan(100);
    const late = await failure(a.call(b, 'echo', { timeoutMs: 50 }));
    expect(late).toMatchObject({ code: 'BATON_HANDOFF_TIMEOUT', details: { delivered: false } });
    const call = a.call(b, 'echo', { payload: 'accepted' });
    b.signal('SIGCONT');
    expect(await call).toBe('accepted');
  });
});

describe('strangers', () => {
  test('the socket and its folder are for this user alone', async () => {
    const a = await scene.peer('a');
    expect(statSync(a.path).mode & 0o777).toBe(0o600);
    expect(statSync(scene.folder).mode & 0o777).toBe(0o700);
  });

  test('a process of another user is turned away and recorded, and nothing of it runs', async () => {
    const [server, stranger] = [await scene.peer('server'), await scene.peer('stranger')];
    if (process.geteuid!() === 0) {
      await stranger.ask('setuid', { uid: 65534 });
      const shut = await failure(stranger.call(server, 'echo', { fds: 1 }));
      expect(shut).toMatchObject({ code: 'BATON_HANDOFF_PEER_GONE', details: { reason: 'EACCES' } });
      chmodSync(scene.folder, 0o711);
      chmodSync(server.path, 0o666);
    }
    // Without root nobody can change user: then the server believes that it is another one.
    else await server.ask('believeUid', { uid: 65534 });
    await stranger.ask('halfMessage', { peer: server.path });
    const lines = await until<string[]>(
      () => server.ask('logged'),
      (all) => all.length > 0,
    );
    expect(lines.join()).toContain('BATON_HANDOFF_STRANGER');
    const called = await failure(stranger.call(server, 'echo', { fds: 1 }));
    expect(['BATON_HANDOFF_STRANGER', 'BATON_HANDOFF_PEER_GONE']).toContain(called.code);
    expect(called.details!['delivered'] ?? false).toBe(false);
    expect((await server.ask('state')).ran).toEqual({});
  });

  test('nothing is sent to a socket of another user', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.ask('believeUid', { uid: 4242 });
    const error = await failure(a.call(b, 'echo', { fds: 1 }));
    expect(error).toMatchObject({ code: 'BATON_HANDOFF_STRANGER', details: { expected: 4242 } });
    expect((await b.ask('state')).ran).toEqual({});
  });

  test('garbage ends its own connection and no other', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    const before = await b.ask('state');
    for (const hex of ['00', 'ff'.repeat(32), '42544f4e'.repeat(8), 'ab'.repeat(60_000)]) {
      expect(await a.ask('garbage', { peer: b.path, hex })).toBe(hex.length / 2);
    }
    const lines = await until<string[]>(
      () => b.ask('logged'),
      (all) => all.length >= 4,
    );
    expect(lines.filter((line) => line.includes('BATON_HANDOFF_PROTOCOL'))).toHaveLength(4);
    expect(await a.call(b, 'echo', { payload: 5 })).toBe(5);
    expect((await b.ask('state')).descriptors).toBe(before.descriptors);
  });
});

describe('the socket file', () => {
  test('of a dead process is replaced, of a living one not, and close removes it', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b', { listen: false })];
    expect(await failure(b.ask('listen', { path: a.path }))).toMatchObject({ code: 'BATON_HANDOFF_IN_USE' });
    await a.kill();
    expect(existsSync(a.path)).toBe(true);
    await b.ask('listen', { path: a.path });
    const c = await scene.peer('c');
    expect(await c.call(a.path, 'who')).toMatchObject({ pid: c.child.pid, path: c.path });
    await b.ask('close');
    expect(existsSync(a.path)).toBe(false);
  });

  test('is refused where others could reach it, where a file is, and where its path is too long', async () => {
    const peer = await scene.peer('a', { listen: false });
    const file = join(scene.folder, 'file');
    writeFileSync(file, 'kept');
    const long = join(scene.folder, 'x'.repeat(100));
    for (const path of [file, long, 'relative.sock', '/tmp/open.sock']) {
      expect(await failure(peer.ask('listen', { path }))).toMatchObject({ code: 'BATON_INVALID_OPTION' });
    }
    expect(statSync(file).size).toBe(4);
  });
});

describe('errors', () => {
  test('of the catalogue come back as they were thrown, others without their stack', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    expect(await failure(a.call(b, 'known', { payload: 'r1' }))).toMatchObject({
      code: 'BATON_ROOM_NOT_FOUND',
      status: 404,
      message: 'There is no room r1.',
      details: { roomId: 'r1', list: [1, 2] },
    });
    const unknown = await failure(a.call(b, 'unknown'));
    expect(unknown).toMatchObject({ code: 'BATON_HANDOFF_FAILED', details: { method: 'unknown' } });
    expect(unknown.message).not.toContain('with details');
    expect(unknown.stack).not.toContain('TypeError');
    expect(await failure(a.call(b, 'missing', { fds: 1 }))).toMatchObject({ code: 'BATON_HANDOFF_PROTOCOL' });
    expect(await failure(a.call(b, 'function'))).toMatchObject({ code: 'BATON_HANDOFF_PROTOCOL' });
    expect(await a.call(b, 'echo', { payload: { still: true } })).toEqual({ still: true });
  });

  test('descriptors of a call that failed are closed at the far side', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    await a.call(b, 'echo');
    const before = await b.ask('state');
    await failure(a.call(b, 'missing', { fds: 300 }));
    await failure(a.call(b, 'unknown', { fds: 300 }));
    await failure(a.call(b, 'streams', { fds: 300, payload: { payload: 1, records: [1] } }));
    const refused = failure(
      a.call(b, 'streams', { fds: 2, payload: { payload: 'refuse', records: [1, 2] } }),
    );
    expect(await refused).toMatchObject({ code: 'BATON_ROOM_NOT_FOUND' });
    expect((await b.ask('state')).descriptors).toBe(before.descriptors);
  });

  test('a call with a descriptor that is not open fails alone', async () => {
    const [a, b] = [await scene.peer('a'), await scene.peer('b')];
    const others = [a.call(b, 'echo', { payload: 1 }), a.call(b, 'digest', { bytes: 3 << 20, fds: 2 })];
    const error = await failure(a.ask('callWithClosed', { peer: b.path }));
    expect(error).toMatchObject({ code: 'BATON_HANDOFF_PROTOCOL', details: { delivered: false } });
    expect(await Promise.all(others)).toMatchObject([1, { fds: 2 }]);
    expect((await b.ask('state')).ran.echo).toBe(1);
  });

  test('messages over the limit are refused at either end, and the connection stays', async () => {
    const a = await scene.peer('a');
    const b = await scene.peer('b', { maxMessageBytes: 200_000 });
    await a.call(b, 'echo');
    const before = await b.ask('state');
    const error = await failure(a.call(b, 'echo', { bytes: 5 << 20, fds: 3 }));
    expect(error).toMatchObject({
      code: 'BATON_HANDOFF_TOO_LARGE',
      details: { limit: 200_000, delivered: false },
    });
    expect(await failure(b.call(a, 'echo', { bytes: 300_000 }))).toMatchObject({
      code: 'BATON_HANDOFF_TOO_LARGE',
    });
    expect(await failure(b.call(a, 'inflate', { payload: 300_000 }))).toMatchObject({
      code: 'BATON_HANDOFF_TOO_LARGE',
    });
    expect(await a.call(b, 'echo', { payload: 'fits' })).toBe('fits');
    expect((await b.ask('state')).descriptors).toBe(before.descriptors + 1); // its own connection to a
    expect((await b.ask('state')).ran.echo).toBe(2);
  });
});
