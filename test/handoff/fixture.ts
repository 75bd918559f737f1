// A process that the tests start, command over IPC and kill: an endpoint with a few handlers, TCP connections whose
// clients stream numbers, and the misbehaviour that a well-behaved endpoint must survive.

import { createHash } from 'node:crypto';
import { existsSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { BatonError, roomNotFound } from '../../server/src/errors.ts';
import { errnoName, FdCarrier, Handoff, libc } from '../../server/src/handoff/index.ts';
import { native, pinned } from '../../server/src/handoff/native.ts';
import { addressOf, outgoingHeader, sendPacket } from '../../server/src/handoff/packets.ts';
import { type Header, TYPE, writeHeader } from '../../server/src/handoff/wire.ts';
import { createLog } from '../../server/src/telemetry/index.ts';

/** A TCP connection on which the client sends 0, 1, 2, … as 32-bit numbers and gets each back. */
class Stream {
  readonly id: string;
  next: number;
  rest: Buffer;
  readonly socket: net.Socket;

  constructor(id: string, socket: net.Socket, next = 0, rest = Buffer.alloc(0)) {
    this.id = id;
    this.socket = socket;
    this.next = next;
    this.rest = rest;
    streams.set(id, this);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => problems.push(`${id}: ${error.message}`));
    socket.on('close', () => streams.get(id) === this && streams.delete(id));
  }

  #read(chunk: Buffer): void {
    const bytes = Buffer.concat([this.rest, chunk]);
    const whole = bytes.length & ~3;
    for (let at = 0; at < whole; at += 4, this.next++) {
      const got = bytes.readUInt32LE(at);
      if (got !== this.next) problems.push(`${this.id}: got ${got}, expected ${this.next}`);
    }
    this.rest = bytes.subarray(whole);
    if (whole > 0) this.socket.write(bytes.subarray(0, whole));
  }

  get movable(): boolean {
    return this.socket.writableLength === 0 && (this.socket as any)._handle.writeQueueSize === 0;
  }

  /** Stops reading, then leaves the connection to a dup of its descriptor. */
  detach(): { fd: number; record: unknown } {
    const handle = (this.socket as any)._handle;
    handle.readStop();
    for (let chunk = this.socket.read(); chunk; chunk = this.socket.read()) this.#read(chunk);
    const fd = libc.dup(handle.fd);
    streams.delete(this.id);
    this.socket.removeAllListeners();
    this.socket.destroy();
    return { fd, record: { id: this.id, next: this.next, rest: this.rest } };
  }

  static adopt(fd: number, record: any): Stream {
    const socket = new net.Socket({ fd, readable: true, writable: true });
    return new Stream(record.id, socket, record.next, Buffer.from(record.rest));
  }
}

const streams = new Map<string, Stream>();
const problems: string[] = [];
const logged: string[] = [];
const ran: Record<string, number> = {};
const log = createLog({ level: 'debug', format: 'json', write: (line) => void logged.push(line) });
let handoff: Handoff;
let carrier: FdCarrier;

const ticks = new Int32Array(new SharedArrayBuffer(4));
const block = (ms: number): void => void Atomics.wait(ticks, 0, 0, ms);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
/** Open sockets and /dev/null: what the tests hand over and connect with. */
function descriptors(): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // The listing's own descriptor.
    }
  });
  return links.filter((link) => link.startsWith('socket:') || link === '/dev/null').length;
}

