// Connections taken off their descriptor and put on again, between any two bytes and with megabytes waiting.

import { once } from 'node:events';
import v8 from 'node:v8';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Connection } from '../../server/src/transport/connection.ts';
import type { ConnectionRecord } from '../../server/src/transport/index.ts';
import { binary, clientFrame, close, continuation, hex, text } from './fixtures/frames.ts';
import { endpoint, type Pair, pair, parse, type TestEndpoint } from './fixtures/pair.ts';

const pairs: Pair[] = [];
async function open(...args: Parameters<typeof pair>): Promise<Pair> {
  const made = await pair(...args);
  pairs.push(made);
  return made;
}
afterEach(() => {
  for (const each of pairs.splice(0)) each.end();
});

const carry = (record: ConnectionRecord): ConnectionRecord => v8.deserialize(v8.serialize(record));

/** As between two processes: the descriptor is duplicated, the record serialised, the old owner forgets. */
function move(from: Connection, to: TestEndpoint): Connection {
  const { fd, record } = from.detach();
  const copy = to.kernel!.dup(fd);
  from.forget();
  const connection = Connection.adopt(to, copy, carry(record));
  connection.on('error', () => {});
  return connection;
}

test('a message cut by moves at every byte arrives once and whole', async () => {
  const bytes = Buffer.concat([
    text('Hello κόσμε'),
    binary('x', { fin: false }),
    clientFrame(9, 'ping'),
    continuation('yz'),
    clientFrame(10, ''),
  ]);
  const a = endpoint();
  const b = endpoint();
  const { server, client, receive } = await open(a);
  const messages: string[] = [];
  let owner = server;
  const listen = (): void => void owner.on('message', (data: Buffer) => messages.push(String(data)));
  listen();
  client.setNoDelay(true);
  for (let i = 0; i < bytes.length; i++) {
    client.write(bytes.subarray(i, i + 1));
    while (owner.bytesIn <= i) await new Promise((resolve) => setImmediate(resolve));
    owner = move(owner, i % 2 === 0 ? b : a);
    listen();
    owner.resume();
  }
  expect(messages).toEqual(['Hello κόσμε', 'xyz']);
  expect(owner.pingCount).toBe(0);
  expect(owner.bytesIn).toBe(bytes.length);
  expect(parse(await receive(6))).toEqual([['pong', hex('ping')]]);
  owner.terminate();
});

