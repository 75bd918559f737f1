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
  body?: string;
}

export function json(status: number, value: unknown): FunctionResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
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
