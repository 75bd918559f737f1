import express, { type RequestHandler, type Router } from 'express';
import { z } from 'zod';
import { invalidRequest, notFound, notReady, unsupportedMediaType } from '../errors.ts';
import { type Log, silentLog } from '../telemetry/index.ts';
import { requireToken } from './auth.ts';
import { onlyMethods, problems, sendProblem } from './problem.ts';
import type { ControlBackend } from './types.ts';

export interface ControlOptions {
  backend: ControlBackend;
  /** Bearer token of `/v1/…`. */
  token: string;
  log?: Log;
  /** `/readyz` answers 503 with the text this gives; `undefined` = ready. Default: always ready. */
  unready?: () => string | undefined | Promise<string | undefined>;
}

const bodyLimit = 64 * 1024;
const roomParams = z.object({ id: z.string().min(1).max(128) });
const hostParams = z.object({ id: z.string().min(1).max(64) });
const migrateBody = z.strictObject({ to: z.string().min(1).max(64) });
const drainBody = z.strictObject({ deadlineMs: z.number().int().min(0).max(3_600_000).optional() });
const reloadBody = z.strictObject({ keepImmovable: z.boolean().optional() });

/**
 * The control API as an express router: `GET /v1/hosts`, `GET /v1/rooms`, `POST /v1/rooms/:id/migrate`,
 * `POST /v1/hosts/:id/drain`, `POST /v1/reload` behind the token; `GET /healthz` and `/readyz` open.
 * It takes these paths and the rest of `/v1/`; others go on to the app. It sends no CORS header, so a page of
 * another origin can neither read an answer nor send the token.
 */
export function createControl(options: ControlOptions): Router {
  const log = options.log ?? silentLog;
  const router = express.Router({ caseSensitive: true });
  router.use(['/healthz', '/readyz'], probes(options));
  router.use('/v1', noStore, requireToken(options.token), parseBody(), api(options.backend));
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

function api(backend: ControlBackend): Router {
  const routes = express.Router({ caseSensitive: true });
  routes
    .route('/hosts')
    .get(async (_request, response) => void response.json({ hosts: await backend.hosts() }))
    .all(onlyMethods('GET', 'HEAD'));
  routes
    .route('/rooms')
    .get(async (_request, response) => void response.json({ rooms: await backend.rooms() }))
    .all(onlyMethods('GET', 'HEAD'));
  routes
    .route('/rooms/:id/migrate')
    .post(async (request, response) => {
      const { id } = valid(roomParams, request.params, 'path');
      const { to } = valid(migrateBody, request.body, 'body');
      response.json(await backend.migrate(id, to));
    })
    .all(onlyMethods('POST'));
  routes
    .route('/hosts/:id/drain')
    .post(async (request, response) => {
      const { id } = valid(hostParams, request.params, 'path');
      const { deadlineMs } = valid(drainBody, request.body, 'body');
      response.json(await backend.drain(id, deadlineMs));
    })
    .all(onlyMethods('POST'));
  routes
    .route('/reload')
    .post(async (request, response) => {
      response.json(await backend.reload(valid(reloadBody, request.body, 'body')));
    })
    .all(onlyMethods('POST'));
  routes.use((request, response) =>
    sendProblem(response, notFound({ path: request.baseUrl + request.path })),
  );
  return routes;
}

const noStore: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store');
  next();
};

/** JSON bodies only; no body reads as `{}`. The app's own parsers may have been there first. */
function parseBody(): RequestHandler {
  const json = express.json({ limit: bodyLimit, type: () => true });
  return (request, response, next) => {
    const hasBody =
      request.headers['transfer-encoding'] !== undefined ||
      Number(request.headers['content-length'] ?? 0) > 0;
    if (!hasBody) {
      request.body = {};
      return next();
    }
    if (!request.is('application/json')) return next(unsupportedMediaType());
    json(request, response, next);
  };
}

function valid<T>(schema: z.ZodType<T>, input: unknown, where: string): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.join('.');
  throw invalidRequest({
    reason: `${path === '' ? `The request ${where}` : path}: ${issue.message}`,
    field: path,
  });
}
