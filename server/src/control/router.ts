import { randomUUID } from 'node:crypto';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import { asBatonError, methodNotAllowed, notFound } from '../errors.ts';
import { type Log, silentLog, type Traced, traced } from '../telemetry/index.ts';
import { KEY_GOOD_FOR_MS } from '../tenants/index.ts';
import type { AuditLog } from './audit.ts';
import { Authentication, assertScope, type OperatorTokens } from './auth.ts';
import { docsPage } from './docs-page.ts';
import { EventStream } from './event-stream.ts';
import type { IdempotencyKeys } from './idempotency.ts';
import { type LimitOptions, RequestLimits } from './limits.ts';
import type { Operation } from './operation.ts';
import { type Outcome, problemOutcome } from './problem.ts';
import { bytesOf, readBody, valid } from './request.ts';
import type { KeyRing, Principal } from './types.ts';

export interface ControlOptions {
  operations: Operation[];
  tokens: OperatorTokens;
  /** API keys of tenants. Default: there are none. */
  keys?: KeyRing;
  limits?: LimitOptions;
  /** CIDR ranges of proxies that say where clients are. Default: none. */
  trustProxy?: string[];
  /** Default: writes are not written down. */
  audit?: AuditLog;
  /** Default: `Idempotency-Key` does nothing. */
  idempotency?: IdempotencyKeys;
  /** Told of every answer of an operation, with the time it took in seconds. */
  answered?: (operation: Operation, status: number, seconds: number) => void;
  log?: Log;
  /** The page on `/dashboard`. Default: there is none. */
  dashboard?: RequestHandler;
}

/** What is known of a request on its way. */
interface Asked {
  requestId: string;
  since: number;
  principal?: Principal;
  operation?: Operation;
  traced?: Traced;
}

/**
 * The control API as an express app: its operations, and the page that shows them. It takes their paths and the rest
 * of `/v1/`; others go on to the app. It sends no CORS header, so a page of another origin can neither read an answer
 * nor send the token.
 */
export function createControl(options: ControlOptions): Express {
  const control = new Control(options);
  const app = express();
  app.set('case sensitive routing', true).set('etag', false).disable('x-powered-by');
  app.set('trust proxy', options.trustProxy ?? []);
  app.use(start);
  control.route(app);
  app.use('/v1/docs', docsPage());
  if (options.dashboard) app.use('/dashboard', options.dashboard);
  app.use('/v1', control.authenticate, (request) => {
    throw notFound({ path: request.baseUrl + request.path });
  });
  app.use(control.problems);
  return app;
}

const start: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store');
  Object.assign(response.locals, { requestId: randomUUID(), since: performance.now() } satisfies Asked);
  next();
};

/** RFC 9110 §12.5.1: asked for by name. */
const wantsEvents = ({ method, headers }: Request) =>
  method === 'GET' && /(?:^|,)\s*text\/event-stream\s*(?:[;,]|$)/i.test(headers.accept ?? '');

const asked = (response: Response) => response.locals as Asked;

class Control {
  private readonly options: ControlOptions;
  private readonly log: Log;
  private readonly limits: RequestLimits;
  private readonly authentication: Authentication;

  constructor(options: ControlOptions) {
    this.options = options;
    this.log = options.log ?? silentLog;
    this.limits = new RequestLimits(options.limits);
    this.authentication = new Authentication(options.tokens, this.limits, options.keys);
  }

  route(app: Express): void {
    for (const [path, those] of byPath(this.options.operations)) {
      const route = app.route(path.replace(/\{(\w+)\}/g, ':$1'));
      if (those.some(({ scope }) => scope !== 'open')) route.all(this.authenticate);
      for (const operation of those)
        route[lowerCase(operation.method)](
          this.allow(operation),
          readBody(operation),
          this.perform(operation),
        );
      const allowed = those
        .flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
        .join(', ');
      route.all(({ path, method }) => {
        throw methodNotAllowed({ path, method, allowed });
      });
    }
  }

  readonly authenticate: RequestHandler = async (request, response, next) => {
    asked(response).principal = await this.authentication.principalOf(request.headers, request.ip ?? '');
    next();
  };

  /** Before the body is read. */
  private allow(operation: Operation): RequestHandler {
    return async (request, response, next) => {
      const here = asked(response);
      here.operation = operation;
      const route = `${operation.method} ${operation.path}`;
      const attributes = { 'http.request.method': operation.method, 'http.route': operation.path };
      here.traced = traced(route, 'SERVER', attributes, request.get('traceparent'));
      if (operation.scope !== 'open') {
        if (!here.principal!.operator) response.set(await this.limits.take(here.principal!.key));
        if (operation.scope !== 'any') assertScope(here.principal!, operation.scope);
      }
      next();
    };
  }

