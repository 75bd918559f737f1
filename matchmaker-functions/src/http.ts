/** A call as plain values, so that the same functions run under any HTTP server. */
export interface FunctionRequest {
  method: string;
  /** Looks up a header by its lower-case name. */
  header(name: string): string | undefined;
  body: Uint8Array;
}

/**
 * Bytes of a call, unless `defineFunctions()` is told otherwise: what a mapping may let wait (1 MiB) and the message that
 * ends the wait.
 */
const MAX_BODY_BYTES = 2 * 1024 * 1024;

/** @throws TypeError */
export function bodyLimit(maxBody = MAX_BODY_BYTES): number {
  if (!Number.isSafeInteger(maxBody) || maxBody < 1)
    throw new TypeError(`maxBody is ${maxBody}; expected a whole number of bytes from 1`);
  return maxBody;
}

export interface FunctionResponse {
  status: number;
  headers: Record<string, string>;
  body?: string | Uint8Array;
}

export function json(status: number, value: unknown): FunctionResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

export function data(type: string, body: string | Uint8Array): FunctionResponse {
  return { status: 200, headers: { 'content-type': type }, body };
}

/** RFC 9457 problem details. */
export function problem(
  status: number,
  detail: string,
  headers: Record<string, string> = {},
): FunctionResponse {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ status, detail }),
  };
}

export function tooLarge(maxBody: number, headers: Record<string, string> = {}): FunctionResponse {
  return problem(413, `The body exceeds ${maxBody} bytes.`, headers);
}
