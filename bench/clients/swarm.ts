// A process full of clients. Colyseus servers: pairs in rooms; raw servers: pairs by path.
import { serveCalls } from '../serve-calls.mjs';
import { frame, LeanClient } from './lean-client.ts';
import { joinRoom, reserveSeat } from './room-client.ts';

type Dialect = 'colyseus' | 'raw';

const ROOM_DATA = 13;
const ROOM_DATA_BYTES = 17;
const CODE_MASK = 0x1f;
const SLOTS = 16;

let clients: LeanClient[] = [];
let received = 0;
let closed = 0;
let saturated = false;
/** Clients send one after the other, each at its own moment. */
let oneByOne = false;
/** When each client has sent last, performance.now() ms; of a message on its way. */
let sentAt: Float64Array = new Float64Array(0);
let delays: number[] = [];
let message: Buffer = Buffer.alloc(0);
let timer: NodeJS.Timeout | undefined;

/** `size` bytes of content: raw, as Colyseus bytes or as a msgpack value. */
function buildMessage(dialect: Dialect, kind: string, size: number): Buffer {
  const content = Buffer.alloc(size, 0x61);
  if (dialect === 'raw') return frame(2, content);
  // type: fixstr of one character (Colyseus' own encoding)
  if (kind === 'bytes') return frame(2, Buffer.concat([Buffer.from([ROOM_DATA_BYTES, 0xa1, 0x62]), content]));
  return frame(2, Buffer.concat([Buffer.from([ROOM_DATA, 0xa1, 0x6d, 0xc4, size]), content]));
}

function watch(client: LeanClient, dialect: Dialect, n = 0): void {
  client.onClose = () => closed++;
  client.onMessage = (payload) => {
    if (dialect === 'colyseus') {
      const code = payload[0]! & CODE_MASK;
      if (code !== ROOM_DATA && code !== ROOM_DATA_BYTES) return;
    }
    received++;
    // its peer is the one beside it
    if (oneByOne) delays.push(performance.now() - sentAt[n ^ 1]!);
    if (saturated) client.socket.write(message);
  };
}

async function connectPair(port: number, dialect: Dialect, name: string): Promise<LeanClient[]> {
  if (dialect === 'raw')
    return [await LeanClient.open(port, `/${name}`), await LeanClient.open(port, `/${name}`)];
  const seat = await reserveSeat(port, 'create', 'pair');
  const first = await joinRoom(port, seat);
  return [first, await joinRoom(port, await reserveSeat(port, 'joinById', seat.roomId))];
}

/** A hosted socket in one round trip. Resolves when its function has answered. */
async function openSocket(port: number, mapping: string, token: string): Promise<LeanClient> {
  const client = await LeanClient.open(port, `/v1/socket/${mapping}?token=${token}`, 'baton.v1');
  await new Promise<void>((resolve, reject) => {
    client.onMessage = () => resolve();
    client.onClose = (code) => reject(new Error(`closed with ${code} while opening`));
  });
  return client;
}

/** Two sockets that the mapping's function links; resolves when both have heard of it. */
async function linkedPair(port: number, mapping: string, n: number): Promise<LeanClient[]> {
  const one = await openSocket(port, mapping, `a${n}`);
  const linked = new Promise<void>((resolve) => {
    one.onMessage = () => resolve();
  });
  const other = await openSocket(port, mapping, `b${n}`);
  await linked;
  return [one, other];
}

