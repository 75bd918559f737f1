// The control API, as far as the page uses it.
import { headersOf, type Session } from './session.ts';

/** What a request that failed was answered with. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** @throws ApiError */
export async function failure(response: Response): Promise<ApiError> {
  const problem = await response.json().catch(() => ({}));
  const { code = `HTTP_${response.status}`, detail = response.statusText } = problem as {
    code?: string;
    detail?: string;
  };
  const retryAfter = Number(response.headers.get('retry-after')) || undefined;
  return new ApiError(response.status, code, detail, retryAfter);
}

/** A write is done once, however often it is sent. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

/** @throws ApiError */
export async function ask<T>(
  session: Session,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...headersOf(session),
        ...(method === 'GET' ? {} : { 'idempotency-key': newKey() }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: 'no-store',
    });
  } catch {
    throw new ApiError(
      0,
      'NO_ANSWER',
      'The service did not answer. Whether it was done will show in the lists.',
    );
  }
  if (!response.ok) throw await failure(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}
