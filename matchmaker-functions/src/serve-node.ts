import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FunctionRequest, type FunctionResponse, tooLarge } from './http.ts';

export interface ServeOptions {
  /** TCP port; 0 takes a free one. */
  port: number;
  /** Address to listen on. Default: 127.0.0.1. */
  host?: string;
}

export interface Served {
  readonly url: string;
  readonly port: number;
  /** Stops listening, lets calls in flight finish and closes idle connections. */
  close(): Promise<void>;
}

type Handle = (request: FunctionRequest) => Promise<FunctionResponse>;

/** Takes calls of any server that hands on what node:http gives it. */
export type NodeListener = (req: IncomingMessage, res: ServerResponse) => void;

export function nodeListener(handle: Handle, maxBody: number): NodeListener {
  return (req, res) => {
    respond(handle, req, res, maxBody).catch(() => res.destroy());
  };
}

export async function serveNode(listener: NodeListener, options: ServeOptions): Promise<Served> {
  const host = options.host ?? '127.0.0.1';
  const server = createServer(listener);
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  // Longer than a caller's pool keeps a connection, so that the caller closes first and no call hits a dead one.
  server.keepAliveTimeout = 30_000;
  await listen(server, options.port, host);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}/`,
    port,
    close: () => close(server),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeIdleConnections();
  });
}

async function respond(handle: Handle, req: IncomingMessage, res: ServerResponse, maxBody: number) {
  const body = await readBody(req, maxBody);
  if (body === 'taken') {
    const detail =
      'The body was read before; mount the functions before what parses bodies, or behind express.raw().';
    console.error(detail);
    res.writeHead(500, { 'content-type': 'application/problem+json' });
    res.end(JSON.stringify({ status: 500, detail }));
    return;
  }
  const answer = body
    ? await handle({
        method: req.method ?? 'GET',
        header: (name) => single(req.headers[name]),
        body,
      })
    : tooLarge(maxBody, { connection: 'close' });
  res.writeHead(answer.status, answer.headers);
  res.end(answer.body);
}

/**
 * `undefined` when the body is larger than `maxBody`; what comes after that is not kept. `taken`: a body parser was here
 * before, and has not left the bytes.
 */
async function readBody(req: IncomingMessage, maxBody: number): Promise<Uint8Array | undefined | 'taken'> {
  const parsed: unknown = Reflect.get(req, 'body');
  if (parsed instanceof Uint8Array) return parsed.byteLength > maxBody ? undefined : parsed;
  if (req.readableEnded && Number(req.headers['content-length'] ?? 0) > 0) return 'taken';
  if (Number(req.headers['content-length'] ?? 0) > maxBody) return undefined;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of req as AsyncIterable<Buffer>) {
    size += part.byteLength;
    if (size > maxBody) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
