import { chownSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectAll } from './number-client.ts';
import { failure, Scene, until } from './peers.ts';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

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