/** Runs `tasks` with at most `width` at once. */
async function inTurns<T>(tasks: (() => Promise<T>)[], width: number): Promise<T[]> {
  const results: T[] = [];
  const queue = tasks.entries();
  const worker = async () => {
    for (const [index, task] of queue) results[index] = await task();
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

/**
 * Every client sends `hz` times a second, no two at the same moment, as independent players do. Timers are too coarse for
 * that: it takes all of a core.
 */
function scattered(hz: number): void {
  const gapMs = 1000 / hz / clients.length;
  const start = performance.now();
  let n = 0;
  const send = () => {
    if (!oneByOne) return;
    const now = performance.now();
    const due = Math.floor((now - start) / gapMs);
    for (n = Math.max(n, due - clients.length); n < due; n++) {
      const at = n % clients.length;
      sentAt[at] = now;
      clients[at]!.socket.write(message);
    }
    setImmediate(send);
  };
  send();
}

/** Every client sends `hz` times a second; sending is spread over the period as independent players would. */
function paced(hz: number): void {
  const slotMs = 1000 / hz / SLOTS;
  const start = performance.now();
  let slot = 0;
  timer = setInterval(() => {
    const due = Math.floor((performance.now() - start) / slotMs);
    for (let n = 0; slot < due && n < SLOTS; n++, slot++)
      for (let i = slot % SLOTS; i < clients.length; i += SLOTS) clients[i]!.socket.write(message);
    slot = Math.max(slot, due);
  }, 1);
}

serveCalls({
  async pairs({
    port,
    dialect,
    count,
    prefix,
    mapping,
  }: {
    port: number;
    dialect: Dialect;
    count: number;
    prefix: string;
    mapping?: string;
  }) {
    const pair = (n: number) => () =>
      mapping ? linkedPair(port, mapping, n) : connectPair(port, dialect, `${prefix}-${n}`);
    // A function links whoever comes next: one pair after the other.
    clients = (
      await inTurns(
        Array.from({ length: count }, (_, n) => pair(n)),
        mapping ? 1 : 8,
      )
    ).flat();
    for (const [n, client] of clients.entries()) watch(client, dialect, n);
    return clients.length;
  },
  async crowd({ port, room, count }: { port: number; room: string; count: number }) {
    const task = async () => joinRoom(port, await reserveSeat(port, 'joinOrCreate', room));
    const joined = await inTurns(
      Array.from({ length: count }, () => task),
      4,
    );
    for (const client of joined) watch(client, 'colyseus');
    clients.push(...joined);
    return clients.length;
  },
  /** Plain clients that open sockets on a mapping; each is open when the first event of the service is there. */
  async sockets({ port, room, count }: { port: number; room: string; count: number }) {
    const opened = await inTurns(
      Array.from({ length: count }, (_, n) => () => openSocket(port, room, `p${n}`)),
      4,
    );
    for (const client of opened) watch(client, 'raw');
    clients.push(...opened);
    return clients.length;
  },
  /** Clients of a server that knows no mappings. */
  async connections({ port, count }: { port: number; count: number }) {
    clients = await Promise.all(Array.from({ length: count }, () => LeanClient.open(port, '/')));
    for (const client of clients) watch(client, 'raw');
    return clients.length;
  },
  /** Each client sends so many messages at once. */
  burst({ size, messages }: { size: number; messages: number }) {
    const bytes = Buffer.concat(Array.from({ length: messages }, () => buildMessage('raw', 'bytes', size)));
    for (const client of clients) client.socket.write(bytes);
    return clients.length * messages;
  },
  start(how: { dialect: Dialect; kind: string; size: number; hz: number; scatter?: boolean }) {
    const { dialect, kind, size, hz, scatter = false } = how;
    message = buildMessage(dialect, kind, size);
    saturated = hz === 0;
    oneByOne = scatter;
    sentAt = new Float64Array(clients.length);
    delays = [];
    if (scatter) scattered(hz);
    else if (hz > 0) paced(hz);
    // Two messages under way in each direction of a pair keep the server busy without a queue that only grows.
    else for (const client of clients) client.socket.write(Buffer.concat([message, message]));
  },
  stop() {
    saturated = oneByOne = false;
    clearInterval(timer);
  },
  counts: () => ({ received, closed }),
  /** How long messages were on their way from client to client, in milliseconds. */
  delays() {
    const sorted = delays.sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? 0;
    return { p50: at(0.5), p99: at(0.99) };
  },
  /** Resolves when all of them are closed. */
  async leave() {
    await inTurns(
      clients.map((client) => () => client.leave()),
      4,
    );
    clients = [];
  },
});
