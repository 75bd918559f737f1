// What one would write first: `ws` and undici, one POST for each message. Nothing is signed, and calls of one socket
// pass each other.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import { WebSocketServer } from 'ws';
import { meter, serveCalls } from '../serve-calls.mjs';

const http = createServer();
const wss = new WebSocketServer({ server: http, perMessageDeflate: false });
const dispatcher = new Agent({ connections: 256 });
let sockets = 0;
let endpoint = '';

wss.on('connection', (socket) => {
  const id = String(++sockets);
  socket.on('message', async (body: Buffer) => {
    const headers = { 'content-type': 'application/octet-stream', 'ce-subject': id };
    const answer = await request(endpoint, { method: 'POST', dispatcher, headers, body });
    if (answer.statusCode === 204) await answer.body.dump();
    else socket.send(await answer.body.bytes());
  });
});

serveCalls({
  ...meter,
  listen({ url }: { url: string }) {
    endpoint = `${url}/receive`;
    return new Promise((resolve) =>
      http.listen(0, '127.0.0.1', () => resolve((http.address() as AddressInfo).port)),
    );
  },
});
