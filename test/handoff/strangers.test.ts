import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { failure, Scene, until } from './peers.ts';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

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
