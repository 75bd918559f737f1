import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { libc } from '../../server/src/handoff/index.ts';

/** A TCP connection on loopback: the accepted end as a net.Socket and its descriptor, and the client. */
async function pair() {
  const server = net.createServer({ pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [net.Socket];
  const fd = (accepted as any)._handle.fd as number;
  const done = () => {
    accepted.destroy();
    client.destroy();
    server.close();
  };
  return { accepted, client, fd, done };
}

describe('libc', () => {
  test('is supported on this machine', () => expect(libc.supported()).toEqual({ ok: true }));

  test('send writes bytes of any kind of Buffer from any offset', async () => {
    const { client, fd, done } = await pair();
    const onHeap = new Uint8Array([1, 2, 3, 4]);
    const pooled = Buffer.from('pooled');
    const large = Buffer.allocUnsafeSlow(5000).fill('x');
    expect(libc.send(fd, onHeap, 1, 2)).toBe(2);
    expect(libc.send(fd, pooled, 0, 6)).toBe(6);
    expect(libc.send(fd, large, 4990, 10)).toBe(10);
    const chunks: Buffer[] = [];
    for await (const chunk of client) {
      chunks.push(chunk);
      if (Buffer.concat(chunks).length >= 18) break;
    }
    expect(Buffer.concat(chunks)).toEqual(
      Buffer.concat([Buffer.from([2, 3]), pooled, Buffer.from('xxxxxxxxxx')]),
    );
    done();
  });

  test('send refuses ranges outside the buffer instead of reading past its end', () => {
    const buffer = Buffer.alloc(10);
    for (const [offset, length] of [
      [0, 11],
      [5, 6],
      [-1, 2],
      [0, -1],
      [Number.NaN, 1],
      [0, Number.NaN],
    ] as const) {
      expect(() => libc.send(-1, buffer, offset, length)).toThrow(RangeError);
      expect(() => libc.recv(-1, buffer, offset, length)).toThrow(RangeError);
    }
  });

  test('send returns a negative errno instead of throwing', () => {
    expect(libc.errnoName(libc.send(-1, Buffer.alloc(1), 0, 1))).toBe('EBADF');
  });

  test('a full socket answers EAGAIN, and waitWritable calls once when the peer has read', async () => {
    const { accepted, client, fd, done } = await pair();
    client.pause();
    const block = Buffer.alloc(1 << 20, 7);
    let total = 0;
    for (let n = 0; n >= 0; total += Math.max(n, 0)) n = libc.send(fd, block, 0, block.length);
    expect(libc.send(fd, block, 0, 1)).toBe(-libc.EAGAIN);

    let calls = 0;
    const writable = new Promise<void>((resolve) => {
      libc.waitWritable(fd, () => {
        calls += 1;
        resolve();
      });
    });
    let got = 0;
    client.on('data', (chunk) => (got += chunk.length));
    client.resume();
    await writable;
    expect(libc.send(fd, block, 0, 1)).toBe(1);
    accepted.end();
    await once(client, 'end');
    expect(got).toBe(total + 1);
    expect(calls).toBe(1);
    done();
  });

  test('a cancelled wait never calls back and leaves no descriptor open', async () => {
    const { accepted, fd, done } = await pair();
    const before = libc.dup(fd);
    libc.close(before);
    const wait = libc.waitWritable(fd, () => expect('called').toBe('never'));
    wait.cancel();
    wait.cancel();
    await new Promise((resolve) => libc.waitWritable(fd, () => resolve(undefined)));
    expect(libc.dup(fd)).toBe(before);
    libc.close(before);
    expect(accepted.destroyed).toBe(false);
    done();
  });

  test('waitWritable reports a reset connection, and send then says so', async () => {
    const { client, fd, accepted, done } = await pair();
    const own = libc.dup(fd);
    accepted.on('error', () => {});
    const block = Buffer.alloc(1 << 20);
    client.pause();
    while (libc.send(own, block, 0, block.length) > 0);
    const writable = new Promise<void>((resolve) => libc.waitWritable(own, resolve));
    client.resetAndDestroy();
    await writable;
    const n = libc.send(own, block, 0, 1);
    expect([-libc.ECONNRESET, -libc.EPIPE]).toContain(n);
    libc.close(own);
    done();
  });

  test('a dup keeps the connection when the socket is destroyed: no FIN goes out', async () => {
    const { accepted, client, fd, done } = await pair();
    const kept = libc.dup(fd);
    accepted.destroy();
    await once(accepted, 'close');
    expect(libc.send(kept, Buffer.from('still here'), 0, 10)).toBe(10);
    const [data] = await once(client, 'data');
    expect(String(data)).toBe('still here');
    libc.close(kept);
    await once(client, 'end');
    done();
  });

  test('end() sends a FIN in spite of a dup, and resetAndDestroy() leaves SO_LINGER on the shared socket', async () => {
    const first = await pair();
    const kept = libc.dup(first.fd);
    first.accepted.end();
    await once(first.client.resume(), 'end');
    libc.close(kept);
    first.done();

    const second = await pair();
    const poisoned = libc.dup(second.fd);
    second.client.on('error', () => {});
    second.accepted.resetAndDestroy();
    await once(second.accepted, 'close');
    expect(libc.send(poisoned, Buffer.from('x'))).toBe(1);
    // libuv reports a reset that arrives together with data as an end.
    await once(second.client, 'data');
    const reset = once(second.client, 'error');
    libc.close(poisoned); // After destroy() this would be a FIN.
    expect((await reset)[0].code).toBe('ECONNRESET');
    second.done();
  });

  test('promises and ticks made in a wait callback run at once', async () => {
    const { fd, done } = await pair();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      libc.waitWritable(fd, () => {
        process.nextTick(() => order.push('tick'));
        Promise.resolve().then(() => order.push('microtask'));
        setImmediate(() => {
          order.push('immediate');
          resolve();
        });
      });
    });
    expect(order).toEqual(['tick', 'microtask', 'immediate']);
    done();
  });
});
