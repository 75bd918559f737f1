// Matchmaking takes JSON from everybody and core reads all of it into memory; here is where that ends.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { matchMaker } from '@colyseus/core';
import { problemOf } from '../control/index.ts';
import { bodyTooLarge } from '../errors.ts';

/** The bound core itself has where it reads the body (its Node middleware). */
export const MATCHMAKING_BYTES = 1024 * 1024;

/** What the parser calls with each piece of a body, whether or not anybody reads. */
type Push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => boolean;

/** @returns whether the request may go on; when it may not, it has been answered */
export function limitMatchmaking(request: IncomingMessage, response: ServerResponse): boolean {
  if (Number(request.headers['content-length'] ?? 0) > MATCHMAKING_BYTES) {
    refuse(request, response);
    return false;
  }
  if (request.headers['transfer-encoding'] !== undefined) countBytes(request, response);
  return true;
}

/** Of `/a/../matchmake/…`, `http://host/matchmake/…` and `/%6Datchmake/…` the router may make the same. */
export function isMatchmaking(url: string): boolean {
  const route = `/${matchMaker.controller.matchmakeRoute}/`;
  if (url.startsWith(route)) return true;
  const path = URL.parse(url, 'http://server')?.pathname ?? url;
  try {
    return decodeURIComponent(path).includes(route);
  } catch {
    return path.includes(route);
  }
}

/** Only a body sent in chunks has to be counted. Listening for it would read it before core does. */
function countBytes(request: IncomingMessage, response: ServerResponse): void {
  const push = request.push.bind(request) as Push;
  let bytes = 0;
  request.push = ((chunk, encoding) => {
    bytes += chunk?.byteLength ?? 0;
    if (bytes <= MATCHMAKING_BYTES) return push(chunk, encoding);
    if (!response.headersSent) refuse(request, response);
    return false;
  }) as Push;
}

/** The rest of the body is not waited for: the connection ends with the answer. */
function refuse(request: IncomingMessage, response: ServerResponse): void {
  response.once('close', () => request.destroy());
  response.setHeader('Connection', 'close');
  const problem = problemOf(bodyTooLarge({ limit: MATCHMAKING_BYTES }));
  response.statusCode = problem.status;
  response.setHeader('Content-Type', 'application/problem+json');
  response.end(JSON.stringify(problem));
}
