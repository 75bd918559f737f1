// Both sides' counting of messages, without a network: connections that break between any two bytes, at any time, again
// and again; hosts that are left for others. Whatever happens, each message comes once and in order.
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Stream } from '../../client-sdk/src/stream.ts';
import { sizeOf, type Wire } from '../../client-sdk/src/wire.ts';
import { Resume } from '../../server/src/sockets/resume.ts';

/** One direction of a connection: messages with their lengths, of which any part may be on the way. */
class Pipe {
  private bytes = Buffer.alloc(0);
  private readonly take: (data: Buffer, text: boolean) => void;

  constructor(take: (data: Buffer, text: boolean) => void) {
    this.take = take;
  }

  write(data: Wire): void {
    const body = Buffer.from(data as string);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length);
    head[4] = typeof data === 'string' ? 1 : 0;
    this.bytes = Buffer.concat([this.bytes, head, body]);
  }

  /** Lets through so many bytes of what is on the way; what is cut stays cut. */
  pass(most: number): void {
    let left = most;
    while (this.bytes.length >= 5) {
      const length = 5 + this.bytes.readUInt32BE();
      if (length > this.bytes.length || length > left) return;
      const message = this.bytes.subarray(5, length);
      const text = this.bytes[4] === 1;
      this.bytes = this.bytes.subarray(length);
      left -= length;
      this.take(message, text);
    }
  }
}

const ACK = 'ack:';

/** A client and a service that talk over connections which break. */
class World {
  readonly stream = new Stream(1024 * 1024);
  resume = new Resume();
  readonly heard: { client: string[]; service: string[] } = { client: [], service: [] };
  private readonly sent: { client: string[]; service: string[] } = { client: [], service: [] };
  private up: Pipe | undefined;
  private down: Pipe | undefined;

  constructor() {
    this.pipes();
    this.stream.flow((data) => this.up!.write(data));
  }

  clientSays(n: number, binary: boolean): void {
    const text = `${n} ${'x'.repeat(n % 7)}`;
    this.sent.client.push(text);
    this.stream.send([binary ? Buffer.from(text) : text]);
  }

  serviceSays(n: number): void {
    const text = `${n} ${'y'.repeat(n % 5)}`;
    this.sent.service.push(text);
    expect(this.resume.keep(Buffer.from(text), true, this.down !== undefined)).toBe(true);
    this.down?.write(text);
  }

  /** The host tells what it heard. */
  serviceConfirms(): void {
    if (this.down && this.resume.owes) this.down.write(ACK + this.resume.tell());
  }

  clientConfirms(): void {
    if (this.up && this.stream.owes) this.up.write(ACK + this.stream.tell());
  }

  /** Its record goes to another host. */
  move(): void {
    this.resume = Object.assign(Object.create(Resume.prototype), structuredClone({ ...this.resume }));
  }

  pass(bytes: number): void {
    this.up?.pass(bytes);
    this.down?.pass(bytes);
  }

  cut(): void {
    this.up = this.down = undefined;
    this.stream.stop();
  }

  comeBack(): void {
    if (this.up) this.cut();
    expect(this.resume.confirm(this.stream.tell())).toBe(true);
    this.pipes();
    const received = this.resume.tell();
    this.resume.rewind();
    for (const { data, text } of this.resume.unwritten())
      this.down!.write(text ? Buffer.from(data).toString() : data);
    expect(this.stream.resume((data) => this.up!.write(data), received)).toBe(true);
  }

  /** All that was said has come. */
  settle(): void {
    if (!this.up) this.comeBack();
    this.pass(Number.MAX_SAFE_INTEGER);
    this.serviceConfirms();
    this.clientConfirms();
    this.pass(Number.MAX_SAFE_INTEGER);
    expect(this.heard).toEqual({ client: this.sent.service, service: this.sent.client });
    expect(this.stream.bufferedAmount).toBe(0);
  }

