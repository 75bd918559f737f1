import { readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BatonError } from '../../server/src/errors.ts';
import { Inbox, type Message } from '../../server/src/handoff/inbox.ts';
import { libc } from '../../server/src/handoff/index.ts';
import { Outbox, WINDOW } from '../../server/src/handoff/outbox.ts';
import {
  HEADER_BYTES,
  type Header,
  MAX_CHUNK,
  MAX_PACKET_FDS,
  type PacketType,
  readAck,
  readHeader,
  TYPE,
  writeAck,
  writeHeader,
} from '../../server/src/handoff/wire.ts';

/** Numbers no process has open: closing them does nothing. */
const FIRST_FD = 1 << 28;
const EBADF = 9;

function packetOf(header: Partial<Header>, payload = Buffer.alloc(header.length ?? 1)): Buffer {
  const whole: Header = {
    type: TYPE.call,
    fds: 0,
    id: 1,
    totalBytes: payload.length,
    totalFds: 0,
    offset: 0,
    length: payload.length,
    ...header,
  };
  const packet = Buffer.alloc(HEADER_BYTES + payload.length);
  writeHeader(packet, whole);
  payload.copy(packet, HEADER_BYTES);
  return packet;
}

describe('a packet', () => {
  test('is read as it was written', () => {
    const header = { type: TYPE.call, fds: 3, id: 7, totalBytes: 5000, totalFds: 9, offset: 100, length: 40 };
    expect(readHeader(packetOf(header), 3)).toEqual(header);
  });

  test('acknowledges any number of packets below 2^48', () => {
    for (const packets of [0, 1, 2 ** 32, 2 ** 32 - 1, 2 ** 48 - 1]) {
      const packet = Buffer.alloc(HEADER_BYTES);
      writeAck(packet, packets);
      expect(readHeader(packet, 0).type).toBe(TYPE.ack);
      expect(readAck(packet)).toBe(packets);
    }
  });

  test('of which one field is wrong is refused', () => {
    const bad: [string, Buffer, number][] = [
      ['short', packetOf({}).subarray(0, 31), 0],
      ['magic', Buffer.concat([Buffer.from('XX'), packetOf({}).subarray(2)]), 0],
      ['version', Object.assign(packetOf({}), { 4: 2 }), 0],
      ['type 0', packetOf({ type: 0 as PacketType }), 0],
      ['type 7', packetOf({ type: 7 as PacketType }), 0],
      ['reserved', Object.assign(packetOf({}), { 31: 1 }), 0],
      ['descriptors missing', packetOf({ fds: 2, totalFds: 2 }), 1],
      ['descriptors too many', packetOf({}), 1],
      ['descriptors over the total', packetOf({ fds: 2, totalFds: 1 }), 2],
      ['total of descriptors', packetOf({ totalFds: 2 ** 31 }), 0],
      ['descriptors in an answer', packetOf({ type: TYPE.answer, fds: 1, totalFds: 1 }), 1],
      ['length', packetOf({ length: 2 }, Buffer.alloc(1)), 0],
      ['message 0', packetOf({ id: 0 }), 0],
      ['empty message', packetOf({ totalBytes: 0, length: 0 }), 0],
      ['empty packet', packetOf({ totalBytes: 9, length: 0 }), 0],
      ['end', packetOf({ totalBytes: 10, offset: 10 }), 0],
      ['end over 32 bits', packetOf({ totalBytes: 10, offset: 0xffff_ffff }), 0],
      ['abort with payload', packetOf({ type: TYPE.abort }), 0],
      ['ack with payload', packetOf({ type: TYPE.ack }), 0],
    ];
    for (const [what, packet, fds] of bad) {
      expect(() => ({ what, header: readHeader(packet, fds) })).toThrow(/handoff message is malformed/);
    }
  });

  test('of random bytes is either refused with a typed error or consistent', () => {
    const start = packetOf({});
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), fc.nat(3), (bytes, prefixed, fds) => {
        const packet = Buffer.concat([prefixed ? start.subarray(0, 5) : Buffer.alloc(0), bytes]);
        try {
          const header = readHeader(packet, fds);
          expect(header.fds).toBe(fds);
        } catch (error) {
          expect(error).toBeInstanceOf(BatonError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** An outbox whose packets arrive at an inbox, through a socket that takes what `verdict` says. */
function line(limit: number, verdict: () => number = () => 0) {
  const inbox = new Inbox(limit);
  const done: Message[] = [];
  const order: number[] = [];
  const bad: number[] = [];
  const bodies = new Map<bigint, Buffer>();
  let received = 0;
  const header = Buffer.alloc(HEADER_BYTES);
  const outbox = new Outbox(
    header,
    (address, length, fds, from, count) => {
      const errno = verdict();
      if (errno) return -errno;
      const base = address & ~0xffff_ffffn;
      const offset = Number(address & 0xffff_ffffn);
      const chunk = bodies.get(base)?.subarray(offset, offset + length) ?? Buffer.alloc(0);
      const packet = Buffer.concat([header, chunk]);
      expect(packet.length).toBeLessThanOrEqual(65_536);
      expect(count).toBeLessThanOrEqual(MAX_PACKET_FDS);
      received += 1;
      const parsed = readHeader(packet, count);
      order.push(parsed.id);
      const message = inbox.take(parsed, packet, fds.slice(from, from + count));
      if (message && 'body' in message) done.push(message);
      return 0;
    },
    (id) => bad.push(id),
  );
  const add = (id: number, body: Buffer, fds: number[] = [], type: PacketType = TYPE.call) => {
    const address = BigInt(id) << 32n;
    bodies.set(address, body);
    outbox.add({ type, id, body, address, fds });
  };
  return { outbox, inbox, add, done, order, bad, received: () => received };
}

describe('messages', () => {
  test('of any size and number of descriptors arrive whole, whatever the socket takes when', () => {
    const message = fc.record({ bytes: fc.integer({ min: 1, max: 400_000 }), fds: fc.nat(700) });
    const hurdles = fc.array(fc.constantFrom(0, 0, libc.EAGAIN, libc.ETOOMANYREFS, 105), { maxLength: 60 });
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), hurdles, (messages, errnos) => {
        const { outbox, add, done, received } = line(1 << 22, () => errnos.shift() ?? 0);
        const expected = messages.map(({ bytes, fds }, i) => {
          const body = Buffer.alloc(bytes, i + 1);
          const numbers = Array.from({ length: fds }, (_, n) => FIRST_FD + i * 1000 + n);
          add(i + 1, body, numbers);
          return { id: i + 1, body, fds: numbers };
        });
        const outcomes = new Set<unknown>();
        for (let pumped = outbox.pump(); pumped !== 'idle'; pumped = outbox.pump()) outcomes.add(pumped);
        for (const outcome of outcomes) expect(['full', 'retry', 'more']).toContain(outcome);
        expect(done.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
        for (const { id, body, fds } of done) {
          expect(fds).toEqual(expected[id - 1]!.fds);
          expect(body.equals(expected[id - 1]!.body)).toBe(true);
        }
        expect(outbox.queuedBytes).toBe(0);
        expect(outbox.acknowledge(received()).sort()).toEqual(expected.map(({ id }) => id).sort());
      }),
      { numRuns: 60 },
    );
  });

  test('take turns: a small one passes a large one', () => {
    const { outbox, add, order, done } = line(1 << 24);
    add(1, Buffer.alloc(100 * MAX_CHUNK));
    expect(outbox.pump()).toBe('more');
    const before = order.length;
    add(2, Buffer.alloc(10));
    while (outbox.pump() !== 'idle');
    expect(order.indexOf(2) - before).toBeLessThanOrEqual(1);
    expect(done.map(({ id }) => id)).toEqual([2, 1]);
  });

  test('are delivered when their last packet is acknowledged, and not before', () => {
    const { outbox, add, received } = line(1 << 24);
    add(1, Buffer.alloc(3 * MAX_CHUNK));
    add(2, Buffer.alloc(1));
    while (outbox.pump() !== 'idle');
    expect(received()).toBe(4);
    expect(outbox.acknowledge(1)).toEqual([]);
    expect(outbox.acknowledge(2)).toEqual([2]);
    expect(outbox.acknowledge(3)).toEqual([]);
    expect(outbox.acknowledge(4)).toEqual([1]);
    expect(() => outbox.acknowledge(5)).toThrow(/5 packets acknowledged of 4/);
    expect(() => outbox.acknowledge(3)).toThrow(/malformed/);
  });

  test('stop at the window until packets are acknowledged', () => {
    const { outbox, add, received, done } = line(1 << 30);
    add(1, Buffer.alloc((WINDOW + 5) * MAX_CHUNK));
    let pumped = outbox.pump();
    while (pumped === 'more') pumped = outbox.pump();
    expect(pumped).toBe('window');
    expect(received()).toBe(WINDOW);
    outbox.acknowledge(5);
    while (outbox.pump() === 'more');
    expect(done).toHaveLength(1);
  });

  test('taken back before they are complete leave nothing at the receiver', () => {
    const open = readdirSync('/proc/self/fd').length;
    let room = 2;
    const { outbox, add, done, inbox } = line(1 << 24, () => (room-- > 0 ? 0 : libc.EAGAIN));
    const null1 = libc.packetSocket();
    add(1, Buffer.alloc(5 * MAX_CHUNK), [null1]);
    expect(outbox.pump()).toBe('full');
    add(2, Buffer.alloc(5));
    expect(outbox.remove(2)).toBe('unsent');
    expect(outbox.remove(1)).toBe('partial');
    room = 10;
    expect(outbox.pump()).toBe('idle');
    expect(outbox.queuedBytes).toBe(0);
    expect(done).toEqual([]);
    expect(outbox.remove(1)).toBe('absent');
    // The abort made the inbox close the descriptor that had come.
    expect(readdirSync('/proc/self/fd').length).toBe(open);
    inbox.clear();
  });

  test('with a descriptor that is not open fail alone', () => {
    const { outbox, add, done, bad } = line(1 << 20, () =>
      done.length === 0 && bad.length === 0 ? EBADF : 0,
    );
    add(1, Buffer.alloc(5), [FIRST_FD]);
    add(2, Buffer.alloc(5), [FIRST_FD]);
    expect(outbox.pump()).toBe('idle');
    expect(bad).toEqual([1]);
    expect(done.map(({ id }) => id)).toEqual([2]);
  });

  test('over the limit are refused once, thrown away, and hold up nothing', () => {
    const inbox = new Inbox(1000);
    const refused = inbox.take(
      readHeader(packetOf({ totalBytes: 1001, length: 500 }), 0),
      packetOf({ length: 500 }),
      [],
    );
    expect(refused).toMatchObject({ id: 1, refused: { code: 'BATON_HANDOFF_TOO_LARGE' } });
    const rest = packetOf({ totalBytes: 1001, offset: 500, length: 501 });
    expect(inbox.take(readHeader(rest, 0), rest, [])).toBeUndefined();
    const next = packetOf({ length: 1000 });
    expect(inbox.take(readHeader(next, 0), next, [])).toMatchObject({ id: 1 });
  });

  test('under way together may not reserve more than twice the limit', () => {
    const inbox = new Inbox(1000);
    const begin = (id: number) => {
      const packet = packetOf({ id, totalBytes: 900, length: 10 });
      return inbox.take(readHeader(packet, 0), packet, []);
    };
    expect([begin(1), begin(2)]).toEqual([undefined, undefined]);
    expect(begin(3)).toMatchObject({ id: 3, refused: { code: 'BATON_HANDOFF_TOO_LARGE' } });
    const abort = packetOf({ type: TYPE.abort, totalBytes: 0, length: 0 });
    inbox.take(readHeader(abort, 0), abort, []);
    expect(begin(4)).toBeUndefined();
  });

  test('that change in the middle, skip bytes or bring too many descriptors are refused', () => {
    const first = { totalBytes: 100, length: 10, totalFds: 2, fds: 1 };
    const second = { ...first, offset: 10, fds: 0 };
    const changes: Partial<Header>[] = [
      { offset: 11 },
      { offset: 0 },
      { totalBytes: 99 },
      { totalFds: 3 },
      { fds: 2 },
      { type: TYPE.hello, totalFds: 0 },
    ];
    for (const change of changes) {
      const inbox = new Inbox(1000);
      const start = packetOf(first);
      expect(inbox.take(readHeader(start, 1), start, [FIRST_FD])).toBeUndefined();
      const packet = packetOf({ ...second, ...change });
      const fds = Array.from({ length: change.fds ?? 0 }, (_, i) => FIRST_FD + i);
      expect(() => inbox.take(readHeader(packet, fds.length), packet, fds)).toThrow(/malformed/);
      expect(fds).toEqual([]);
    }
  });
});