  private perform(operation: Operation): RequestHandler {
    return async (request, response) => {
      if (operation.events && wantsEvents(request)) return this.stream(operation, request, response);
      const run = this.prepared(operation, request, response);
      const key = operation.method === 'GET' ? undefined : request.get('idempotency-key');
      const { idempotency } = this.options;
      if (key === undefined || !idempotency) return this.finish(request, response, await run());
      const { principal } = asked(response);
      const keyed = {
        tenant: principal!.tenant,
        principal: principal!.key,
        operation: operation.id,
        key,
        content: [request.originalUrl, request.get('content-type') ?? '', bytesOf(request)],
        secret: operation.secret ?? false,
      };
      await this.finish(request, response, await idempotency.once(keyed, run));
    };
  }

  /** Events until the viewer, its key or this host goes. */
  private async stream(operation: Operation, request: Request, response: Response): Promise<void> {
    const { principal, since, traced } = asked(response);
    const params = valid(operation.params, request.params, 'path');
    const query = valid(operation.query, request.query, 'query');
    let stream: EventStream | undefined;
    const out = (): EventStream => {
      response.set('X-Request-Id', asked(response).requestId);
      this.options.answered?.(operation, 200, (performance.now() - since) / 1_000);
      traced?.end(undefined, { 'http.response.status_code': 200 });
      return (stream = new EventStream(response));
    };
    const look = setInterval(async () => {
      try {
        await this.authentication.assertStillGood(request.headers);
      } catch (thrown) {
        const { code } = asBatonError(thrown);
        if (code !== 'BATON_STORE_UNAVAILABLE') stream?.end('denied', JSON.stringify({ code }));
      }
    }, KEY_GOOD_FOR_MS).unref();
    try {
      await operation.events!.open({ principal: principal!, params, query }, out);
    } finally {
      clearInterval(look);
    }
  }

  /** Checks the request; what comes back carries it out, and does not reject. */
  private prepared(operation: Operation, request: Request, response: Response): () => Promise<Outcome> {
    const { principal, requestId } = asked(response);
    const context = {
      principal: principal!,
      params: valid(operation.params, request.params, 'path'),
      query: valid(operation.query, request.query, 'query'),
      body: operation.raw ? {} : valid(operation.body, request.body, 'body'),
      rawBody: operation.raw ? bytesOf(request) : new Uint8Array(),
      mediaType: (request.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase(),
      requestId,
    };
    return async () => {
      try {
        return success(operation, await operation.run(context));
      } catch (thrown) {
        return this.failure(thrown, request);
      }
    };
  }

  readonly problems: ErrorRequestHandler = async (thrown, request, response, next) => {
    // Headers are out: only the connection can still say that the answer is not whole.
    if (response.headersSent) return next(thrown);
    await this.finish(request, response, this.failure(thrown, request));
  };

  private failure(thrown: unknown, { method, path }: Request): Outcome {
    const outcome = problemOutcome(thrown);
    if (outcome.status >= 500) this.log.error({ err: thrown, method, path }, 'control request failed');
    return outcome;
  }

  private async finish(request: Request, response: Response, outcome: Outcome): Promise<void> {
    const { operation, principal, requestId, since, traced } = asked(response);
    const replayed = 'Idempotency-Replayed' in outcome.headers;
    if (operation && principal && operation.method !== 'GET' && !replayed) {
      await this.options.audit?.write(principal.tenant, {
        requestId,
        key: principal.key,
        operation: operation.id,
        path: request.originalUrl.split('?')[0]!,
        status: outcome.status,
        ...(outcome.code === undefined ? {} : { code: outcome.code }),
        ...(request.ip === undefined ? {} : { address: request.ip }),
      });
    }
    if (operation) this.options.answered?.(operation, outcome.status, (performance.now() - since) / 1_000);
    const failure = outcome.status >= 500 ? { code: outcome.code } : undefined;
    traced?.end(failure, { 'http.response.status_code': outcome.status });
    response.set({ ...outcome.headers, 'X-Request-Id': requestId }).status(outcome.status);
    response.end(request.method === 'HEAD' ? undefined : outcome.body);
  }
}

function success(
  { status, answer, mediaType = 'application/json; charset=utf-8' }: Operation,
  result: unknown,
): Outcome {
  if (!answer) return { status: status ?? 204, headers: {} };
  const body = typeof result === 'string' ? result : JSON.stringify(result);
  return { status: status ?? 200, headers: { 'Content-Type': mediaType }, body };
}

/** Paths in the order in which they were given. */
function byPath(operations: Operation[]): Map<string, Operation[]> {
  const paths = new Map<string, Operation[]>();
  for (const operation of operations)
    paths.set(operation.path, [...(paths.get(operation.path) ?? []), operation]);
  return paths;
}

const lowerCase = (method: Operation['method']) => method.toLowerCase() as Lowercase<typeof method>;
