// RFC 6455 §5.2 to §5.5: what a client frame may look like.

import { describe, expect, test } from '@jest/globals';
import { Opcode } from '../../../server/src/transport/codec/index.ts';
import { binary, clientFrame, close, continuation, hex, read, text } from '../fixtures/frames.ts';

const PROTOCOL_ERROR = [['violation', 1002]];

describe('§5.7: the examples of the RFC', () => {
  test('a masked text message', () => {
    const bytes = Buffer.from([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    expect(read(bytes)).toEqual([['message', hex('Hello'), false]]);
  });
  test('a ping and its masked answer', () => {
    const pong = Buffer.from([0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    expect(read(pong)).toEqual([['pong', hex('Hello')]]);
  });
});

describe('§5.2: the length', () => {
  test.each([0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 70_001])('%i bytes', (length) => {
    const payload = Buffer.alloc(length, 'baton');
    expect(read(binary(payload))).toEqual([['message', hex(payload), true]]);
  });
  test.each([
    [0, 16],
    [125, 16],
    [125, 64],
    [126, 64],
    [65_535, 64],
  ] as const)('%i bytes may not be encoded in %i bits', (length, lengthBits) => {
    expect(read(binary(Buffer.alloc(length), { lengthBits }))).toEqual(PROTOCOL_ERROR);
  });
  test('the highest bit of 64 must be 0', () => {
    expect(read(binary('', { lengthBits: 64, claim: 1n << 63n }))).toEqual(PROTOCOL_ERROR);
  });
  test('a length above 2^53 is too big, whatever the limit', () => {
    const bytes = binary('', { lengthBits: 64, claim: 1n << 54n });
    expect(read(bytes, { maxPayload: 0, maxFragments: 0 })).toEqual([['violation', 1009]]);
  });
});

describe('§5.2: bits and opcodes', () => {
  test.each([1, 2, 3, 4, 5, 6, 7])(
    'reserved bits %i need an extension, and none is agreed on',
    (reserved) => {
      expect(read(text('x', { reserved }))).toEqual(PROTOCOL_ERROR);
    },
  );
  test.each([3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf])('opcode %i is reserved', (opcode) => {
    expect(read(clientFrame(opcode, 'x'))).toEqual(PROTOCOL_ERROR);
  });
});

describe('§5.1, §5.3: masking', () => {
  test.each([Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.CLOSE])(
    'an unmasked frame of opcode %i fails',
    (opcode) => {
      expect(read(clientFrame(opcode, '', { mask: false }))).toEqual(PROTOCOL_ERROR);
      expect(read(clientFrame(opcode, 'abcd', { mask: false }))).toEqual(PROTOCOL_ERROR);
    },
  );
  test.each([0, 1, 2, 3, 4, 255, 256, 257, 258, 259, 4_096, 4_099])(
    '%i bytes are unmasked by any key',
    (length) => {
      const payload = Buffer.from(Array.from({ length }, (_, i) => (i * 7) & 0xff));
      for (const mask of [
        [0, 0, 0, 0],
        [255, 254, 253, 252],
        [128, 0, 1, 127],
      ]) {
        expect(read(binary(payload, { mask: Buffer.from(mask) }))).toEqual([['message', hex(payload), true]]);
      }
    },
  );
});

describe('§5.4: fragments', () => {
  test('are put together, with the type of the first', () => {
    const bytes = Buffer.concat([
      text('one ', { fin: false }),
      continuation('two ', { fin: false }),
      continuation('three'),
    ]);
    expect(read(bytes)).toEqual([['message', hex('one two three'), false]]);
  });
  test('may be empty', () => {
    const bytes = Buffer.concat([
      binary('', { fin: false }),
      continuation('', { fin: false }),
      continuation('x', { fin: false }),
      continuation(''),
      text(''),
    ]);
    expect(read(bytes)).toEqual([
      ['message', hex('x'), true],
      ['message', '', false],
    ]);
  });
  test('may have control frames between them', () => {
    const bytes = Buffer.concat([
      text('a', { fin: false }),
      clientFrame(Opcode.PING, '1'),
      continuation('b', { fin: false }),
      clientFrame(Opcode.PONG, '2'),
      continuation('c'),
    ]);
    expect(read(bytes)).toEqual([
      ['ping', hex('1')],
      ['pong', hex('2')],
      ['message', hex('abc'), false],
    ]);
  });
  test('a continuation needs a beginning', () => {
    expect(read(continuation('x'))).toEqual(PROTOCOL_ERROR);
    expect(read(Buffer.concat([text('a'), continuation('b')]))).toEqual([
      ['message', hex('a'), false],
      ...PROTOCOL_ERROR,
    ]);
  });
  test('another message may not begin before the end', () => {
    expect(read(Buffer.concat([text('a', { fin: false }), text('b')]))).toEqual(PROTOCOL_ERROR);
    expect(read(Buffer.concat([binary('', { fin: false }), binary('')]))).toEqual(PROTOCOL_ERROR);
  });
});

describe('§5.5: control frames', () => {
  test.each([Opcode.PING, Opcode.PONG])('opcode %i carries up to 125 bytes', (opcode) => {
    const kind = opcode === Opcode.PING ? 'ping' : 'pong';
    expect(read(clientFrame(opcode))).toEqual([[kind, '']]);
    expect(read(clientFrame(opcode, Buffer.alloc(125, 7)))).toEqual([[kind, '07'.repeat(125)]]);
    expect(read(clientFrame(opcode, Buffer.alloc(126, 7)))).toEqual(PROTOCOL_ERROR);
  });
  test.each([Opcode.PING, Opcode.PONG, Opcode.CLOSE])('opcode %i may not be fragmented', (opcode) => {
    expect(read(clientFrame(opcode, '', { fin: false }))).toEqual(PROTOCOL_ERROR);
  });
  test('nothing is read after a close frame or a violation', () => {
    expect(read(Buffer.concat([close(1000), text('x'), close(1001)]))).toEqual([['close', 1000, '']]);
    expect(read(Buffer.concat([text('x', { reserved: 1 }), text('y'), close()]))).toEqual(PROTOCOL_ERROR);
  });
});
