/** What the service said went wrong; `code` is one of its catalogue (`BATON_…`), where it is known. */
export class SocketError extends Error {
  override readonly name = 'SocketError';
  readonly code: string;
  /** Close or error code as a number, where there is one. */
  readonly status: number | undefined;

  constructor(code: string, message: string, status?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status;
  }
}

/** Errors of joining carry the catalogue's code in front of their text: `BATON_CALL_FAILED: The open function …`. */
export function fromJoin(error: unknown): SocketError {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const status = typeof code === 'number' ? code : undefined;
  const text = typeof message === 'string' && message !== '' ? message : 'The service cannot be reached.';
  const known = /^(BATON_\w+): (.*)$/s.exec(text);
  if (known) return new SocketError(known[1]!, known[2]!, status, error);
  return new SocketError(status === undefined ? 'BATON_UNREACHABLE' : 'BATON_REFUSED', text, status, error);
}
