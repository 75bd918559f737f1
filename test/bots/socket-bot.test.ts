// Bots on sockets with a service that lies to them: what it does to messages is what they count.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { type WebSocket, WebSocketServer } from 'ws';
import { Meter, unpacked } from '../../server/src/cli/bots/measure.ts';
import { eachOnRamp } from '../../server/src/cli/bots/ramp.ts';
import { SocketBot } from '../../server/src/cli/bots/socket-bot.ts';

type Relay = (message: string, send: (message: string) => void) => void;

const honest: Relay = (message, send) => send(message);
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const event = (fields: object) => `\u0001${JSON.stringify(fields)}`;

/** Links the first two; `relay` is what becomes of messages of the first one. */
async function pair(relay: Relay) {
  const server = new WebSocketServer({ port: 0, handleProtocols: () => 'baton.v1' });
  await once(server, 'listening');
  const ends: WebSocket[] = [];
  server.on('connection', (socket) => {
    ends.push(socket);
    socket.send(event({ event: 'open', socketId: `s${ends.length}` }));
    if (ends.length < 2) return;
    const [first, second] = ends as [WebSocket, WebSocket];
    first.on('message', (data) => relay(String(data), (message) => second.send(message)));
    second.on('message', (data) => first.send(String(data)));
    for (const end of ends) end.send(event({ event: 'linked', peers: [] }));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const meter = new Meter();
  const open = () => SocketBot.open({ url, mapping: 'pairs', token: 't' }, 64, meter);
  const [first, second] = [await open(), await open()];
  closing.push(() => {
    first.close();
    second.close();
    server.close();
  });
  expect([await first.meet(), await second.meet()]).toEqual([true, true]);
  return { first, second, meter, ends };
}

/** Lets the first one say some numbers. */
async function talk(bot: SocketBot, heard: (message: string) => boolean, ends: WebSocket[]): Promise<void> {
  const said = new Promise<void>((resolve) => {
    ends[0]!.on('message', (data) => heard(String(data)) && resolve());
  });
  bot.start(200);
  await said;
  await bot.settle();
}

const faultless = { lost: 0, duplicated: 0, reordered: 0, disconnects: 0 };

test('numbers and their answers are counted, and the time between them', async () => {
  const { first, second, meter, ends } = await pair(honest);
  expect(meter.take().clients).toBe(2);
  await talk(first, (message) => message.startsWith('m10 '), ends);
  await second.settle();
  const [one, two] = [first.end(), second.end()];
  expect(one).toMatchObject(faultless);
  expect(two).toMatchObject(faultless);
  // The second one said a number of its own, so that one that is silent is heard once.
  expect(one.sent).toBe(two.received + one.received - two.sent);
  expect(one.sent).toBeGreaterThanOrEqual(11);
  const sample = meter.take();
  expect(sample.sent).toBe(one.sent);
  expect(unpacked(sample.roundTrips).totalCount).toBe(sample.sent);
  expect(one.gapMs).toBeGreaterThan(0);
});

test('what is lost, comes twice or in another order is counted at both ends', async () => {
  let held: string | undefined;
  const { first, second, ends } = await pair((message, send) => {
    const n = Number.parseInt(message.slice(1), 10);
    if (n === 3) return;
    if (n === 8) {
      held = message;
      return;
    }
    send(message);
    if (n === 5) send(message);
    if (n === 9) send(held!);
  });
  await talk(first, (message) => message.startsWith('m10 '), ends);
  expect(first.end()).toMatchObject({ lost: 1, duplicated: 1, reordered: 1, disconnects: 0 });
  expect(second.end()).toMatchObject({ lost: 1, duplicated: 1, reordered: 1, disconnects: 0 });
});

test.each<[string, (ends: WebSocket[]) => void, string]>([
  [
    'closed',
    ([first]) => first!.close(4018, 'BATON_RECEIVE_OVERFLOW'),
    's1: closed (4018 BATON_RECEIVE_OVERFLOW)',
  ],
  ['cut off', ([first]) => first!.terminate(), 's1: closed (1006 )'],
  [
    'told of an error',
    ([first]) => first!.send(event({ event: 'error', code: 'BATON_NOT_LINKED', message: 'nobody' })),
    's1: was told BATON_NOT_LINKED: nobody',
  ],
  [
    'left by its peer',
    ([first]) => first!.send(event({ event: 'peer-left', peer: 's2' })),
    's1: its peer has left',
  ],
])('one that is %s tells', async (_, happen, fault) => {
  const { first, ends } = await pair(honest);
  happen(ends);
  // Whatever it was has come before the answer to this, or has ended the connection.
  await first.settle();
  const result = first.end();
  expect(result.faults).toEqual([fault]);
  expect(result.disconnects).toBe(1);
});

test('two that part say goodbye: nothing is on its way, and the one who said it first leaves first', async () => {
  const { first, second, ends } = await pair(honest);
  first.start(100);
  second.start(100);
  const [one, two] = ends as [WebSocket, WebSocket];
  const order: string[] = [];
  one.on('close', () => {
    order.push('first');
    two.send(event({ event: 'peer-left', peer: 's1' }));
  });
  two.on('close', () => void order.push('second'));
  const never = new AbortController().signal;
  const left = second.parted(never).then(() => second.leave());
  expect(await first.leave()).toMatchObject(faultless);
  expect(await left).toMatchObject(faultless);
  await once(two, 'close');
  expect(order).toEqual(['first', 'second']);
});

test('a place that is refused is an error', async () => {
  const server = new WebSocketServer({ port: 0, verifyClient: () => false });
  closing.push(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await expect(SocketBot.open({ url, mapping: 'pairs', token: 't' }, 64, new Meter())).rejects.toThrow(
    'a socket on mapping "pairs" did not open: a socket: Unexpected server response: 401',
  );
});

test('on a ramp all are begun, no more at once than allowed, results in order', async () => {
  let open = 0;
  let most = 0;
  const results = await eachOnRamp(20, 0, 3, async (n) => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setImmediate(resolve));
    open--;
    return n;
  });
  expect(results).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(most).toBe(3);
  const begun: number[] = [];
  const start = performance.now();
  await eachOnRamp(4, 200, 4, async () => void begun.push(performance.now() - start));
  begun.forEach((at, n) => void expect(at).toBeGreaterThanOrEqual(n * 50 - 2));
});
