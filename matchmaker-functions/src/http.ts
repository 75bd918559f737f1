/** A call as plain values, so that the same functions run under any HTTP server. */
export interface FunctionRequest {
  method: string;
  /** Looks up a header by its lower-case name. */
  header(name: string): string | undefined;
  body: Uint8Array;
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
