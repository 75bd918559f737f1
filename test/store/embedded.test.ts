import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameReader, frame, wireLimits } from '../../server/src/store/embedded/wire.ts';
import { EmbeddedStoreServer, openStore, type Store } from '../../server/src/store/index.ts';
import { silentLog as log } from '../../server/src/telemetry/index.ts';
import { embeddedBackend } from './backend.ts';
import { conformance } from './conformance.ts';
import { expectCode } from './support.ts';

conformance(embeddedBackend);

describe('the server', () => {
  let dir: string;
  let path: string;
  const closing: (() => Promise<void> | void)[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'baton-embedded-'));
    path = join(dir, 'run', 'store.sock');
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await rm(dir, { recursive: true, force: true });
  });
  const listen = async () => {
    const server = await EmbeddedStoreServer.listen({ path, log });
    closing.push(() => server.close());
    return server;
  };
  const open = async (): Promise<Store> => {
    const store = await openStore({ kind: 'embedded', path, log });
    closing.push(() => store.close());
    return store;
  };
  const dial = async () => {
    const socket = connect(path).on('error', () => {});
    closing.push(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const prefixed = (body: Uint8Array, length = body.length) => {
    const header = Buffer.alloc(4);
    header.writeUInt32LE(length);
    return Buffer.concat([header, body]);
  };

  test('only its own user may open it', async () => {
    await listen();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'run'))).mode & 0o777).toBe(0o700);
  });

  test('a socket left by a dead process is replaced, a living one is not', async () => {
    const server = await listen();
    await expectCode(EmbeddedStoreServer.listen({ path, log }), 'BATON_STORE_IN_USE');
    await (await open()).ping();
    await server.close();
    await expect(stat(path)).rejects.toThrow('ENOENT');

    const backend = await embeddedBackend();
    const space = await backend.space();
    await backend.kill();
    const { path: stale } = space.options as { path: string };
    expect((await stat(stale)).isSocket()).toBe(true);
    const replaced = await EmbeddedStoreServer.listen({ path: stale, log });
    await (await space.open()).ping();
    await replaced.close();
    await backend.close();
  });

  test('a path that no socket can have is refused', async () => {
    path = join(dir, 'x'.repeat(120));
    await expectCode(listen(), 'BATON_INVALID_OPTION');
  });

  test('garbage closes the connection it came on, and no other', async () => {
    await listen();
    const store = await open();
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nHost: store\r\n\r\n'),
      prefixed(Buffer.from('not JSON')),
      prefixed(json('a text')),
      prefixed(json({ id: 1 })),
      prefixed(json([0, 'ping', []])),
      prefixed(json([1.5, 'ping', []])),
      prefixed(json([1, {}, []])),
      prefixed(Buffer.alloc(0)),
      prefixed(Buffer.alloc(8), wireLimits.request + 1),
    ];
    for (const bytes of garbage) {
      const socket = await dial();
      socket.resume().write(bytes);
      await once(socket, 'close');
    }
    await store.ping();
  });

  test('random bytes never end it', async () => {
    await listen();
    const store = await open();
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });
    const property = fc.asyncProperty(bytes, fc.boolean(), async (body, wrapped) => {
      const socket = await dial();
      const closed = once(socket, 'close');
      socket.resume().end(wrapped ? prefixed(body) : body);
      await closed;
      await store.ping();
    });
    await fc.assert(property, { numRuns: 60 });
  });

  test('unknown methods and wrong arguments get an error each', async () => {
    await listen();
    const socket = await dial();
    const answers: unknown[] = [];
    const requests: [number, string, unknown][] = [
      [1, 'constructor', []],
      [2, 'get', []],
      [3, 'get', ['k', 'one too many']],
      [4, 'hello', [999]],
      [5, 'set', ['k', { toString: 'no' }]],
      [6, 'ping', 'no array'],
      [7, 'ping', []],
    ];
    const done = new Promise<void>((resolve) => {
      const reader = new FrameReader(wireLimits.reply, (message) => {
        if (answers.push(message) === requests.length) resolve();
      });
      socket.on('data', (chunk) => reader.push(chunk as Buffer));
    });
    for (const request of requests) socket.write(frame(request as any));
    await done;
    const codes = (answers as [number, unknown, { code: string }?][]).map(([id, , error]) => [
      id,
      error?.code,
    ]);
    const invalid = [1, 2, 3, 4, 5, 6].map((id) => [id, 'BATON_INVALID_REQUEST']);
    expect(codes).toEqual([...invalid, [7, undefined]]);
  });

  test('frames arrive whole however the bytes are cut', () => {
    const message = fc.tuple(fc.integer({ min: 1 }), fc.string(), fc.array(fc.string()));
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    const property = fc.property(fc.array(message, { minLength: 1 }), cuts, (messages, sizes) => {
      const stream = Buffer.concat(messages.map((one) => frame(one as any)));
      const read: unknown[] = [];
      const reader = new FrameReader(1 << 20, (one) => read.push(one));
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const size = sizes[cut % sizes.length]!;
        reader.push(stream.subarray(at, at + size));
        at += size;
      }
      expect(read).toEqual(messages);
    });
    fc.assert(property, { numRuns: 100 });
  });

  test('a server that speaks otherwise is not taken for a store', async () => {
    const other = createServer((socket) => socket.on('error', () => {}).write('220 ready\r\n'));
    const odd = join(dir, 'odd.sock');
    await new Promise<void>((resolve) => other.listen(odd, resolve));
    closing.push(() => void other.close());
    const opening = openStore({ kind: 'embedded', path: odd, log, deadlineMs: 200 });
    await expectCode(opening, 'BATON_STORE_UNAVAILABLE');
  });
});
