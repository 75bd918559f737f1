import { createServer } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { meter, serveCalls } from '../serve-calls.mjs';

const http = createServer();
const wss = new WebSocketServer({ server: http, perMessageDeflate: false });
const waiting = new Map<string, WebSocket>();

function pair(one: WebSocket, other: WebSocket): void {
  one.on('message', (data) => other.send(data, { binary: true }));
}

wss.on('connection', (socket, request) => {
  const name = request.url ?? '';
  const other = waiting.get(name);
  if (!other) return void waiting.set(name, socket);
  waiting.delete(name);
  pair(socket, other);
  pair(other, socket);
});

serveCalls({
  ...meter,
  listen: () =>
    new Promise((resolve) =>
      http.listen(0, '127.0.0.1', () => resolve((http.address() as { port: number }).port)),
    ),
});
