// One connection over a real socket: what rooms use of it, and how it ends.

import { once } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import { binary, clientFrame, close, hex, text } from './fixtures/frames.ts';
import { endpoint, type Pair, pair, parse } from './fixtures/pair.ts';

const pairs: Pair[] = [];
/** Code and reason of the `close` event; `events.once` would fail at the `error` event before it. */
const closing = (server: Pair['server']): Promise<[code: number, reason: Buffer]> =>
  new Promise((resolve) => server.once('close', (code, reason) => resolve([code, reason])));

async function open(...args: Parameters<typeof pair>): Promise<Pair> {
  const made = await pair(...args);
  pairs.push(made);
  return made;
}
afterEach(() => {
  for (const each of pairs.splice(0)) each.end();
});

/** The same behaviour with libc and, where there is none, through the stream. */
describe.each([
  ['kernel', (changes: Parameters<typeof endpoint>[0] = {}) => endpoint(changes)],
  ['stream', (changes: Parameters<typeof endpoint>[0] = {}) => endpoint({ kernel: undefined, ...changes })],
] as const)('writing through the %s', (_, on) => {
  test('messages go both ways, and stay valid after the listener', async () => {
    const { server, client, receive } = await open(on());
    const kept: Buffer[] = [];
    server.on('message', (data: Buffer, isBinary: boolean) => {
      kept.push(data);
      server.send(isBinary ? data : data.toString());
    });
    client.write(Buffer.concat([text('one'), binary('two')]));
    client.write(binary(Buffer.alloc(100_000, 'x')));
    const frames = parse(await receive(5 + 5 + 100_010));
    expect(frames.map(([kind]) => kind)).toEqual(['message', 'message', 'message']);
    expect(frames.slice(0, 2)).toEqual([
      ['message', hex('one'), false],
      ['message', hex('two'), true],
    ]);
    expect(kept.map(String)).toEqual(['one', 'two', 'x'.repeat(100_000)]);
    expect(server.bytesIn).toBe(9 + 9 + 100_014);
    expect(server.bytesOut).toBe(5 + 5 + 100_010);
  });

  test('what a listener sends while a chunk is read goes out in order', async () => {
    const { server, client, receive } = await open(on());
    server.on('message', (data: Buffer) => {
      for (let i = 0; i < 3; i++) server.send(`${data} ${i}`);
    });
    client.write(Buffer.concat([text('a'), text('b')]));
    expect(
      parse(await receive(6 * 5)).map((frame) => Buffer.from(frame[1] as string, 'hex').toString()),
    ).toEqual(['a 0', 'a 1', 'a 2', 'b 0', 'b 1', 'b 2']);
  });

  test('a ping is answered, a pong resets the count', async () => {
    const { server, client, receive } = await open(on());
    server.beat(5);
    server.beat(5);
    expect(server.pingCount).toBe(2);
    expect(parse(await receive(4))).toEqual([
      ['ping', ''],
      ['ping', ''],
    ]);
    client.write(Buffer.concat([clientFrame(9, 'hi'), clientFrame(10)]));
    await once(server, 'pong');
    expect(server.pingCount).toBe(0);
    expect(parse((await receive(8)).subarray(4))).toEqual([['pong', hex('hi')]]);
  });

  test('a peer that answers no ping is cut off', async () => {
    const { server, client } = await open(on());
    for (let i = 0; i < 3; i++) server.beat(2);
    const [code] = await closing(server);
    expect(code).toBe(1006);
    if (!client.closed) await once(client, 'close');
  });

  test('the client closes: answered with the same code, FIN by the server', async () => {
    const { server, client, got } = await open(on());
    client.write(close(4001, 'bye'));
    const closed = closing(server);
    await once(client, 'end');
    expect(parse(got())).toEqual([['close', 4001, hex('bye')]]);
    const [code, reason] = await closed;
    expect([code, String(reason), server.readyState]).toEqual([4001, 'bye', 3]);
  });

  test('the server closes: waits for the answer, then ends', async () => {
    const { server, client, receive } = await open(on());
    server.send('last');
    server.close(4002, 'go');
    expect(server.readyState).toBe(2);
    server.send('dropped');
    expect(parse(await receive(12))).toEqual([
      ['message', hex('last'), false],
      ['close', 4002, hex('go')],
    ]);
    client.write(close(4002));
    const [code] = await closing(server);
    expect(code).toBe(4002);
  });

  test('a closing handshake that takes too long is cut off', async () => {
    const { server } = await open(on({ closeTimeoutMs: 20 }));
    server.close(1000);
    const [code] = await closing(server);
    expect(code).toBe(1006);
  });

  test.each([
    ['reserved bits', text('x', { reserved: 4 }), 1002],
    ['an unmasked frame', text('x', { mask: false }), 1002],
    ['text that is not UTF-8', text(Buffer.from([0xff])), 1007],
    ['a message above the limit', binary('', { claim: 1_000_001n }), 1009],
  ])('%s closes with the right code', async (_name, bytes, expected) => {
    const { server, client, got } = await open(on());
    const closed = closing(server);
    client.write(Buffer.concat([bytes, Buffer.alloc(200_000)]));
    await once(client, 'end');
    expect(parse(got())[0]!.slice(0, 2)).toEqual(['close', expected]);
    expect((await closed)[0]).toBe(expected);
  });

  test('the client vanishes: 1006', async () => {
    const { server, client } = await open(on());
    client.resetAndDestroy();
    expect((await closing(server))[0]).toBe(1006);
    server.send('nobody');
    server.terminate();
    expect(server.readyState).toBe(3);
  });

  test('send tells when the kernel has it, or that it never will', async () => {
    const { server } = await open(on());
    await new Promise<void>((resolve, reject) =>
      server.send('x', (error) => (error ? reject(error) : resolve())),
    );
    const failed = new Promise((resolve) => {
      server.terminate();
      server.send('x', { binary: false }, resolve);
    });
    expect(await failed).toBeInstanceOf(Error);
  });
});

