import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import {
  BatonError,
  bodyTooLarge,
  internalError,
  invalidRequest,
  methodNotAllowed,
  unsupportedMediaType,
} from '../errors.ts';
import type { Log } from '../telemetry/index.ts';

/** The body of a failed request, RFC 9457. `code` and `details` are Baton's extension members. */
export interface ProblemDetails {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  details: Record<string, unknown>;
}

/** The problem type of a code of the catalogue, RFC 9457 §3.1.1. */
export function problemType(code: string): string {
  return `urn:baton:error:${code}`;
}

/** `BATON_ROOM_NOT_FOUND` → `Room not found`. */
function titleOf(code: string): string {
  const words = code
    .replace(/^BATON_/, '')
    .toLowerCase()
    .split('_')
    .join(' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function problemOf(error: BatonError): ProblemDetails {
  return {
    type: problemType(error.code),
    title: titleOf(error.code),
    status: error.status,
    detail: error.message,
    code: error.code,
    details: error.details,
  };
}

export function sendProblem(response: Response, error: BatonError): void {
  if (error.status === 401) response.set('WWW-Authenticate', 'Bearer realm="baton"');
  response
    .status(error.status)
    .type('application/problem+json')
    .send(JSON.stringify(problemOf(error)));
}

/** Anything thrown becomes a problem; what is not a `BatonError` is logged and told in general words only. */
export function problems(log: Log): ErrorRequestHandler {
  return (thrown, request, response, next) => {
    const error = asBatonError(thrown);
    if (error.status >= 500) {
      log.error({ err: thrown, method: request.method, path: request.path }, 'control request failed');
    }
    // Headers are out: only the connection can still say that the answer is not whole.
    if (response.headersSent) return next(thrown);
    sendProblem(response, error);
  };
}

/** Answers 405 with `Allow`, RFC 9110 §15.5.6. */
export function onlyMethods(...allowed: string[]): RequestHandler {
  return (request, response) => {
    response.set('Allow', allowed.join(', '));
    sendProblem(
      response,
      methodNotAllowed({
        path: request.baseUrl + request.path,
        method: request.method,
        allowed: allowed.join(', '),
      }),
    );
  };
}

function asBatonError(thrown: unknown): BatonError {
  if (thrown instanceof BatonError) return thrown;
  const { type, status, limit } = (thrown ?? {}) as { type?: string; status?: number; limit?: number };
  if (type === 'entity.too.large') return bodyTooLarge({ limit });
  if (type === 'entity.parse.failed')
    return invalidRequest({ reason: 'The request body is not valid JSON.' });
  if (status === 415) return unsupportedMediaType({ expected: 'in UTF-8, and plain or gzip' });
  if (status !== undefined && status >= 400 && status < 500) {
    return invalidRequest({ reason: 'The request is malformed.' });
  }
  return internalError({}, thrown);
}
