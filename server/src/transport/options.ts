// Options of the transport, and what they are when left out.

import type { Server as HttpServer, IncomingMessage } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import type { BeforeUpgradeHandler } from '@colyseus/core';
import { invalidOption } from '../errors.ts';
import type { SlowReaderPolicy } from './endpoint.ts';
import type { HeaderRecord } from './handshake.ts';

/** What `verifyClient` is told, as by `ws`. */
export interface ClientInfo {
  /** The Origin header; undefined when there is none. */
  origin: string | undefined;
  /** Always false: TLS ends in front. */
  secure: boolean;
  req: IncomingMessage;
}

/** The answer of a `verifyClient` that takes its time. @param code HTTP status of the refusal, 401 by default */
export type Verdict = (
  allow: boolean,
  code?: number,
  message?: string,
  headers?: Record<string, string>,
) => void;

/** With one parameter it returns its answer, with two it calls back, as in `ws`. */
export type VerifyClient = ((info: ClientInfo) => boolean) | ((info: ClientInfo, verdict: Verdict) => void);

export interface BatonTransportOptions {
  /** HTTP server to use; one is made when left out. */
  server?: HttpServer;
  /** Makes no HTTP server: `attachToServer` brings one. */
  noServer?: boolean;
  /** Descriptor of a listening socket to accept on; `listen` then ignores port and host name. */
  listenFd?: number;
  /** Milliseconds between pings; 0 for none. Default 3000. */
  pingInterval?: number;
  /** Unanswered pings after which a connection is ended; 0 for never. Default 2. */
  pingMaxRetries?: number;
  /** Bytes of a message; a larger one closes with 1009. Default 4096. */
  maxPayload?: number;
  /** Frames of a message; more close with 1008. Default 1024. */
  maxFragments?: number;
  /** Bytes that may wait for a client that reads slowly, before `slowReader` applies. Default 4 MiB. */
  maxBufferedOutput?: number;
  /** What happens to such a client. Default `close`, which is 1013. */
  slowReader?: SlowReaderPolicy;
  /** Milliseconds the closing handshake may take. Default 30000. */
  closeTimeout?: number;
  /** Milliseconds until an upgrade must be answered: `beforeUpgrade` and the way to the room. Default 30000. */
  upgradeTimeout?: number;
  /** Milliseconds a connection may take to send a request's header, then 408. Default 20000. */
  headersTimeout?: number;
  /** Bytes of a request's header; a larger one is answered with 431. Default 16384. */
  maxHeaderSize?: number;
  /**
   * Origins whose pages may connect (`https://game.example`); others get 403. All may when left out. A request
   * without Origin is not from a page, and passes.
   */
  allowedOrigins?: readonly (string | RegExp)[];
  /** As in `ws`: lets an upgrade pass or refuses it, after `allowedOrigins` and before `beforeUpgrade`. */
  verifyClient?: VerifyClient;
  /** Answers an upgrade with the `Response` it returns, or lets it pass. */
  beforeUpgrade?: BeforeUpgradeHandler;
  /** Picks one of the sub-protocols the client offers, or none. By default the first. */
  handleProtocols?: (
    protocols: Set<string>,
    request: { url: string; headers: HeaderRecord },
  ) => string | false;
  /**
   * Milliseconds by which messages may come later while a host is woken for single ones more than 2,000 times a second:
   * it then reads, and answers, those of each such while together. 0 for never. Default 1.
   */
  coalesce?: number;
  /**
   * CIDR ranges of proxies that are believed where clients are, by X-Real-IP or X-Forwarded-For; such headers of others are
   * taken away. Everybody is believed when left out, as by Colyseus' own transport.
   */
  trustProxy?: readonly string[];
  /** Accepted for `ws`' sake and without effect: compression keeps state that cannot move. */
  perMessageDeflate?: unknown;
}

const DEFAULTS = {
  pingInterval: 3_000,
  pingMaxRetries: 2,
  maxPayload: 4 * 1024,
  maxFragments: 1_024,
  maxBufferedOutput: 4 * 1024 * 1024,
  slowReader: 'close' as SlowReaderPolicy,
  closeTimeout: 30_000,
  upgradeTimeout: 30_000,
  headersTimeout: 20_000,
  maxHeaderSize: 16 * 1024,
  coalesce: 1,
};

export type Settings = BatonTransportOptions & Required<Pick<BatonTransportOptions, keyof typeof DEFAULTS>>;

/** @throws invalidOption */
export function settingsOf(options: BatonTransportOptions): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: Settings = { ...DEFAULTS, ...given };
  for (const [option, fallback] of Object.entries(DEFAULTS)) {
    const value = settings[option as keyof Settings];
    if (typeof fallback === 'number' && !(Number.isSafeInteger(value) && (value as number) >= 0)) {
      throw invalidOption({ option, reason: `expected a whole number from 0 on, not ${String(value)}` });
    }
  }
  if (settings.server) refuseTls(settings.server);
  if (settings.slowReader !== 'close' && settings.slowReader !== 'terminate') {
    throw invalidOption({ option: 'slowReader', reason: "expected 'close' or 'terminate'" });
  }
  return settings;
}

/** @throws invalidOption for a server whose connections are encrypted: what is read of them is not what was sent */
export function refuseTls(server: object): void {
  if (server instanceof TlsServer) {
    throw invalidOption({ option: 'server', reason: 'TLS must end in front of it; pass an http.Server' });
  }
}

/** Whether `origin`, a request's Origin header, may connect. */
export function originAllowed(
  allowed: readonly (string | RegExp)[] | undefined,
  origin: string | undefined,
): boolean {
  if (allowed === undefined || origin === undefined) return true;
  // `test` of an expression with the flag g begins where the last one ended, and would refuse every other time.
  return allowed.some((entry) => (typeof entry === 'string' ? entry === origin : origin.search(entry) >= 0));
}
