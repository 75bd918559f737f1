import { randomUUID } from 'node:crypto';
import express, { type RequestHandler, type Router } from 'express';
import { notFound, notReady } from '../errors.ts';
import { type Log, silentLog } from '../telemetry/index.ts';
import { assertScope, authentication } from './auth.ts';
import type { Operation } from './operation.ts';
import { onlyMethods, problems, sendProblem } from './problem.ts';
import { readBody, valid } from './request.ts';
import type { KeyRing } from './types.ts';

export interface ControlOptions {
  operations: Operation[];
  /** The service's own bearer token. */
  token: string;
  /** API keys of tenants. Default: there are none. */
  keys?: KeyRing;
  log?: Log;
  /** `/readyz` answers 503 with the text this gives; `undefined` = ready. Default: always ready. */
  unready?: () => string | undefined | Promise<string | undefined>;
}

/**
 * The control API as an express router: its operations behind token or key, `GET /healthz` and `/readyz` open.
 * It takes these paths and the rest of `/v1/`; others go on to the app. It sends no CORS header, so a page of
 * another origin can neither read an answer nor send the token.
 */
export function createControl(options: ControlOptions): Router {
  const log = options.log ?? silentLog;
  const router = express.Router({ caseSensitive: true });
  router.use(['/healthz', '/readyz'], probes(options));
  router.use('/v1', noStore, authenticate(options));
  for (const [path, operations] of byPath(options.operations)) {
    const route = router.route(path.replace(/\{(\w+)\}/g, ':$1'));
    for (const operation of operations)
      route[lowerCase(operation.method)](allow(operation), readBody(operation), answer(operation));
    route.all(
      onlyMethods(...operations.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : method))),
    );
  }
  router.use('/v1', (request, response) =>
    sendProblem(response, notFound({ path: request.baseUrl + request.path })),
  );
  router.use(problems(log));
  return router;
}

function probes(options: ControlOptions): RequestHandler {
  return async (request, response, next) => {
    if (request.path !== '/') return next();
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return onlyMethods('GET', 'HEAD')(request, response, next);
    response.set('Cache-Control', 'no-store');
    const reason = request.baseUrl === '/readyz' ? await options.unready?.() : undefined;
    if (reason === undefined) response.json({ status: 'ok' });
    else sendProblem(response, notReady({ reason }));
  };
}

const noStore: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store');
  next();
};

function authenticate(options: ControlOptions): RequestHandler {
  const principalOf = authentication(options.token, options.keys);
  return async (request, response, next) => {
    const requestId = randomUUID();
    response.set('X-Request-Id', requestId);
    response.locals['requestId'] = requestId;
    response.locals['principal'] = await principalOf(request.headers);
    next();
  };
}

/** Before the body is read. */
function allow({ scope }: Operation): RequestHandler {
  return (_request, response, next) => {
    assertScope(response.locals['principal'], scope);
    next();
  };
}

function answer(operation: Operation): RequestHandler {
  return async (request, response) => {
    const result = await operation.run({
      principal: response.locals['principal'],
      params: valid(operation.params, request.params, 'path'),
      query: valid(operation.query, request.query, 'query'),
      body: operation.raw ? {} : valid(operation.body, request.body, 'body'),
      rawBody: operation.raw ? request.body : new Uint8Array(),
      mediaType: (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase(),
      requestId: response.locals['requestId'],
    });
    response.status(operation.status ?? (operation.answer ? 200 : 204));
    if (operation.answer) response.json(result);
    else response.end();
  };
}

/** Paths in the order in which they were given. */
function byPath(operations: Operation[]): Map<string, Operation[]> {
  const paths = new Map<string, Operation[]>();
  for (const operation of operations)
    paths.set(operation.path, [...(paths.get(operation.path) ?? []), operation]);
  return paths;
}

const lowerCase = (method: Operation['method']) => method.toLowerCase() as Lowercase<typeof method>;