test('bytes that come while nobody owns the connection wait in the kernel', async () => {
  const a = endpoint();
  const { server, client } = await open(a);
  const { fd, record } = server.detach();
  client.write(text('in between'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(server.bytesIn).toBe(0);
  const copy = a.kernel!.dup(fd);
  server.forget();
  const owner = Connection.adopt(a, copy, carry(record));
  const message = once(owner, 'message');
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(owner.bytesIn).toBe(0);
  owner.resume();
  expect(String((await message)[0])).toBe('in between');
  owner.terminate();
});

test('a move from within a listener takes the rest of the chunk along', async () => {
  const a = endpoint();
  const b = endpoint();
  const { server, client } = await open(a);
  const seen: string[] = [];
  let owner: Connection | undefined;
  server.on('message', (data: Buffer) => {
    seen.push(`a:${data}`);
    if (String(data) === '2') owner = move(server, b);
  });
  client.write(
    Buffer.concat([text('1'), text('2'), text('3'), binary('4', { fin: false }), continuation('5')]),
  );
  while (!owner) await new Promise((resolve) => setImmediate(resolve));
  owner.on('message', (data: Buffer) => seen.push(`b:${data}`));
  expect(seen).toEqual(['a:1', 'a:2']);
  owner.resume();
  expect(seen).toEqual(['a:1', 'a:2', 'b:3', 'b:45']);
  expect(owner.bytesIn).toBe(5 * 7 + 0);
  owner.terminate();
});

test('a move that is taken back within the listener loses and doubles nothing', async () => {
  const { server, client, receive } = await open(endpoint());
  const seen: string[] = [];
  server.on('message', (data: Buffer) => {
    seen.push(String(data));
    server.send(`re ${data}`);
    if (Number(data) % 2 === 0) {
      server.detach();
      server.send('meanwhile');
      server.resume();
    }
  });
  client.write(Buffer.concat(['1', '2', '3', '4', '5'].map((digit) => text(digit))));
  expect(
    parse(await receive(5 * 6 + 2 * 11)).map((frame) => Buffer.from(frame[1] as string, 'hex').toString()),
  ).toEqual(['re 1', 're 2', 'meanwhile', 're 3', 're 4', 'meanwhile', 're 5']);
  expect(seen).toEqual(['1', '2', '3', '4', '5']);
  client.write(text('7'));
  await once(server, 'message');
});

describe('megabytes a slow reader has not taken', () => {
  const payload = (i: number) => Buffer.alloc(9_000 + i, i & 0xff);
  const count = 1_500;
  const total = Array.from({ length: count }, (_, i) => payload(i).length + 4).reduce((a, b) => a + b, 0);

  test('move along, to the byte, through several owners', async () => {
    const ends = [endpoint(), endpoint(), endpoint()];
    const { server, client, got, receive } = await open(ends[0]!, { paused: true });
    let owner = server;
    let sent = 0;
    for (const next of [ends[1]!, ends[2]!, ends[0]!]) {
      for (let i = 0; i < 500; i++) owner.send(payload(sent++));
      const { bytesOut, bufferedAmount } = owner;
      expect(bufferedAmount).toBeGreaterThan(0);
      owner = move(owner, next);
      expect([owner.bytesOut, owner.bufferedAmount]).toEqual([bytesOut, bufferedAmount]);
      // Reads a little, so that the new owner begins in the middle of a frame.
      client.resume();
      const before = got().length;
      owner.resume();
      await receive(before + 100_000);
      client.pause();
    }
    client.resume();
    const frames = parse(await receive(total));
    expect(frames).toHaveLength(count);
    for (const [i, frame] of frames.entries()) expect(frame[1] === payload(i).toString('hex')).toBe(true);
    expect(owner.bytesOut).toBe(total);
    owner.terminate();
  });

  test('stay where they are when the move is taken back; nothing is written in between', async () => {
    const { server, client, got, receive } = await open(endpoint(), { paused: true });
    for (let i = 0; i < count; i++) server.send(payload(i));
    const { record } = server.detach();
    const { bytesOut } = server;
    client.resume();
    await receive(bytesOut);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(got().length).toBe(bytesOut);
    expect(record.output.reduce((sum, frame) => sum + frame.byteLength, 0)).toBe(total - bytesOut);
    server.resume();
    expect(parse(await receive(total))).toHaveLength(count);
  });
});

test('frames sent before resume go out behind those of the previous owner', async () => {
  const a = endpoint();
  const { server, client, receive } = await open(a, { paused: true });
  const big = Buffer.alloc(6_000_000, 'b');
  server.send(big);
  const owner = move(server, a);
  owner.send('new');
  owner.resume();
  owner.send('newer');
  client.resume();
  const frames = parse(await receive(big.length + 10 + 5 + 7));
  expect(frames.slice(1)).toEqual([
    ['message', hex('new'), false],
    ['message', hex('newer'), false],
  ]);
  owner.terminate();
});

describe('the closing handshake goes on after a move', () => {
  test('begun by the server', async () => {
    const a = endpoint();
    const { server, client } = await open(a);
    server.close(4000);
    const owner = move(server, endpoint());
    owner.resume();
    client.write(close(4000));
    expect((await once(owner, 'close'))[0]).toBe(4000);
  });
  test('with the time that was left', async () => {
    const { server } = await open(endpoint({ closeTimeoutMs: 50 }));
    server.close(4000);
    const owner = move(server, endpoint({ closeTimeoutMs: 50 }));
    owner.resume();
    expect((await once(owner, 'close'))[0]).toBe(1006);
  });
  test('of a client that closed while nobody owned it', async () => {
    const a = endpoint();
    const { server, client, got } = await open(a);
    const { fd, record } = server.detach();
    client.write(close(4005));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const copy = a.kernel!.dup(fd);
    server.forget();
    const owner = Connection.adopt(a, copy, carry(record));
    const closed = once(owner, 'close');
    owner.resume();
    expect((await closed)[0]).toBe(4005);
    expect(parse(got())).toEqual([['close', 4005, '']]);
  });
});

describe('the old owner', () => {
  test('tells nobody anything', async () => {
    const a = endpoint();
    const { server, client, got } = await open(a);
    const events: string[] = [];
    for (const event of ['close', 'error', 'message', 'pong']) server.on(event, () => events.push(event));
    client.on('end', () => events.push('client end'));
    const owner = move(server, endpoint());
    owner.resume();
    server.send('lost');
    server.close(1000);
    server.terminate();
    server.beat(0);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(events).toEqual([]);
    expect(got().length).toBe(0);
    expect(server.readyState).toBe(3);
    expect(a.gone).toEqual([server]);
    client.write(text('still there'));
    expect(String((await once(owner, 'message'))[0])).toBe('still there');
    owner.terminate();
  });
  test('has a descriptor only while the connection lives and is not away already', async () => {
    const { server, client } = await open(endpoint());
    server.detach();
    expect(server.detachable).toBe(false);
    expect(() => server.detach()).toThrow(/closed, closing or already detached/);
    server.resume();
    client.end();
    await once(server, 'close');
    expect(() => server.detach()).toThrow(expect.objectContaining({ code: 'BATON_CONNECTION_GONE' }));
  });
  test('that ends it while it is away closes its descriptor only once it is back', async () => {
    const a = endpoint();
    const { server, client } = await open(a);
    const { fd, record } = server.detach();
    server.terminate();
    // The number is still this connection's, so whoever sends it sends the right one.
    const owner = Connection.adopt(a, a.kernel!.dup(fd), carry(record));
    server.forget();
    owner.resume();
    client.write(text('alive'));
    expect(String((await once(owner, 'message'))[0])).toBe('alive');

    const again = owner.detach();
    owner.terminate();
    expect(again.fd).toBeGreaterThan(0);
    owner.resume();
    await once(client, 'close');
  });
  test('finds out in time that writing failed', async () => {
    const a = endpoint();
    const { server, client } = await open(a);
    const { send } = a.kernel!;
    let thrown: unknown;
    server.on('message', () => {
      (a.kernel as { send: typeof send }).send = () => -104; // ECONNRESET
      server.send('written by detach');
      try {
        server.detach();
      } catch (error) {
        thrown = error;
      }
    });
    client.write(text('go'));
    await once(server, 'close');
    expect(thrown).toMatchObject({ code: 'BATON_CONNECTION_GONE' });
  });
  test('takes along what the room keeps for a client that has not joined', async () => {
    const a = endpoint({ maxBufferedOutput: 1_000 });
    const { server } = await open(a);
    expect(server.mayKeep(900)).toBe(true);
    const owner = move(server, a);
    expect(owner.mayKeep(200)).toBe(false);
    owner.terminate();
  });
  test('where libc cannot be called there is no detaching, and it says why', async () => {
    const { server } = await open(endpoint({ kernel: undefined }));
    expect(() => server.detach()).toThrow(expect.objectContaining({ code: 'BATON_HANDOFF_UNSUPPORTED' }));
  });
});

test('an absent client is closed for good', () => {
  const connection = Connection.absent(endpoint());
  connection.send('x');
  connection.close();
  connection.terminate();
  connection.resume();
  expect([connection.readyState, connection.bufferedAmount, connection.detachable]).toEqual([3, 0, false]);
});

test('a record of another version is refused, and the descriptor stays the caller’s', async () => {
  const a = endpoint();
  const { server } = await open(a);
  const { fd, record } = server.detach();
  expect(() => Connection.adopt(a, fd, { ...record, v: 2 } as never)).toThrow(/version 2/);
  server.resume();
  expect(server.detachable).toBe(true);
});

test('random moves during traffic both ways: every message once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ cut: fc.integer({ min: 1, max: 4_000 }), echo: fc.boolean() }), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.integer({ min: 1, max: 3_000 }),
      async (steps, size) => {
        const ends = [endpoint(), endpoint()];
        const { server, client, receive, end } = await pair(ends[0]!);
        const count = 20;
        const bytes = Buffer.concat(
          Array.from({ length: count }, (_, i) => binary(Buffer.alloc(size + i, i))),
        );
        let owner = server;
        const seen: number[] = [];
        const listen = (): void => {
          owner.on('message', (data: Buffer) => {
            seen.push(data[0]!);
            owner.send(data);
          });
        };
        listen();
        let at = 0;
        for (const [i, { cut }] of steps.entries()) {
          client.write(bytes.subarray(at, at + cut));
          at = Math.min(bytes.length, at + cut);
          await new Promise((resolve) => setImmediate(resolve));
          owner = move(owner, ends[(i + 1) % 2]!);
          listen();
          owner.resume();
        }
        client.write(bytes.subarray(at));
        const total = Array.from({ length: count }, (_, i) => size + i + (size + i < 126 ? 2 : 4)).reduce(
          (a, b) => a + b,
        );
        const frames = parse(await receive(total));
        expect(frames.map((frame) => Buffer.from(frame[1] as string, 'hex')[0])).toEqual(seen);
        expect(seen).toEqual(Array.from({ length: count }, (_, i) => i));
        owner.terminate();
        end();
      },
    ),
    { numRuns: 60 },
  );
});
