// What a client may make the server hold.

import { describe, expect, test } from '@jest/globals';
import { FrameReader, Opcode } from '../../../server/src/transport/codec/index.ts';
import { binary, clientFrame, continuation, hex, Notes, read, readCut, text } from '../fixtures/frames.ts';

describe('maxPayload', () => {
  const limits = { maxPayload: 10, maxFragments: 0 };
  test('counts the whole message', () => {
    expect(read(binary('x'.repeat(10)), limits)).toEqual([['message', hex('x'.repeat(10)), true]]);
    expect(read(binary('x'.repeat(11)), limits)).toEqual([['violation', 1009]]);
    const fragments = [text('12345', { fin: false }), continuation('67890', { fin: false })];
    expect(read(Buffer.concat([...fragments, continuation('')]), limits)).toEqual([
      ['message', hex('1234567890'), false],
    ]);
    expect(read(Buffer.concat([...fragments, continuation('!')]), limits)).toEqual([['violation', 1009]]);
  });
  test('is enforced by the header, before any payload', () => {
    const header = binary('x'.repeat(11)).subarray(0, 6);
    expect(read(header, limits)).toEqual([['violation', 1009]]);
  });
  test('begins anew with each message, and does not count control frames', () => {
    const bytes = Buffer.concat([
      binary('x'.repeat(10)),
      clientFrame(Opcode.PING, 'x'.repeat(100)),
      binary('y'.repeat(10)),
    ]);
    expect(read(bytes, limits).map(([kind]) => kind)).toEqual(['message', 'ping', 'message']);
  });
  test('0 is no limit', () => {
    expect(read(binary(Buffer.alloc(1_000_000)), { maxPayload: 0, maxFragments: 0 })).toHaveLength(1);
  });
});

describe('maxFragments', () => {
  const limits = { maxPayload: 0, maxFragments: 3 };
  const begun = [text('', { fin: false }), continuation('', { fin: false })];
  test('counts the frames of a message, empty ones too', () => {
    expect(read(Buffer.concat([...begun, continuation('a')]), limits)).toEqual([
      ['message', hex('a'), false],
    ]);
    expect(read(Buffer.concat([...begun, ...begun.slice(1), continuation('')]), limits)).toEqual([
      ['violation', 1008],
    ]);
  });
  test('begins anew with each message', () => {
    const message = Buffer.concat([...begun, continuation('a')]);
    expect(read(Buffer.concat([message, message]), limits)).toHaveLength(2);
  });
});

test('a claimed length costs no memory before its bytes come', () => {
  const notes = new Notes();
  const reader = new FrameReader({ maxPayload: 2 ** 40, maxFragments: 0 }, notes);
  const header = binary('', { lengthBits: 64, claim: 2n ** 40n });
  const before = process.memoryUsage().arrayBuffers;
  reader.read(Buffer.concat([header, Buffer.alloc(10)]), 0, header.length + 10);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  expect(reader.save().message!.body.byteLength).toBe(10);
});

test('a large message of many pieces is put together right', () => {
  const payload = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
  const limits = { maxPayload: 0, maxFragments: 0 };
  const cuts = Array.from({ length: 46 }, (_, i) => 6_500 * (i + 1));
  expect(readCut(binary(payload), cuts, limits)).toEqual([['message', hex(payload), true]]);
  const fragments = Array.from({ length: 300 }, (_, i) =>
    clientFrame(i === 0 ? Opcode.BINARY : Opcode.CONTINUATION, payload.subarray(i * 1000, i * 1000 + 1000), {
      fin: i === 299,
    }),
  );
  expect(readCut(Buffer.concat(fragments), cuts, limits)).toEqual([['message', hex(payload), true]]);
});
