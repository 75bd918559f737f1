// A studio's functions in a process of their own: as little work as possible, so that calls are what is measured.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { meter, serveCalls } from '../serve-calls.mjs';

let first: string | undefined;
/** Calls of `receive` that came. */
let received = 0;

/** Every second socket gets the one before it as its peer. */
function pair(socketId: string): string {
  if (first === undefined) {
    first = socketId;
    return '{}';
  }
  const peer = first;
  first = undefined;
  return JSON.stringify({ peer });
}

const http = createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.url === '/receive') {
      received++;
      response.writeHead(204).end();
      return;
    }
    const answer = request.url === '/pairs' ? pair(request.headers['ce-subject'] as string) : '{}';
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
    response.end(answer);
  });
});
http.keepAliveTimeout = 60_000;

serveCalls({
  ...meter,
  received: () => received,
  listen: () =>
    new Promise((resolve) =>
      http.listen(0, '127.0.0.1', () => resolve((http.address() as AddressInfo).port)),
    ),
});
