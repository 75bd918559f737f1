import { randomBytes } from 'node:crypto';
import { invalidOption } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import type { HostProgram } from './host-program.ts';

/** Where hosts keep what they share; `embedded` lives in the supervisor and ends with it. */
export type StoreChoice = { kind: 'redis'; url: string; prefix?: string } | { kind: 'embedded' };

/** A line a host wrote; `label` is its id, or `new` before it has one. */
export interface HostLine {
  label: string;
  stream: 'stdout' | 'stderr';
  text: string;
}

/** Milliseconds. */
export interface Timing {
  /** Longest start of a host. */
  ready: number;
  /** A host that is silent for this long (stopped, or in an endless loop) is ended and counts as crashed. */
  hung: number;
  /** Delay before a crashed host is started again; doubles with every crash in a row up to `backoffMax`. */
  backoff: number;
  backoffMax: number;
  /** A host that ran this long crashed afresh: the delay starts over. */
  stable: number;
  /** Longest drain of one host during a reload. */
  drain: number;
  /** Longest graceful end of a host. */
  stop: number;
  /** How long a replaced host may keep rooms that could not move, and how often the move is tried again. */
  linger: number;
  lingerEvery: number;
}

export interface SupervisorOptions {
  /** Absolute path of the app file. */
  app: string;
  /** Host processes, 1 … 256. Default 2. */
  hosts?: number;
  /** 0 = any free one. Default 2567. */
  port?: number;
  /** IP address to listen on. Default: all. */
  host?: string;
  /** Default embedded. */
  store?: StoreChoice;
  /** Default `$XDG_RUNTIME_DIR/baton-<uid>/<port>`, see `defaultRuntimeBase`. */
  runtimeDir?: string;
  /** Bearer token of the control API, at least 16 characters. Default `BATON_CONTROL_TOKEN`, else random. */
  controlToken?: string;
  /** Bearer token that may read hosts, rooms and metrics only. Default `BATON_METRICS_TOKEN`, else there is none. */
  metricsToken?: string;
  /** Absolute path of the file with function mappings. */
  mappings?: string;
  /** Tokens need not be verified, and functions may be on this machine. Default: with an embedded store. */
  development?: boolean;
  /** DNS name under which endpoints are asked whether they want calls. Default: the machine's name. */
  origin?: string;
  /** CIDR ranges where functions may be although they are not public. Default: `LOOPBACK` in development. */
  allowEndpoints?: string[];
  /** CIDR ranges of proxies that say where clients are. Default: none. */
  trustProxy?: string[];
  /** Milliseconds by which messages may come later while hosts are woken for single ones all the time. Default 1. */
  coalesce?: number;
  log?: Log;
  /** Gets every line the hosts write. */
  onLine?: (line: HostLine) => void;
  /** Called after the state of any host changed. */
  onChange?: () => void;
  timing?: Partial<Timing>;
  /** The program that runs as a host; default: Baton's own. */
  program?: HostProgram;
}

export const defaultTiming: Timing = {
  ready: 60_000,
  hung: 5_000,
  backoff: 200,
  backoffMax: 15_000,
  stable: 30_000,
  drain: 60_000,
  stop: 10_000,
  linger: 600_000,
  lingerEvery: 5_000,
};

export const mostHosts = 256;

/** Where functions may be during development. */
export const LOOPBACK = ['127.0.0.0/8', '::1/128'];

/** @throws invalidOption */
export function checkOptions(options: SupervisorOptions): void {
  const { hosts = 2, port = 2567 } = options;
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > mostHosts) {
    throw invalidOption({
      option: '--hosts',
      reason: `${hosts} is not a whole number from 1 to ${mostHosts}`,
    });
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalidOption({ option: '--port', reason: `${port} is not a port number` });
  }
  if (options.store?.kind === 'redis' && !/^rediss?:\/\/[^/]/.test(options.store.url)) {
    throw invalidOption({ option: '--redis', reason: 'expected a URL like redis://127.0.0.1:6379' });
  }
}

/** @throws invalidOption when a given token is too short to be a secret, or does not fit into a header */
export function chooseToken(given = process.env['BATON_CONTROL_TOKEN']): string {
  return checkToken('BATON_CONTROL_TOKEN', given) ?? randomBytes(32).toString('base64url');
}

/** @throws invalidOption */
export function metricsToken(given = process.env['BATON_METRICS_TOKEN']): string | undefined {
  return checkToken('BATON_METRICS_TOKEN', given);
}

function checkToken(option: string, given: string | undefined): string | undefined {
  if (given === undefined || given === '') return undefined;
  if (/^[\w.~+/=-]{16,512}$/.test(given)) return given;
  throw invalidOption({
    option,
    reason: 'expected 16 to 512 letters, digits or characters of "-._~+/="',
  });
}
