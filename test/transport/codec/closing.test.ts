// RFC 6455 §5.5.1 and §7.4: close frames, and which codes they may carry.

import { describe, expect, test } from '@jest/globals';
import {
  closePayload,
  encodeFrame,
  isSendableCode,
  Opcode,
} from '../../../server/src/transport/codec/index.ts';
import { clientFrame, close, hex, read } from '../fixtures/frames.ts';

describe('a close frame', () => {
  test('without a code counts as 1005', () => {
    expect(read(close())).toEqual([['close', 1005, '']]);
  });
  test('has a code and a reason', () => {
    expect(read(close(1001, 'going away'))).toEqual([['close', 1001, hex('going away')]]);
    expect(read(close(4000, 'ü'.repeat(61)))).toEqual([['close', 4000, hex('ü'.repeat(61))]]);
  });
  test('of one byte is a protocol error', () => {
    expect(read(clientFrame(Opcode.CLOSE, 'x'))).toEqual([['violation', 1002]]);
  });
  test('with a reason that is not UTF-8 closes with 1007', () => {
    expect(read(close(1000, Buffer.from([0xc3, 0x28])))).toEqual([['violation', 1007]]);
    expect(read(close(1000, Buffer.from([0xe2, 0x82])))).toEqual([['violation', 1007]]);
  });
  test('of more than 125 bytes is a protocol error', () => {
    expect(read(close(1000, 'x'.repeat(124)))).toEqual([['violation', 1002]]);
  });
});

describe('§7.4: codes', () => {
  const sendable = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
  ];
  const forbidden = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
  test.each(sendable)('%i may be sent', (code) => {
    expect(isSendableCode(code)).toBe(true);
    expect(read(close(code))).toEqual([['close', code, '']]);
  });
  test.each(forbidden)('%i may not', (code) => {
    expect(isSendableCode(code)).toBe(false);
    expect(read(close(code))).toEqual([['violation', 1002]]);
  });
});

describe('a server close frame', () => {
  test('is empty without a code', () => {
    expect(hex(encodeFrame(Opcode.CLOSE, closePayload()))).toBe('8800');
  });
  test('has the code in network order and the reason in UTF-8', () => {
    expect(hex(encodeFrame(Opcode.CLOSE, closePayload(1000, 'é')))).toBe('880403e8c3a9');
  });
  test('takes a reason of 123 bytes and no more', () => {
    expect(closePayload(1000, 'x'.repeat(123))).toHaveLength(125);
    expect(() => closePayload(1000, 'é'.repeat(62))).toThrow(RangeError);
  });
});