  private pipes(): void {
    this.up = new Pipe((data, text) => {
      const said = data.toString();
      if (text && said.startsWith(ACK))
        expect(this.resume.confirm(Number(said.slice(ACK.length)))).toBe(true);
      else {
        this.heard.service.push(said);
        if (this.resume.hear(data.length)) this.serviceConfirms();
      }
    });
    this.down = new Pipe((data) => {
      const said = data.toString();
      if (said.startsWith(ACK)) expect(this.stream.confirm(Number(said.slice(ACK.length)))).toBe(true);
      else {
        this.heard.client.push(said);
        this.stream.hear(said);
        if (this.stream.due) this.clientConfirms();
      }
    });
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      say: fc.constantFrom('client', 'service'),
      times: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ pass: fc.integer({ min: 0, max: 400 }) }) },
  { weight: 1, arbitrary: fc.constant({ cut: true }) },
  { weight: 2, arbitrary: fc.constant({ back: true }) },
  { weight: 1, arbitrary: fc.constant({ confirm: true }) },
  { weight: 1, arbitrary: fc.constant({ move: true }) },
);

test('connections break between any two bytes: each message comes once, in order, to both sides', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      let n = 0;
      for (const todo of steps) {
        if ('say' in todo) {
          for (let i = 0; i < todo.times; i++)
            if (todo.say === 'client') world.clientSays(n++, n % 3 === 0);
            else world.serviceSays(n++);
        } else if ('pass' in todo) world.pass(todo.pass);
        else if ('cut' in todo) world.cut();
        else if ('back' in todo) world.comeBack();
        else if ('move' in todo) world.move();
        else {
          world.serviceConfirms();
          world.clientConfirms();
        }
      }
      world.settle();
    }),
    { numRuns: 400 },
  );
});

test('what waits for the service is bounded; what was not written may be taken back', () => {
  const stream = new Stream(1_000);
  const entry = stream.send(['x'.repeat(400)]);
  stream.send([new Uint8Array(400)]);
  expect(() => stream.send(['y'.repeat(100)])).toThrow(
    expect.objectContaining({ code: 'BATON_SEND_BUFFER_FULL' }),
  );
  expect([stream.bufferedAmount, stream.withdraw(entry), stream.bufferedAmount]).toEqual([928, true, 464]);
  const written: Wire[] = [];
  const later = stream.send(['later']);
  stream.flow((data) => written.push(data));
  expect([written.map(sizeOf), stream.withdraw(later)]).toEqual([[400, 5], false]);
  expect([stream.confirm(3), stream.confirm(2), stream.confirm(1), stream.bufferedAmount]).toEqual([
    false,
    true,
    false,
    0,
  ]);
});

test('the size of text is that of its UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => expect(sizeOf(text)).toBe(Buffer.byteLength(text))),
  );
});

test('what is kept for a client is bounded: its senders wait, then it is closed', () => {
  const resume = new Resume();
  const message = new Uint8Array(64 * 1024 - 64);
  for (let i = 0; i < 4; i++) expect([resume.full, resume.keep(message, false, true)]).toEqual([false, true]);
  expect([resume.full, resume.stalled(1_000), resume.stalled(15_000), resume.stalled(16_001)]).toEqual([
    true,
    false,
    false,
    true,
  ]);
  for (let i = 0; i < 16; i++) expect(resume.keep(message, false, true)).toBe(true);
  expect(resume.keep(message, false, true)).toBe(false);
  expect([resume.confirm(21), resume.confirm(18), resume.full, resume.stalled(30_000)]).toEqual([
    false,
    true,
    false,
    false,
  ]);
});

test('a secret is told by its client alone', () => {
  const resume = new Resume();
  expect(resume.secret).toMatch(/^[\w-]{32}$/);
  expect([resume.matches(resume.secret), resume.matches(''), resume.matches(`${resume.secret}x`)]).toEqual([
    true,
    false,
    false,
  ]);
});
