import { request } from 'undici';
import { z } from 'zod';
import type {
  DrainResult,
  HostView,
  MigrateResult,
  ReloadOptions,
  ReloadResult,
  RoomView,
} from '../control/index.ts';
import {
  BatonError,
  invalidOption,
  noService,
  serviceLost,
  serviceTimeout,
  unauthorized,
} from '../errors.ts';
import { findService } from '../supervisor/index.ts';

/** A request to the control API; its answer is JSON, or nothing. */
export interface Asking {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  timeoutMs?: number;
  /** Default: the tenant of the key, or the default one. */
  tenant?: string;
  /** JSON, or text of a media type. */
  body?: object | { text: string; type: string };
}

export interface ServiceChoice {
  url?: string;
  token?: string;
  /** API key of a tenant; goes before the token. */
  key?: string;
  port?: number;
  runtimeDir?: string;
}

const problem = z.object({
  code: z.string(),
  status: z.number(),
  detail: z.string(),
  details: z.record(z.string(), z.unknown()).default({}),
});

const shortMs = 10_000;
/** Failures before a request is out. */
const unsent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The control API of a running service, as its command line uses it. Failures are the service's own errors. */
export class ServiceClient {
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url.replace(/\/+$/, '');
    this.#token = token;
  }

  /** For another process that talks to the same service. */
  get token(): string {
    return this.#token;
  }

  /**
   * The service named by URL, or the newest one of this user on this machine.
   * @throws noService, invalidOption, unauthorized when no token is known for the URL
   */
  static async find(choice: ServiceChoice): Promise<ServiceClient> {
    const { url = process.env['BATON_URL'] } = choice;
    const token = choice.key ?? choice.token ?? (process.env['BATON_CONTROL_TOKEN'] || undefined);
    if (url !== undefined) checkUrl(url);
    if (url !== undefined && token !== undefined) return new ServiceClient(url, token);
    const found = await findService({
      port: url === undefined ? choice.port : portOf(url),
      runtimeDir: choice.runtimeDir,
    });
    if (url !== undefined) {
      if (found === undefined || !isLoopback(url))
        throw unauthorized({ url, hint: 'pass --token or set BATON_CONTROL_TOKEN' });
      return new ServiceClient(url, found.token);
    }
    if (found === undefined)
      throw noService({ url: choice.runtimeDir ?? `http://127.0.0.1:${choice.port ?? 2567}` });
    return new ServiceClient(found.url, token ?? found.token);
  }

  async hosts(): Promise<HostView[]> {
    return (await this.#send<{ hosts: HostView[] }>('GET', '/v1/hosts', shortMs)).hosts;
  }

  async rooms(): Promise<RoomView[]> {
    const rooms: RoomView[] = [];
    for (let after: string | undefined = ''; after !== undefined; ) {
      const query = `limit=1000${after === '' ? '' : `&after=${after}`}`;
      const page: { rooms: RoomView[]; next?: string } = await this.#send(
        'GET',
        `/v1/rooms?${query}`,
        shortMs,
      );
      rooms.push(...page.rooms);
      after = page.next;
    }
    return rooms;
  }

  migrate(roomId: string, to: string): Promise<MigrateResult> {
    return this.#send('POST', `/v1/rooms/${encodeURIComponent(roomId)}/migrate`, 120_000, { to });
  }

  drain(host: string, deadlineMs = 60_000): Promise<DrainResult> {
    return this.#send('POST', `/v1/hosts/${encodeURIComponent(host)}/drain`, deadlineMs + 30_000, {
      deadlineMs,
    });
  }

  reload(options: ReloadOptions): Promise<ReloadResult> {
    return this.#send('POST', '/v1/reload', 900_000, options);
  }

  #send<T>(method: Asking['method'], path: string, timeoutMs: number, body?: object): Promise<T> {
    return this.ask({ method, path, timeoutMs, body });
  }

  /** @throws the service's own error, noService, serviceTimeout, serviceLost */
  async ask<T>({ method, path, timeoutMs = shortMs, tenant, body }: Asking): Promise<T> {
    const raw = body !== undefined && 'type' in body && 'text' in body;
    let status: number;
    let text: string;
    try {
      const response = await request(this.url + path, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(tenant === undefined ? {} : { 'baton-tenant': tenant }),
          ...(body === undefined ? {} : { 'content-type': raw ? body.type : 'application/json' }),
        },
        body: raw ? body.text : body && JSON.stringify(body),
        headersTimeout: 0,
        bodyTimeout: 0,
        signal: AbortSignal.timeout(timeoutMs),
      });
      status = response.statusCode;
      text = await response.body.text();
    } catch (error) {
      if ((error as Error).name === 'TimeoutError')
        throw serviceTimeout({ url: this.url, ms: timeoutMs, method }, error);
      const { code, message } = error as NodeJS.ErrnoException;
      if (method !== 'GET' && !unsent.has(code ?? ''))
        throw serviceLost({ url: this.url, reason: code ?? message }, error);
      throw noService({ url: this.url, reason: code }, error);
    }
    return this.#read(method, status, text) as T;
  }

  #read(method: string, status: number, text: string): unknown {
    if (status === 204) return {};
    const json = parseJson(text);
    if (status >= 200 && status < 300 && typeof json === 'object' && json !== null) return json;
    const parsed = problem.safeParse(json);
    if (!parsed.success) {
      // a proxy whose patience is over
      if (method !== 'GET' && status >= 500) throw serviceLost({ url: this.url, reason: `status ${status}` });
      throw noService({ url: this.url, reason: `something else answers there, with status ${status}` });
    }
    const { code, detail, details } = parsed.data;
    throw new BatonError(code, parsed.data.status, detail, details);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkUrl(url: string): void {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalidOption({ option: '--url', reason: `"${url}" is not an http(s) URL` });
  }
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

/** A token from this machine's files is sent to this machine only. */
function isLoopback(url: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
}
