// Many descriptors read in one turn, while their readers come, go and fail.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { libc } from '../../server/src/handoff/index.ts';
import { descriptorOf, stopReading } from '../../server/src/transport/inlet.ts';
import { Outbox } from '../../server/src/transport/outbox.ts';
import { type Clock, type Cork, type Polled, Poller } from '../../server/src/transport/poller.ts';

const open: (() => void)[] = [];
afterEach(() => {
  for (const end of open.splice(0)) end();
});

interface Reader extends Polled {
  client: net.Socket;
  read: string[];
  ended: number;
  failed: number;
}

/** A TCP connection whose accepted end is the reader's. */
async function reader(poller: Poller, onRead: (self: Reader) => void = () => {}): Promise<Reader> {
  const listener = net.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = net.connect((listener.address() as net.AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(listener, 'connection')) as [net.Socket];
  listener.close();
  client.on('error', () => {});
  stopReading(accepted);
  const fd = libc.dup(descriptorOf(accepted));
  accepted.destroy();
  const self: Reader = {
    fd,
    slot: -1,
    client,
    read: [],
    ended: 0,
    failed: 0,
    onRead(buffer, length) {
      self.read.push(buffer.toString('latin1', 0, length));
      onRead(self);
    },
    onReadEnd() {
      self.ended++;
      poller.remove(self);
    },
    onReadFailed() {
      self.failed++;
      poller.remove(self);
    },
  };
  open.push(() => {
    if (self.slot >= 0) poller.remove(self);
    libc.close(fd);
    client.destroy();
  });
  return self;
}

const until = async (done: () => boolean): Promise<void> => {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
};

test('more connections than one turn reads: each gets its bytes, in order', async () => {
  const poller = new Poller(new Outbox(), 0);
  const readers = await Promise.all(Array.from({ length: 300 }, () => reader(poller)));
  for (const each of readers) poller.add(each);
  for (let round = 0; round < 3; round++)
    for (const [index, { client }] of readers.entries()) client.write(`${round}:${index};`);
  const all = (index: number) => `0:${index};1:${index};2:${index};`;
  await until(() => readers.every((each, index) => each.read.join('').length === all(index).length));
  expect(readers.map((each) => each.read.join(''))).toEqual(readers.map((_, index) => all(index)));
});

test('a reader removed by another one in the same turn hears nothing, nor does the next one in its place', async () => {
  const poller = new Poller(new Outbox(), 0);
  const late = await reader(poller);
  const removing = (victim: () => Reader) => () => {
    if (victim().slot < 0) return;
    poller.remove(victim());
    poller.add(late); // takes the slot whose event is still to be handled
  };
  const a: Reader = await reader(
    poller,
    removing(() => b),
  );
  const b: Reader = await reader(
    poller,
    removing(() => a),
  );
  poller.add(a);
  poller.add(b);
  const slots = [a.slot, b.slot];
  a.client.write('a');
  b.client.write('b');
  // Both are readable before the poller looks.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await until(() => a.read.length + b.read.length > 0);
  await new Promise((resolve) => setImmediate(resolve));
  expect([...a.read, ...b.read]).toHaveLength(1);
  expect(slots).toContain(late.slot);
  expect(late.read).toEqual([]);
  late.client.write('late');
  await until(() => late.read.length > 0);
  expect(late.read).toEqual(['late']);
});

test('the end and a reset are told once each', async () => {
  const poller = new Poller(new Outbox(), 0);
  const [ending, reset, other] = [await reader(poller), await reader(poller), await reader(poller)];
  for (const each of [ending, reset, other]) poller.add(each);
  ending.client.end('bye');
  reset.client.resetAndDestroy();
  await until(() => ending.ended + reset.failed === 2);
  other.client.write('still here');
  await until(() => other.read.length > 0);
  expect(ending).toMatchObject({ read: ['bye'], ended: 1, failed: 0, slot: -1 });
  expect(reset).toMatchObject({ read: [], ended: 0, failed: 1, slot: -1 });
});

test('one that is not polled costs nothing: what comes waits in the kernel, also while a copy lives on', async () => {
  const poller = new Poller(new Outbox(), 0);
  const one = await reader(poller);
  poller.add(one);
  poller.remove(one);
  one.client.write('later');
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(one.read).toEqual([]);
  poller.add(one);
  await until(() => one.read.length > 0);
  expect(one.read).toEqual(['later']);
});

/** A clock that stands still until the test moves it, and alarms that ring when the test says so. */
class StoppedClock implements Clock {
  time = 0;
  alarms: { ms: number; callback: () => void }[] = [];
  readonly cancelled: number[] = [];
  now = () => this.time;
  after(ms: number, callback: () => void) {
    const alarm = { ms, callback };
    this.alarms.push(alarm);
    return {
      refresh: () => void this.alarms.push(alarm),
      cancel: () => {
        this.cancelled.push(ms);
        this.alarms = this.alarms.filter((one) => one !== alarm);
      },
    };
  }
  ring(): void {
    for (const { callback } of this.alarms.splice(0)) callback();
  }
}

/** Notes what is sent while it is corked. */
class Sends implements Cork {
  readonly turns: string[][] = [];
  cork() {
    this.turns.push([]);
  }
  uncork() {}
  note(what: string) {
    this.turns.at(-1)!.push(what);
  }
  get notEmpty() {
    return this.turns.filter((turn) => turn.length > 0);
  }
}

describe('messages that come one by one and fast', () => {
  async function busy({ msBetween = 0, coalesceMs = 1 } = {}) {
    const clock = new StoppedClock();
    const sends = new Sends();
    const poller = new Poller(sends, coalesceMs, clock);
    const note = (name: string) => (self: Reader) => sends.note(`${name}${self.read.at(-1)}`);
    const a = await reader(poller, note('a'));
    const b = await reader(poller, note('b'));
    poller.add(a);
    poller.add(b);
    const say = async (from: Reader, text: string) => {
      const before = from.read.length;
      from.client.write(text);
      await until(() => from.read.length > before);
    };
    // each one is read before the next one is sent, so each is a turn of its own
    for (let n = 0; n < 16; n++) {
      clock.time += msBetween;
      await say(a, String(n % 10));
    }
    return { clock, sends, poller, a, b, say };
  }
  /** Gives the event loop time to report what can be read. */
  const sent = () => new Promise((resolve) => setTimeout(resolve, 30));

  test('what comes next waits for the alarm, is read together, and sent together', async () => {
    const { clock, sends, poller, a, b } = await busy();
    expect(poller.coalescing).toBe(true);
    expect(clock.alarms.map(({ ms }) => ms)).toEqual([1]);
    sends.turns.length = 0;
    const read = a.read.length;
    a.client.write('x');
    b.client.write('y');
    await sent();
    expect([a.read.length, b.read]).toEqual([read, []]);
    clock.ring();
    expect([a.read.at(-1), b.read]).toEqual(['x', ['y']]);
    expect(sends.notEmpty).toHaveLength(1);
    expect([...sends.notEmpty[0]!].sort()).toEqual(['ax', 'by']);
    expect(clock.alarms).toHaveLength(1);
  });

  test('after two looks that find nothing it is woken again, and serves what comes at once', async () => {
    const { clock, poller, a, say } = await busy();
    clock.ring();
    expect(poller.coalescing).toBe(true);
    clock.ring();
    expect(poller.coalescing).toBe(false);
    expect(clock.alarms).toEqual([]);
    await say(a, 'at once');
    expect(a.read.at(-1)).toBe('at once');
  });

  test('what came before it was woken again is not forgotten', async () => {
    const { clock, a } = await busy();
    clock.ring();
    a.client.write('late');
    // not there yet for the look that ends it
    clock.ring();
    await until(() => {
      clock.ring();
      return a.read.at(-1) === 'late';
    });
  });

  test('fewer than 2,000 a second are each served at once', async () => {
    const { poller, clock } = await busy({ msBetween: 0.6 });
    expect([poller.coalescing, clock.alarms]).toEqual([false, []]);
  });

  test('with 0 ms all are', async () => {
    const { poller, clock } = await busy({ coalesceMs: 0 });
    expect([poller.coalescing, clock.alarms]).toEqual([false, []]);
  });

  test('when all are removed meanwhile nothing is left behind; the next one is served at once', async () => {
    const { clock, poller, a, b, say } = await busy();
    poller.remove(a);
    poller.remove(b);
    expect([poller.coalescing, clock.cancelled, clock.alarms]).toEqual([false, [1], []]);
    poller.add(b);
    await say(b, 'hello');
    expect(b.read).toEqual(['hello']);
  });

  test('a reader that removes the last ones from inside a look may add others', async () => {
    const { clock, poller, a, b, say } = await busy();
    b.onRead = () => {
      poller.remove(a);
      poller.remove(b);
      poller.add(a);
    };
    b.client.write('swap');
    await sent();
    clock.ring();
    expect([poller.coalescing, clock.alarms, b.slot]).toEqual([false, [], -1]);
    await say(a, 'still here');
    expect(a.read.at(-1)).toBe('still here');
  });
});

test('a process with nothing to poll may end', () => {
  const module = path.resolve(import.meta.dirname, '../../server/src/transport/poller.ts');
  const script = `
    const { Poller } = await import(${JSON.stringify(module)});
    const { createServer, connect } = await import('node:net');
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      const poller = new Poller({ cork() {}, uncork() {} }, 1);
      const polled = { fd: socket._handle.fd, slot: -1 };
      poller.add(polled);
      poller.remove(polled);
      socket.destroy();
      server.close();
      console.log('done');
    }).listen(0, '127.0.0.1', () => connect(server.address().port, '127.0.0.1').on('error', () => {}));`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect(child).toMatchObject({ status: 0, stdout: 'done\n' });
});