describe('listeners, as rooms use them', () => {
  test('removing all message listeners in one stops those behind it in the chunk', async () => {
    const { server, client } = await open(endpoint());
    const seen: string[] = [];
    server.on('message', (data: Buffer) => {
      seen.push(String(data));
      server.removeAllListeners('message');
    });
    client.write(Buffer.concat([text('a'), text('b'), clientFrame(10)]));
    await once(server, 'pong');
    expect(seen).toEqual(['a']);
  });
  test('terminate in a listener stops those behind it in the chunk', async () => {
    const { server, client } = await open(endpoint());
    const seen: string[] = [];
    server.on('message', (data: Buffer) => {
      seen.push(String(data));
      server.terminate();
    });
    client.write(Buffer.concat([text('a'), text('b')]));
    await closing(server);
    expect(seen).toEqual(['a']);
  });
  test('close is emitted once', async () => {
    const { server, client } = await open(endpoint());
    let closes = 0;
    server.on('close', () => closes++);
    const closed = closing(server);
    client.write(close(1000));
    await closed;
    server.terminate();
    server.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(closes).toBe(1);
  });
});

describe('a payload that is overwritten after it was sent', () => {
  test('arrives as it was, also when the reader is slow', async () => {
    const on = endpoint();
    const slow = await open(on, { paused: true });
    const fast = await open(on);
    const shared = new Uint8Array(20_000);
    const count = 800;
    for (let i = 0; i < count; i++) {
      shared.fill(i & 0xff);
      const view = shared.subarray(0, 10_000 + (i % 7));
      for (const { server } of [slow, fast]) server.send(view);
    }
    shared.fill(0xee);
    expect(slow.server.bufferedAmount).toBeGreaterThan(0);
    slow.client.resume();
    const total = Array.from({ length: count }, (_, i) => 10_004 + (i % 7)).reduce((a, b) => a + b, 0);
    for (const { receive } of [slow, fast]) {
      const frames = parse(await receive(total));
      expect(frames).toHaveLength(count);
      frames.forEach((frame, i) => {
        expect(
          frame[1] ===
            (i & 0xff)
              .toString(16)
              .padStart(2, '0')
              .repeat(10_000 + (i % 7)),
        ).toBe(true);
      });
    }
  });
  test('and sent again as the same object is sent with its new content', async () => {
    const on = endpoint();
    const { server, receive } = await open(on);
    for (const size of [3, 40_000]) {
      const bytes = new Uint8Array(size).fill(1);
      server.send(bytes);
      bytes[size - 1] = 2;
      server.send(bytes);
      server.send(bytes, { binary: false });
    }
    const frames = parse(await receive(3 * 5 + 3 * 40_004));
    expect(frames.map(([, data, isBinary]) => [(data as string).slice(-2), isBinary])).toEqual([
      ['01', true],
      ['02', true],
      ['02', false],
      ['01', true],
      ['02', true],
      ['02', false],
    ]);
  });
});

