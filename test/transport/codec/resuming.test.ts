// A reader's state can be taken and put into another reader between any two bytes.

import v8 from 'node:v8';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameReader, Opcode, type ReaderState } from '../../../server/src/transport/codec/index.ts';
import {
  binary,
  carried,
  clientFrame,
  close,
  continuation,
  LIMITS,
  Notes,
  read,
  readCut,
  text,
} from '../fixtures/frames.ts';

const cloned = carried((state) => structuredClone(state));
const serialised = carried((state) => v8.deserialize(v8.serialize(state)) as ReaderState);

const conversation = Buffer.concat([
  text('Hello'),
  binary(Buffer.alloc(130, 1)),
  text('κόσ', { fin: false, mask: Buffer.from([1, 2, 3, 4]) }),
  clientFrame(Opcode.PING, 'are you there'),
  continuation('', { fin: false }),
  continuation('με', { mask: Buffer.from([9, 8, 7, 6]) }),
  binary(''),
  clientFrame(Opcode.PONG, ''),
  binary('x', { fin: false }),
  continuation('y', { fin: false }),
  continuation(Buffer.alloc(300, 'z')),
  close(4000, 'done ✓'),
  text('never read'),
]);
const expected = read(conversation);

test('the conversation has all kinds of frames in it', () => {
  expect(expected.map(([kind]) => kind)).toEqual([
    'message',
    'message',
    'ping',
    'message',
    'message',
    'pong',
    'message',
    'close',
  ]);
});

describe.each([
  ['kept', (reader: FrameReader) => reader],
  ['structuredClone', cloned],
  ['v8.serialize', serialised],
] as const)('state carried by: %s', (_, between) => {
  test('at every single cut', () => {
    for (let cut = 0; cut <= conversation.length; cut++) {
      expect(readCut(conversation, [cut], LIMITS, between)).toEqual(expected);
    }
  });
  test('at all cuts at once', () => {
    const cuts = Array.from(conversation, (_, i) => i);
    expect(readCut(conversation, cuts, LIMITS, between)).toEqual(expected);
  });
});

const frame = fc.record({
  kind: fc.constantFrom('text', 'binary', 'ping', 'pong', 'close', 'garbage'),
  payload: fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }).map((string) => Buffer.from(string)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  ),
  mask: fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
  pieces: fc.array(fc.nat(200), { maxLength: 4 }),
});
type Frame = typeof frame extends fc.Arbitrary<infer T> ? T : never;

function encode({ kind, payload, mask, pieces }: Frame): Buffer {
  if (kind === 'garbage') return payload;
  if (kind === 'close') return close(1000 + (payload.length % 20), payload.subarray(0, 100));
  if (kind === 'ping' || kind === 'pong') {
    return clientFrame(kind === 'ping' ? Opcode.PING : Opcode.PONG, payload.subarray(0, 125), { mask });
  }
  const cuts = pieces.map((piece) => Math.min(piece, payload.length)).sort((a, b) => a - b);
  const ends = [...cuts, payload.length];
  return Buffer.concat(
    ends.map((end, i) =>
      clientFrame(
        i > 0 ? Opcode.CONTINUATION : kind === 'text' ? Opcode.TEXT : Opcode.BINARY,
        payload.subarray(ends[i - 1] ?? 0, end),
        {
          mask,
          fin: i === ends.length - 1,
        },
      ),
    ),
  );
}

test('random frames, valid or not, read the same however they are cut and carried', () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.nat(2000), { maxLength: 12 }),
      (frames, at) => {
        const bytes = Buffer.concat(frames.map(encode));
        const cuts = at.filter((cut) => cut <= bytes.length).sort((a, b) => a - b);
        const limits = { maxPayload: 150, maxFragments: 4 };
        const whole = read(bytes, limits);
        expect(readCut(bytes, cuts, limits)).toEqual(whole);
        expect(
          readCut(
            bytes,
            cuts,
            limits,
            carried((state) => structuredClone(state), limits),
          ),
        ).toEqual(whole);
      },
    ),
    { numRuns: 1500 },
  );
});

describe('stop', () => {
  test('in the middle of a chunk leaves the rest to the next reader', () => {
    const bytes = Buffer.concat([text('a'), text('b', { fin: false }), continuation('c'), text('d')]);
    const found: string[] = [];
    const sink = new Notes();
    const reader = new FrameReader(LIMITS, {
      ...hooks(sink),
      onMessage: (data: Buffer) => {
        found.push(data.toString());
        reader.stop();
      },
    });
    const end = reader.read(bytes, 0, bytes.length);
    expect(found).toEqual(['a']);
    expect(end).toBe(text('a').length);
    const next = new FrameReader(LIMITS, sink);
    next.restore(structuredClone(reader.save()));
    next.read(bytes, end, bytes.length);
    expect(sink.found).toEqual(read(bytes).slice(1));
  });
  test('and reading the rest at once, from within the listener, keeps the order', () => {
    const bytes = Buffer.concat([text('a'), text('b'), text('c')]);
    const found: string[] = [];
    const reader = new FrameReader(LIMITS, {
      ...hooks(new Notes()),
      onMessage: (data: Buffer) => {
        found.push(data.toString());
        if (data.toString() !== 'a') return;
        reader.stop();
        const rest = Buffer.from(bytes.subarray(reader.position));
        reader.read(rest, 0, rest.length);
      },
    });
    reader.read(bytes, 0, bytes.length);
    expect(found).toEqual(['a', 'b', 'c']);
  });
});

test('a state of another version is refused', () => {
  const reader = new FrameReader(LIMITS, new Notes());
  expect(() => new FrameReader(LIMITS, new Notes()).restore({ ...reader.save(), v: 2 } as never)).toThrow(
    /version 2/,
  );
});

function hooks(notes: Notes) {
  return {
    onMessage: notes.onMessage.bind(notes),
    onPing: notes.onPing.bind(notes),
    onPong: notes.onPong.bind(notes),
    onClose: notes.onClose.bind(notes),
    onViolation: notes.onViolation.bind(notes),
  };
}
