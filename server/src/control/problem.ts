import { z } from 'zod';
import { BatonError, bodyTooLarge, internalError, invalidRequest, unsupportedMediaType } from '../errors.ts';

/** The body of a failed request, RFC 9457. `code` and `details` are Baton's extension members. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Problem' });

export type ProblemDetails = z.infer<typeof problemSchema>;

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

/** What is sent as the answer of a request. */
export interface Outcome {
  status: number;
  headers: Record<string, string>;
  /** Absent: nothing but the status. */
  body?: string;
  /** Of a failure. */
  code?: string;
}

/** Anything thrown becomes a problem; what is not a `BatonError` is told in general words only. */
export function problemOutcome(thrown: unknown): Outcome {
  const error = asBatonError(thrown);
  const { allowed, retryAfter } = error.details;
  return {
    status: error.status,
    headers: {
      'Content-Type': 'application/problem+json',
      ...(error.status === 401 ? { 'WWW-Authenticate': 'Bearer realm="baton"' } : {}),
      ...(error.status === 405 ? { Allow: String(allowed) } : {}), // RFC 9110 §15.5.6
      ...(typeof retryAfter === 'number' ? { 'Retry-After': String(retryAfter) } : {}),
    },
    body: JSON.stringify(problemOf(error)),
    code: error.code,
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
