import { abortedBy, clientError, SocketError } from './errors.ts';
import type { Format } from './format.ts';
import { Link, type WebSocketClass } from './link.ts';
import { BatonSocket, type Data } from './socket.ts';
import type { StandardSchema } from './standard-schema.ts';
import { Stream } from './stream.ts';
import { PROTOCOL, type ServiceEvent } from './wire.ts';

export interface BatonOptions {
  /** For environments without a WebSocket of their own, such as Node 20: the class of the package `ws`, for example. */
  WebSocket?: WebSocketClass;
  /** Whose mappings these are, on a service of several studios. */
  tenant?: string;
}

export interface OpenOptions {
  /** Who the player is. A function is asked when it is needed, and once more when the service says that it has expired. */
  token: string | (() => string | Promise<string>);
  /** Told to the mapping's open function. */
  attributes?: Record<string, unknown>;
  /** Gives up opening; a socket that opens all the same is closed again. */
  signal?: AbortSignal;
  /** How long opening may take, in ms, with the function that gets the token; default 30,000. */
  timeout?: number;
  /** Bytes that may wait for the service; default 1 MiB. */
  maxBuffered?: number;
  /** A connection on which nothing was heard for so many ms is tried, and replaced; default 10,000, 0 for never. */
  heartbeat?: number;
}

/** Text and bytes as they are, unless the game wants something else. */
export interface TextOptions extends OpenOptions {
  format?: 'text';
  schema?: undefined;
}
/** Anything that JSON can say, and bytes. */
export interface JsonOptions extends OpenOptions {
  format: 'json';
  schema?: undefined;
}
/** JSON, and bytes, each message checked. */
export interface SchemaOptions<Schema extends StandardSchema> extends OpenOptions {
  /** A Standard Schema: of Zod, Valibot, ArkType … What does not fit it is an event `error`, BATON_MESSAGE_INVALID. */
  schema: Schema;
  format?: Format;
}
type MessageOf<Schema> = Schema extends StandardSchema<infer Output> ? Output : never;

