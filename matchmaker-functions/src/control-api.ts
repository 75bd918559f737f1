export interface ControlApiOptions {
  /** The service, `https://play.example`. */
  url: string;
  /** An API key with the scopes `sockets:read`, `sockets:link`, `sockets:send` and `sockets:close`. */
  key: string;
  /** Milliseconds for a request. Default: 5,000. */
  timeout?: number;
}

export type Wish = { peer: string } | { peers: string[] } | { group: string; size: number };

/** What a matchmaker asks of the service; see its control API. */
export interface Service {
  /**
   * @returns how the socket is then: `linked`, or `waiting` for those who are not open yet
   * @throws ServiceError such as `BATON_LINK_GONE`
   */
  link(socketId: string, wish: Wish): Promise<{ status: string }>;
  unlink(socketId: string): Promise<void>;
  /** Sends a message to the client: JSON, as text. */
  send(socketId: string, message: unknown): Promise<void>;
  close(socketId: string, code: number, reason: string): Promise<void>;
  /** How a socket is; undefined when there is none. */
  socket(socketId: string): Promise<{ status: string; peers: string[] } | undefined>;
}

/** The service said no, by a code of its catalogue, or did not answer. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  /** `BATON_…`, or `unreachable`. */
  readonly code: string;
  /** Of the answer; 0 without one. */
  readonly status: number;
  /** Milliseconds after which the service wants to be asked again, when it said so. */
  retryAfter?: number;

  constructor(code: string, status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.status = status;
  }
}

const TIMEOUT_MS = 5_000;
/** The longest `Retry-After` that is believed. */
const LONGEST_RETRY_AFTER_MS = 60_000;
/** Requests whose answer did not come are made once more, under the same Idempotency-Key. */
const ATTEMPTS = 2;

/** The service over its control API. */
export function controlApi({ url, key, timeout = TIMEOUT_MS }: ControlApiOptions): Service {
  const base = new URL('/v1/sockets/', url).href;
  const ask = (method: string, path: string, body?: unknown) =>
    request({ base, key, timeout, method, path, body });
  const of = (socketId: string) => encodeURIComponent(socketId);
  return {
    link: async (id, wish) => (await ask('POST', `${of(id)}/link`, wish)) as { status: string },
    unlink: async (id) => void (await ask('POST', `${of(id)}/unlink`)),
    send: async (id, message) => void (await ask('POST', `${of(id)}/send`, message)),
    close: async (id, code, reason) =>
      void (await ask('DELETE', `${of(id)}?${new URLSearchParams({ code: `${code}`, reason })}`)),
    async socket(id) {
      try {
        return (await ask('GET', of(id))) as { status: string; peers: string[] };
      } catch (error) {
        if (isGone(error)) return undefined;
        throw error;
      }
    },
  };
}

/** The socket of the request does not exist any more. */
export function isGone(error: unknown): boolean {
  return error instanceof ServiceError && error.code === 'BATON_SOCKET_NOT_FOUND';
}

interface Asked {
  base: string;
  key: string;
  timeout: number;
  method: string;
  path: string;
  body?: unknown;
}

async function request({ base, key, timeout, method, path, body }: Asked): Promise<unknown> {
  const headers: Record<string, string> = { authorization: `Bearer ${key}` };
  if (method !== 'GET') headers['idempotency-key'] = crypto.randomUUID();
  if (body !== undefined) headers['content-type'] = 'application/json';
  const init = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(base + path, { ...init, signal: AbortSignal.timeout(timeout) });
      return await read(response);
    } catch (error) {
      if (error instanceof ServiceError && error.status < 500) throw error;
      if (attempt < ATTEMPTS) continue;
      if (error instanceof ServiceError) throw error;
      throw new ServiceError('unreachable', 0, `${method} ${base}${path} was not answered`, { cause: error });
    }
  }
}

async function read(response: Response): Promise<unknown> {
  const text = await response.text();
  const json = /\bjson\b/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined;
  if (response.ok) return json;
  const { code = 'unreachable', detail = `answered with status ${response.status}` } = json ?? {};
  const error = new ServiceError(code, response.status, `${code}: ${detail}`);
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  if (seconds > 0 && Number.isFinite(seconds))
    error.retryAfter = Math.min(seconds * 1_000, LONGEST_RETRY_AFTER_MS);
  throw error;
}
