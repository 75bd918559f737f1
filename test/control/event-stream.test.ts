// A stream of events knows when its viewer is gone, whenever that was.
import { once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { EventStream } from '../../server/src/control/event-stream.ts';
import { until } from '../support/service.ts';

let server: http.Server;
let client: net.Socket;
/** Requests that were read, in their order. */
let asked: ServerResponse[];

beforeEach(async () => {
  asked = [];
  server = http.createServer((_request, response) => void asked.push(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = net.connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
});
afterEach(async () => {
  jest.useRealTimers();
  client.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** So many on the one connection, none of which waits for the answer to another. */
async function ask(requests: number): Promise<ServerResponse[]> {
  client.write('GET / HTTP/1.1\r\nhost: here\r\n\r\n'.repeat(requests));
  await until(() => asked.length === requests, 'the requests');
  return asked;
}

test('of a viewer that left before it began', async () => {
  const [response] = await ask(1);
  client.destroy();
  await once(response!, 'close');
  await new EventStream(response!).closed;
});

test('of a viewer that left afterwards', async () => {
  const [response] = await ask(1);
  const stream = new EventStream(response!);
  client.destroy();
  await stream.closed;
  expect(stream.ready).toBe(false);
});

test('of a viewer whose turn on its connection never came', async () => {
  const [first, second] = (await ask(2)).map((response) => new EventStream(response));
  client.destroy();
  await first!.closed;
  await second!.closed;
});

test('of one that it has ended, and whose viewer does not read to the end', async () => {
  const [response] = await ask(1);
  client.pause();
  const stream = new EventStream(response!);
  stream.send('snapshot', 'x'.repeat(32 * 1024 * 1024));
  jest.useFakeTimers();
  stream.end('denied');
  jest.advanceTimersByTime(30_000);
  await stream.closed;
});
