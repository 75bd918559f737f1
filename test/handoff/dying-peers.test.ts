import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectAll, type NumberClient } from './number-client.ts';
import { failure, type Peer, Scene, until } from './peers.ts';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

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
