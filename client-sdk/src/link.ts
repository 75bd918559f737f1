// One WebSocket, from its handshake on. A socket has one at a time, and several in its life.
import { abortedBy, clientError, SocketError } from './errors.ts';
import { PROTOCOL, read, type ServiceEvent, type Wire } from './wire.ts';

/** What of WebSocket is used: the browser's, Node's, React Native's, or that of the package `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

export interface Dial {
  WebSocket: WebSocketClass;
  url: string;
  protocols: string[];
  /** The event by which the service says that it has begun. */
  expects: 'open' | 'resumed';
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** A connection that ended without anybody saying so. */
export const LOST = 1006;
/** Said to the service: the connection is of no use any more, another one follows. */
const RESUMING = 4022;
/** Said when an opening is given up, or a socket is closed. */
export const CONSENTED = 4000;
const OPEN = 1;

/** Bytes come as Uint8Array. */
export interface Listener {
  data(data: Wire): void;
  event(event: ServiceEvent): void;
  closed(code: number, reason: string): void;
}

export class Link {
  private readonly socket: WebSocketLike;
  private listener: Listener | undefined;
  /** What was heard before anybody listened. */
  private early: ((listener: Listener) => void)[] = [];
  private over = false;

  private constructor(socket: WebSocketLike) {
    this.socket = socket;
  }

  /**
   * @returns the connection, and the event with which the service has begun
   * @throws SocketError with the service's code, BATON_UNREACHABLE; the signal's reason
   */
  static dial(dial: Dial): Promise<{ link: Link; begun: ServiceEvent }> {
    const { WebSocket, url, protocols, expects, timeoutMs, signal } = dial;
    return new Promise((resolve, reject) => {
      let socket: WebSocketLike;
      try {
        socket = new WebSocket(url, protocols);
      } catch (cause) {
        reject(clientError('BATON_INVALID_URL', { url: bare(url) }, { cause }));
        return;
      }
      socket.binaryType = 'arraybuffer';
      const link = new Link(socket);
      let refusal: SocketError | undefined;
      const done = (settle: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        settle();
      };
      const giveUp = (why: unknown, code: number) => {
        link.drop(code);
        done(() => reject(why));
      };
      const late = () => giveUp(clientError('BATON_UNREACHABLE', { url: bare(url) }), RESUMING);
      const abort = () => giveUp(abortedBy(signal!), CONSENTED);
      const timer = setTimeout(late, timeoutMs);
      signal?.addEventListener('abort', abort);
      socket.onopen = () => {
        if (socket.protocol !== PROTOCOL) giveUp(older(bare(url)), CONSENTED);
      };
      link.listener = {
        data: () => {},
        event: (event) => {
          if (event.event === 'error')
            refusal = new SocketError(String(event['code']), String(event['message']));
          if (event.event !== expects) return;
          link.listener = undefined;
          done(() => resolve({ link, begun: event }));
        },
        closed: (code, reason) => done(() => reject(whyNot(bare(url), refusal, code, reason))),
      };
      link.listen();
    });
  }

  /** Whoever takes over from here on; hears what was not heard yet. */
  take(listener: Listener): void {
    this.listener = listener;
    for (const tell of this.early.splice(0)) tell(listener);
  }

  send(data: Wire): void {
    if (!this.over && this.socket.readyState === OPEN) this.socket.send(data);
  }

  /** Says goodbye; `closed` follows. */
  close(code: number = CONSENTED): void {
    this.socket.close(code);
  }

  /** Nothing of it is heard from now on. */
  drop(code: number = RESUMING): void {
    this.over = true;
    this.listener = undefined;
    this.early = [];
    try {
      this.socket.close(code);
    } catch {
      // one that is not there yet, in some environments
    }
  }

  private listen(): void {
    const { socket } = this;
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      if (typeof data !== 'string') this.tell((listener) => listener.data(new Uint8Array(data)));
      else {
        const said = read(data);
        this.tell((listener) => (typeof said === 'string' ? listener.data(said) : listener.event(said)));
      }
    };
    socket.onerror = () => {}; // `close` follows
    socket.onclose = ({ code, reason }: { code?: number; reason?: string }) => {
      this.tell((listener) => {
        this.over = true;
        listener.closed(code ?? LOST, reason ?? '');
      });
    };
  }

  private tell(what: (listener: Listener) => void): void {
    if (this.over) return;
    if (this.listener) what(this.listener);
    else this.early.push(what);
  }
}

/** Without what stands behind `?`: options of the player, and tokens that browsers cannot send otherwise. */
const bare = (url: string): string => url.split('?', 1)[0]!;

/** A service that knows the protocol says by itself which other one it would need. */
const older = (url: string): SocketError =>
  new SocketError(
    'BATON_PROTOCOL_UNSUPPORTED',
    `The service at ${url} does not speak ${PROTOCOL}: update the service, or use an older @baton/client.`,
  );

function whyNot(url: string, refusal: SocketError | undefined, code: number, reason: string): SocketError {
  if (refusal) return new SocketError(refusal.code, refusal.message, code);
  if (code >= 4000 && code < 5000) return clientError('BATON_REFUSED', { reason }, { status: code });
  return clientError('BATON_UNREACHABLE', { url }, { status: code });
}