describe('a client that reads slowly', () => {
  test('gets 1013 behind the frame that was begun, and little memory is held', async () => {
    const on = endpoint({ maxBufferedOutput: 300_000 });
    const { server, client, got } = await open(on, { paused: true });
    const payload = Buffer.alloc(10_000, 'p');
    let sent = 0;
    while (server.readyState === 1) {
      server.send(payload);
      sent++;
      expect(server.bufferedAmount).toBeLessThanOrEqual(300_000 + 10_004);
    }
    expect(server.bufferedAmount).toBeLessThan(20_100);
    client.resume();
    const frames: unknown[] = [];
    client.once('grown', () => client.write(close(1013)));
    await once(client, 'end');
    frames.push(...parse(got()));
    expect(frames.at(-1)).toEqual(['close', 1013, hex('reads too slowly')]);
    expect(frames.length - 1).toBeLessThan(sent);
    expect(frames.slice(0, -1).every((frame: any) => frame[1] === payload.toString('hex'))).toBe(true);
    if (server.readyState !== 3) await closing(server);
  });
  test('nothing follows that close frame, also when the limit falls among frames that go out together', async () => {
    const { server, client, got } = await open(endpoint({ maxBufferedOutput: 50_000 }), { paused: true });
    const payload = Buffer.alloc(10_000, 'p');
    server.on('message', () => {
      for (let i = 0; i < 20; i++) server.send(payload);
    });
    while (server.readyState === 1) {
      client.write(text('more'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.once('grown', () => client.write(close(1013)));
    client.resume();
    await once(client, 'end');
    const frames = parse(got());
    expect(frames.filter(([kind]) => kind === 'close')).toHaveLength(1);
    expect(frames.at(-1)).toEqual(['close', 1013, hex('reads too slowly')]);
  });
  test('or is cut off at once', async () => {
    const { server } = await open(endpoint({ maxBufferedOutput: 100_000, slowReader: 'terminate' }), {
      paused: true,
    });
    while (server.readyState === 1) server.send(Buffer.alloc(10_000));
    expect(server.bufferedAmount).toBe(0);
    expect((await closing(server))[0]).toBe(1006);
  });
  test('is not let off because its messages are small: the objects around them count', async () => {
    const { server } = await open(endpoint({ maxBufferedOutput: 4_000_000 }), { paused: true });
    const small = Buffer.from('small!');
    let queued = 0;
    while (server.readyState === 1) {
      server.send(small);
      if (server.bufferedAmount > 0) queued++;
    }
    expect(queued).toBeGreaterThan(10_000);
    expect(queued).toBeLessThan(30_000); // 4 MB of payload alone would be 500,000
  });
  test('gets a frame above the limit if nothing waits', async () => {
    const { server, receive } = await open(endpoint({ maxBufferedOutput: 1_000 }));
    const payload = Buffer.alloc(8_000_000, 'q');
    server.send(payload);
    expect(server.bufferedAmount).toBeGreaterThan(1_000);
    expect(parse(await receive(8_000_010))).toHaveLength(1);
  });
});

test('nothing is written for a connection that was found gone while room was made for its frame', async () => {
  const on = endpoint();
  const [gone, speaker] = [await open(on), await open(on)];
  const big = Array.from({ length: 12 }, (_, i) => Buffer.alloc(30_000, i));
  const written: number[] = [];
  const { send } = on.kernel!;
  const fd = gone.server.detach().fd;
  gone.server.resume();
  (on.kernel as { send: typeof send }).send = (to, ...rest) => {
    if (to !== fd) return send(to, ...rest);
    written.push(to);
    return -104; // ECONNRESET
  };
  // More than the arena holds, so that it is written out in the middle.
  speaker.server.on('message', () => {
    for (const each of big) gone.server.send(each);
  });
  const closed = closing(gone.server);
  speaker.client.write(text('go'));
  expect((await closed)[0]).toBe(1006);
  // After the reset the number is anybody's.
  expect(written).toEqual([fd]);
});

test('beats do not cut the closing handshake short', async () => {
  const { server, client, got } = await open(endpoint(), { paused: true });
  server.send(Buffer.alloc(8_000_000));
  server.close(4000, 'bye');
  for (let i = 0; i < 5; i++) server.beat(2);
  client.once('grown', () => client.write(close(4000)));
  client.resume();
  await once(client, 'end');
  expect(parse(got()).at(-1)).toEqual(['close', 4000, hex('bye')]);
});

test('simulated latency keeps the order, the close frame last', async () => {
  const on = endpoint();
  const { server, receive } = await open(on);
  on.outbox.latencyMs = 30;
  server.send('a');
  on.outbox.latencyMs = 5;
  const shared = Buffer.from('b');
  server.send(shared);
  shared[0] = 0;
  server.close(1000);
  expect(server.bufferedAmount).toBe(3 + 3 + 4);
  expect(parse(await receive(10))).toEqual([
    ['message', hex('a'), false],
    ['message', hex('b'), true],
    ['close', 1000, ''],
  ]);
});
