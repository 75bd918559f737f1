// HTTP of a host that leaves: nothing asked stays unanswered, and clients that ask often move over by themselves.
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { OpenRequests } from '../../server/src/host/open-requests.ts';

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const work of cleanUp.splice(0)) work();
});

async function leavingServer() {
  const answers: (() => void)[] = [];
  const server = http.createServer((_request, response) => answers.push(() => response.end('answer')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const requests = new OpenRequests(server);
  const asked = async (count: number) => {
    while (answers.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { answers, requests, port, asked };
}

/** A connection that keeps what it reads. */
function connection(port: number) {
  const socket = net.connect(port, '127.0.0.1');
  cleanUp.push(() => socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', (more) => (text += more));
  const ended = once(socket, 'end');
  const ask = () => socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  const has = async (count: number) => {
    while (text.split('HTTP/1.1 200').length - 1 < count || !text.endsWith('answer'))
      await new Promise((resolve) => setImmediate(resolve));
    return text;
  };
  return { ask, has, ended };
}

test('a request in flight is answered as the last of its connection, and waited for', async () => {
  const { answers, requests, port, asked } = await leavingServer();
  const client = connection(port);
  client.ask();
  await asked(1);
  let left = false;
  const leaving = requests.leave(0, 10_000).then(() => (left = true));
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(left).toBe(false);
  answers[0]!();
  expect(await client.has(1)).toMatch(/\r\nconnection: close\r\n/i);
  await client.ended;
  await leaving;
});

test('a kept-alive connection gets one more answer within the grace, and no new ones are taken', async () => {
  const { answers, requests, port, asked } = await leavingServer();
  const client = connection(port);
  const silent = connection(port);
  for (const one of [client, silent]) one.ask();
  await asked(2);
  for (const answer of answers) answer();
  for (const one of [client, silent]) expect(await one.has(1)).not.toMatch(/connection: close/i);
  const leaving = requests.leave(300, 10_000);
  await expect(once(net.connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
  client.ask();
  await asked(3);
  answers[2]!();
  expect(await client.has(2)).toMatch(/\r\nconnection: close\r\n/i);
  await leaving;
  await silent.ended;
});

test('a request that is never answered does not keep the host', async () => {
  const { requests, port, asked } = await leavingServer();
  const client = connection(port);
  client.ask();
  await asked(1);
  await requests.leave(0, 100);
});
