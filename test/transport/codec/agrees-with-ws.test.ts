// The `ws` package at the other end of the bytes: its sender writes what our reader reads, its receiver reads what
// our writer writes, and both receivers find the same in random bytes.

import { createRequire } from 'node:module';
import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeFrame, Opcode } from '../../../server/src/transport/codec/index.ts';
import { clientFrame, type Found, hex, read } from '../fixtures/frames.ts';

const { Receiver, Sender } = createRequire(import.meta.url)('ws') as { Receiver: any; Sender: any };

/** What ws' receiver finds. */
async function readByWs(
  bytes: Buffer,
  isServer: boolean,
  maxPayload: number,
  maxFragments: number,
): Promise<Found[]> {
  const found: Found[] = [];
  const receiver = new Receiver({
    isServer,
    maxPayload,
    maxFragments,
    allowSynchronousEvents: true,
    binaryType: 'nodebuffer',
  });
  receiver.on('message', (data: Buffer, isBinary: boolean) => found.push(['message', hex(data), isBinary]));
  receiver.on('ping', (data: Buffer) => found.push(['ping', hex(data)]));
  receiver.on('pong', (data: Buffer) => found.push(['pong', hex(data)]));
  receiver.on('conclude', (code: number, reason: Buffer) => found.push(['close', code, hex(reason)]));
  receiver.on('error', (error: any) => {
    const code = Object.getOwnPropertySymbols(error)
      .map((symbol) => error[symbol])
      .find((value) => typeof value === 'number');
    found.push(['violation', code as number]);
  });
  await new Promise<void>((resolve) => {
    receiver.once('error', () => resolve());
    // ws unmasks in place: it gets a copy.
    receiver.write(Buffer.from(bytes), () => resolve());
  });
  return found;
}

/** What ws' sender writes for a client. */
function written(send: (sender: any) => void): Buffer {
  const chunks: Buffer[] = [];
  const socket = new Writable({
    write: (chunk, _, done) => {
      chunks.push(chunk);
      done();
    },
  });
  send(new Sender(socket, {}));
  return Buffer.concat(chunks);
}

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 65_530, maxLength: 65_540, size: 'max' }),
);

test('our reader reads what ws sends', () => {
  fc.assert(
    fc.property(payload, (bytes) => {
      const data = Buffer.from(bytes);
      const sent = written((sender) => {
        sender.send(data, { binary: true, fin: true, mask: true, compress: false }, () => {});
        sender.ping(data.subarray(0, 125), true);
        sender.close(1000, 'bye', true);
      });
      expect(read(sent)).toEqual([
        ['message', hex(data), true],
        ['ping', hex(data.subarray(0, 125))],
        ['close', 1000, hex('bye')],
      ]);
    }),
    { numRuns: 200 },
  );
});

test('ws reads what our writer writes', async () => {
  await fc.assert(
    fc.asyncProperty(payload, async (bytes) => {
      const frames = [encodeFrame(Opcode.BINARY, bytes), encodeFrame(Opcode.PING, bytes.subarray(0, 125))];
      expect(await readByWs(Buffer.concat(frames), false, 0, 0)).toEqual([
        ['message', hex(bytes), true],
        ['ping', hex(bytes.subarray(0, 125))],
      ]);
    }),
    { numRuns: 200 },
  );
});

test('in random frames both find the same, up to the first violation and its close code', async () => {
  const frame = fc
    .record({
      opcode: fc.constantFrom(0, 0, 1, 1, 2, 2, 8, 9, 10, 3, 11),
      payload: fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 40 }).map((string) => Buffer.from(string)),
        fc.uint8Array({ maxLength: 140 }).map((bytes) => Buffer.from(bytes)),
        fc.constantFrom(
          Buffer.from([0x03, 0xe8]),
          Buffer.from([0x03, 0xed]),
          Buffer.from([0x0f, 0xa0, 0x41]),
        ),
      ),
      fin: fc.boolean(),
      reserved: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 4),
      masked: fc.constantFrom(true, true, true, true, true, true, true, false),
    })
    .map(({ opcode, payload, fin, reserved, masked }) =>
      clientFrame(opcode, payload, {
        fin: opcode >= 8 ? true : fin,
        reserved,
        mask: masked ? undefined : false,
      }),
    );
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 8 }), async (frames) => {
      const bytes = Buffer.concat(frames);
      const ours = read(bytes, { maxPayload: 100, maxFragments: 3 });
      const theirs = await readByWs(bytes, true, 100, 3);
      // Text is checked here as it comes, by ws at its end: ours may fail while theirs still waits for more.
      const early = ours.at(-1)?.[0] === 'violation' && ours.at(-1)?.[1] === 1007;
      if (early) expect(theirs.slice(0, ours.length - 1)).toEqual(ours.slice(0, -1).slice(0, theirs.length));
      else expect(ours).toEqual(theirs);
    }),
    { numRuns: 1500 },
  );
});
