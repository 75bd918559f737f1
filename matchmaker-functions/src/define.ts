import {
  type Answer,
  asReceived,
  type FunctionSet,
  type LinkedEvent,
  MalformedEvent,
  readEvent,
  type UnlinkedEvent,
} from './events.ts';
import { answerFetch } from './fetch.ts';
import { bodyLimit, data, type FunctionRequest, type FunctionResponse, json, problem } from './http.ts';
import { type NodeListener, nodeListener, type Served, type ServeOptions, serveNode } from './serve-node.ts';
import { Unsigned, Verifier } from './signature.ts';

export interface DefineOptions {
  /**
   * Secrets of the service, `whsec_…`. With them only calls are taken that are signed with one of them, made within
   * five minutes and not seen before; others are answered with 401.
   */
  secrets?: readonly string[];
  /**
   * Bytes that the body of a call may have, whatever serves it; larger ones are answered with 413, and not read to their
   * end. Default: 2 MiB, which is enough unless the service was started with a `maxPayload` of more than 1 MiB.
   */
  maxBody?: number;
}

export interface Functions {
  /** The functions themselves, for whoever calls them without requests: `baton simulate`, a test. */
  readonly set: FunctionSet;
  /** Answers one call; never rejects: what goes wrong becomes a status the service understands. */
  handle(request: FunctionRequest): Promise<FunctionResponse>;
  /**
   * Answers one call that comes as a Request: what `export default defineFunctions(...)` of a file makes a function that
   * the service hosts itself, or a module that serves on other platforms.
   */
  fetch(request: Request): Promise<Response>;
  /**
   * Answers calls that come to a server of node:http or express: `createServer(functions.node)`,
   * `app.use('/duel', functions.node)` before anything that parses bodies.
   */
  node: NodeListener;
  /** Serves the functions over HTTP (node:http) until closed. */
  serve(options: ServeOptions): Promise<Served>;
}

/**
 * Makes the functions of a mapping callable.
 *
 * @throws TypeError when a secret or `maxBody` is none
 * @example
 * ```ts
 * await defineFunctions({ open: ({ playerId }) => ({ send: `hello ${playerId}` }) }).serve({ port: 2580 });
 * ```
 */
export function defineFunctions(set: FunctionSet & DefineOptions): Functions {
  const verifier = set.secrets && new Verifier(set.secrets);
  const maxBody = bodyLimit(set.maxBody);
  const adapters: Omit<Functions, 'set'> = {
    handle: (request) => answer(set, verifier, request),
    fetch: (request) => answerFetch(adapters.handle, request, maxBody),
    node: nodeListener((request) => adapters.handle(request), maxBody),
    serve: (options) => serveNode(adapters.node, options),
  };
  // it may have secrets, which nobody is to see who prints this
  return Object.defineProperty(adapters, 'set', { value: set }) as Functions;
}

async function answer(
  set: FunctionSet,
  verifier: Verifier | undefined,
  request: FunctionRequest,
): Promise<FunctionResponse> {
  if (request.method === 'OPTIONS') return handshake(request);
  if (request.method !== 'POST') return problem(405, 'Calls come as POST.', { allow: 'POST, OPTIONS' });
  try {
    verifier?.check(request.header, request.body);
    return await run(set, request);
  } catch (error) {
    if (error instanceof Unsigned) return problem(401, error.message);
    if (error instanceof MalformedEvent) return problem(400, error.message);
    console.error(error);
    return problem(500, 'The function failed.');
  }
}

async function run(set: FunctionSet, { header, body }: FunctionRequest): Promise<FunctionResponse> {
  const event = readEvent(header, body);
  switch (event.kind) {
    case 'open':
      return reply((await set.open(event)) ?? {});
    case 'receive':
      return reply(await set.receive?.(asReceived(event, header('content-type') ?? '', body)));
    case 'linked':
      return reply(await set.linked?.(event as LinkedEvent));
    case 'unlinked':
      return reply(await set.unlinked?.(event as UnlinkedEvent));
    case 'close':
      await set.close?.(event);
  }
  return reply(undefined);
}

function reply(answer: Answer): FunctionResponse {
  if (answer === undefined) return { status: 204, headers: {} };
  if (typeof answer === 'string') return data('text/plain; charset=utf-8', answer);
  if (answer instanceof Uint8Array) return data('application/octet-stream', answer);
  return json(200, answer);
}

/** CloudEvents "HTTP 1.1 Web Hooks", section 4: the endpoint says that it wants the calls. */
function handshake(request: FunctionRequest): FunctionResponse {
  const origin = request.header('webhook-request-origin');
  const headers: Record<string, string> = { allow: 'POST, OPTIONS' };
  if (origin) Object.assign(headers, { 'webhook-allowed-origin': origin, 'webhook-allowed-rate': '*' });
  return { status: 200, headers };
}