function addHandlers(): void {
  const count = (name: string): void => void (ran[name] = (ran[name] ?? 0) + 1);
  const closeAll = (fds: number[]): void => {
    for (const fd of fds.splice(0)) libc.close(fd);
  };
  handoff.handle('echo', (payload, fds) => {
    count('echo');
    closeAll(fds);
    return payload;
  });
  handoff.handle('who', (_payload, _fds, peer) => peer);
  handoff.handle('digest', (payload, fds) => {
    const answer = { digest: digest(payload as Buffer), fds: fds.length };
    closeAll(fds);
    return answer;
  });
  handoff.handle('inflate', (bytes) => Buffer.alloc(bytes as number, 7));
  handoff.handle('slow', async (payload) => {
    process.send!({ event: 'slow' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    return payload;
  });
  handoff.handle('hold', (_payload, fds) => {
    count('hold');
    process.send!({ event: 'holds', fds: fds.length });
    return new Promise(() => {});
  });
  handoff.handle('known', (payload) => {
    throw roomNotFound({ roomId: payload, list: [1, 2] });
  });
  handoff.handle('unknown', () => {
    throw new TypeError('the database at secret-host said no\nwith details');
  });
  handoff.handle('function', () => () => 1);
  carrier = new FdCarrier(handoff);
  carrier.receive('streams', (payload, connections) => {
    if (payload === 'refuse') throw roomNotFound({ roomId: 'r1' });
    for (const { fd, record } of connections) Stream.adopt(fd, record);
    return connections.length;
  });
}

/** Moves every stream to `peer`, `batch` connections a call. */
async function moveAll(peer: string, batch: number): Promise<number> {
  let moved = 0;
  while (streams.size > 0) {
    const going = [...streams.values()].filter((stream) => stream.movable).slice(0, batch);
    if (going.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    const connections = going.map((stream) => stream.detach());
    moved += await carrier.send<number>(peer, 'streams', {}, connections);
    for (const { fd } of connections) libc.close(fd);
  }
  return moved;
}

/** A hand-made packet on a hand-made connection. */
function rawSend(fd: number, header: Partial<Header>, body: Buffer, fds: number[]): number {
  const whole = {
    type: TYPE.call,
    fds: fds.length,
    id: 1,
    totalBytes: body.length,
    totalFds: fds.length,
    offset: 0,
  };
  writeHeader(outgoingHeader, { ...whole, length: body.length, ...header });
  return sendPacket(fd, addressOf(body), body.length, fds, 0, fds.length);
}

function hello(fd: number, path: string): void {
  rawSend(fd, { type: TYPE.hello, id: 9 }, offHeap(Buffer.from(path)), []);
}

const offHeap = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.allocUnsafeSlow(0)], bytes.length);

/** Sends the first of two packets of a call with ten descriptors, and no more. */
function halfMessage(peer: string): number {
  const fd = libc.connectPath(peer);
  hello(fd, '/nowhere');
  const nulls = Array.from({ length: 10 }, () => openSync('/dev/null', 'r'));
  return rawSend(fd, { totalBytes: 2000, totalFds: 20 }, Buffer.allocUnsafeSlow(1000).fill(1), nulls);
}

/**
 * Fills this process' own receive queue with answers while it does not read, then calls again, so that the peer's
 * acknowledgements of the second calls meet a full socket.
 */
async function blockAcks(peer: string): Promise<unknown> {
  const inflated = Array.from({ length: 4 }, () => handoff.call<Buffer>(peer, 'inflate', 3 << 20));
  block(250);
  const echoes = Array.from({ length: 20 }, (_, i) => handoff.call(peer, 'echo', i));
  block(250);
  const sizes = (await Promise.all(inflated)).map((bytes) => bytes.every((b) => b === 7) && bytes.length);
  return { sizes, echoes: await Promise.all(echoes) };
}

/** Lets this process have `more` descriptors than it has now, and no more. */
function limitDescriptors(more: number): void {
  const limits = pinned(16); // struct rlimit
  const limit = BigInt(readdirSync('/proc/self/fd').length + more);
  limits.writeBigUInt64LE(limit, 0);
  limits.writeBigUInt64LE(limit, 8);
  const RLIMIT_NOFILE = 7;
  native().koffi.load(null).func('int setrlimit(int resource, const void *limits)')(RLIMIT_NOFILE, limits);
}

/** Sends descriptors that nobody takes until the kernel refuses more. @returns why it does */
function floodWithDescriptors(peer: string): string {
  const fd = libc.connectPath(peer);
  const many = Array(200).fill(openSync('/dev/null', 'r'));
  for (;;) {
    const result = rawSend(fd, { totalFds: 100_000 }, Buffer.allocUnsafeSlow(1).fill(1), many);
    if (result < 0) return errnoName(result);
  }
}

/**
 * Calls `method` and looks at nothing until `flag` is a file; then does `after`: calls again, closes, or just goes on.
 * @returns how the first call ended
 */
async function callBlindly({ peer, method, timeoutMs, flag, after }: any): Promise<unknown> {
  const first = handoff.call(peer, method, 'x', { timeoutMs });
  const outcome = first.catch((error: BatonError) => ({ code: error.code, ...error.details }));
  while (!existsSync(flag)) block(5);
  if (after === 'call') handoff.call(peer, 'echo', 1).catch(() => {});
  if (after === 'close') await handoff.close();
  return outcome;
}

async function call(command: any): Promise<unknown> {
  const { peer, method, payload, fds = 0, sameFd = 0, bytes, timeoutMs } = command;
  const opened = Array.from({ length: fds }, () => openSync('/dev/null', 'r'));
  const body = bytes === undefined ? payload : Buffer.alloc(bytes, 3);
  try {
    return await handoff.call(peer, method, body, {
      fds: sameFd ? Array(sameFd).fill(0) : opened,
      timeoutMs,
    });
  } finally {
    for (const fd of opened) libc.close(fd);
  }
}

const gone: string[] = [];
const commands: Record<string, (command: any) => unknown> = {
  async listen({ path, maxMessageBytes }) {
    handoff = await Handoff.listen({ path, log, maxMessageBytes });
    handoff.onPeerGone((peer) => gone.push(peer));
    addHandlers();
  },
  call,
  callBlindly,
  close: () => handoff.close(),
  /** Serves the numbered streams. */
  async serve({ name }) {
    let n = 0;
    const server = net.createServer((socket) => new Stream(`${name}${n++}`, socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));
    return (server.address() as net.AddressInfo).port;
  },
  moveAll: ({ peer, batch }) => moveAll(peer, batch),
  /** Tries to hand over the only stream, and goes on with it here when that fails. */
  async moveOrKeep({ peer, method, timeoutMs }) {
    const { fd, record } = [...streams.values()][0]!.detach();
    try {
      return await handoff.call(peer, method, record, { fds: [fd], timeoutMs });
    } catch (error) {
      Stream.adopt(fd, record);
      throw error;
    }
  },
  state: () => ({ streams: streams.size, problems, ran, gone, descriptors: descriptors() }),
  logged: () => logged,
  halfMessage: ({ peer }) => halfMessage(peer),
  blockAcks: ({ peer }) => blockAcks(peer),
  /** Sends bytes that are no packet, with and without a descriptor. */
  garbage({ peer, hex }) {
    const fd = libc.connectPath(peer);
    return libc.send(fd, Buffer.from(hex, 'hex'));
  },
  limitDescriptors: ({ more }) => limitDescriptors(more),
  flood: ({ peer }) => floodWithDescriptors(peer),
  /** Connects until the listener's backlog is full. */
  crowd({ peer }) {
    let n = 0;
    while (libc.connectPath(peer) >= 0) n += 1;
    return n;
  },
  /** Hands over a descriptor number that is not open. */
  callWithClosed: ({ peer }) => handoff.call(peer, 'echo', 1, { fds: [0, 99_999] }),
  /** Becomes another user; as nobody may become root, it has to be the last command but `call`. */
  setuid: ({ uid }) => process.setuid!(uid),
  /** Makes this process believe that it belongs to another user than its peers. */
  believeUid({ uid }) {
    process.geteuid = () => uid;
  },
};

process.on('message', async ({ id, command }: any) => {
  try {
    process.send!({ id, result: await commands[command.op]!(command) });
  } catch (error) {
    const plain = error instanceof BatonError ? error.toJSON() : { message: (error as Error).message };
    process.send!({ id, error: { ...plain, stack: (error as Error).stack } });
  }
});
process.on('disconnect', () => process.exit());
libc.supported();
process.send!({ event: 'up' });