const OPEN_MS = 30_000;
const MAX_BUFFERED = 1024 * 1024;
const HEARTBEAT_MS = 10_000;
/** Of the upgrade's path: servers and proxies take heads of some KiB. */
const MAX_PATH = 8 * 1024;
const ADDRESS = /^(?:http|ws)(s?):\/\/([^\s/?#]+)((?:\/[^\s?#]*)?)$/i;
const MAPPING = /^[A-Za-z][\w-]{0,63}$/;
/** What a sub-protocol may be made of (RFC 9110 §5.6.2); other tokens go into the query. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** A Baton service, as games see it. */
export class Baton {
  private readonly address: string;
  private readonly options: BatonOptions;

  /**
   * @param url the service: `https://host`, `wss://host`, `http://localhost:2567`
   * @throws SocketError BATON_INVALID_URL
   */
  constructor(url: string, options: BatonOptions = {}) {
    const [, secure, host, path] = ADDRESS.exec(url) ?? [];
    if (host === undefined) throw clientError('BATON_INVALID_URL', { url });
    this.address = `ws${secure!.toLowerCase()}://${host}${path!.replace(/\/+$/, '')}`;
    this.options = options;
  }

  /**
   * Opens a socket on a mapping, in one round trip.
   * @throws SocketError with the service's code (BATON_MAPPING_NOT_FOUND, BATON_TOKEN_INVALID, BATON_CALL_FAILED, …),
   *   BATON_UNREACHABLE, BATON_REFUSED, BATON_PROTOCOL_UNSUPPORTED, BATON_NO_WEBSOCKET; or the signal's reason
   */
  open<Schema extends StandardSchema>(
    mapping: string,
    options: SchemaOptions<Schema>,
  ): Promise<BatonSocket<MessageOf<Schema>>>;
  open<Message = any>(mapping: string, options: JsonOptions): Promise<BatonSocket<Message>>;
  open(mapping: string, options: TextOptions): Promise<BatonSocket<Data>>;
  async open(
    mapping: string,
    // plain JavaScript may leave them out: then it is the token that is missing
    options = {} as OpenOptions & { format?: Format | undefined; schema?: StandardSchema | undefined },
  ): Promise<BatonSocket<any>> {
    const { signal, schema, format = schema ? 'json' : 'text' } = options;
    const { maxBuffered = MAX_BUFFERED, heartbeat = HEARTBEAT_MS } = options;
    if (signal?.aborted) throw abortedBy(signal);
    const WebSocket =
      this.options.WebSocket ?? (globalThis.WebSocket as unknown as WebSocketClass | undefined);
    if (!WebSocket) throw clientError('BATON_NO_WEBSOCKET');
    if (!MAPPING.test(mapping))
      throw new SocketError('BATON_MAPPING_NOT_FOUND', `"${mapping}" is no name of a mapping.`);
    const { link, begun } = await this.dial(mapping, options, WebSocket);
    return new BatonSocket(link, begun, {
      stream: new Stream(maxBuffered),
      WebSocket,
      url: `${this.address}/v1/socket/${mapping}?resume=${begun['socketId']}`,
      secret: String(begun['secret']),
      resumeMs: begun['resumeMs'] as number,
      heartbeatMs: heartbeat,
      format,
      schema,
    });
  }

  private async dial(
    mapping: string,
    options: OpenOptions,
    WebSocket: WebSocketClass,
  ): Promise<{ link: Link; begun: ServiceEvent }> {
    const { token, signal, timeout = OPEN_MS } = options;
    const until = Date.now() + timeout;
    for (let attempt = 1; ; attempt++) {
      const given = await tokenOf(token, until, signal);
      if (signal?.aborted) throw abortedBy(signal); // by the function that got the token
      const { url, protocols } = this.upgrade(mapping, given, options.attributes);
      const timeoutMs = Math.max(0, until - Date.now());
      try {
        return await Link.dial({ WebSocket, url, protocols, expects: 'open', timeoutMs, signal });
      } catch (error) {
        const expired = error instanceof SocketError && error.code === 'BATON_TOKEN_EXPIRED';
        if (!expired || typeof token !== 'function' || attempt > 1) throw error;
      }
    }
  }

  private upgrade(
    mapping: string,
    token: string,
    attributes: OpenOptions['attributes'],
  ): { url: string; protocols: string[] } {
    const { tenant } = this.options;
    const inProtocol = TOKEN.test(token);
    const query = [
      ...(attributes ? [`options=${encodeURIComponent(JSON.stringify({ attributes }))}`] : []),
      ...(tenant === undefined ? [] : [`tenant=${encodeURIComponent(tenant)}`]),
      ...(inProtocol ? [] : [`token=${encodeURIComponent(token)}`]),
    ].join('&');
    if (query.length > MAX_PATH)
      throw new SocketError(
        'BATON_INVALID_REQUEST',
        `The attributes are too long: ${query.length} bytes of a path of ${MAX_PATH}. Send them once the socket is open.`,
      );
    const url = `${this.address}/v1/socket/${mapping}${query === '' ? '' : `?${query}`}`;
    return { url, protocols: [PROTOCOL, ...(inProtocol ? [`baton.token.${token}`] : [])] };
  }
}

/** @throws BATON_TOKEN_MISSING; the signal's reason; what the game's function throws */
async function tokenOf(token: unknown, until: number, signal: AbortSignal | undefined): Promise<string> {
  const given = typeof token === 'function' ? await within(token(), until, signal) : token;
  if (typeof given === 'string' && given !== '') return given;
  throw clientError('BATON_TOKEN_MISSING', {
    found: given === '' ? 'empty' : given === null ? 'null' : typeof given,
  });
}

/** What the game's function gives, if it does so in time. */
function within(asked: unknown, until: number, signal: AbortSignal | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const late = () =>
      done(() =>
        reject(clientError('BATON_TOKEN_MISSING', { found: 'still awaited when the time is over' })),
      );
    const abort = () => done(() => reject(abortedBy(signal!)));
    const timer = setTimeout(late, until - Date.now());
    signal?.addEventListener('abort', abort);
    Promise.resolve(asked).then(
      (given) => done(() => resolve(given)),
      (error) => done(() => reject(error)),
    );
  });
}
