import { type Logger, pino, stdTimeFunctions } from 'pino';
import { formatPretty } from './pretty.ts';

/** A pino logger: `log.info({ roomId }, 'moved')`, `log.child({ host: 'h1' })`. */
export type Log = Logger;
export type LogFormat = 'json' | 'pretty';

export interface LogOptions {
  /** Names the part of the service: `supervisor`, `host`, … */
  name?: string;
  /** `trace` … `fatal` or `silent`; default: `BATON_LOG`, else `info`. */
  level?: string;
  /** Default: `BATON_LOG_FORMAT`, else `pretty` on a terminal and `json` elsewhere. */
  format?: LogFormat;
  /** Gets whole lines, each ending with a newline. Default: standard output. */
  write?: (line: string) => void;
  /** Fields of every line. */
  bindings?: Record<string, unknown>;
}

const levels = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);

const secrets = [
  'token',
  'controlToken',
  'metricsToken',
  'reconnectionToken',
  'authorization',
  'password',
  'secret',
  'cookie',
];
/** pino's wildcards match one level each, hence the three depths. */
const redact = secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** Makes the log of one process. Unknown levels and formats fall back to the default. */
export function createLog(options: LogOptions = {}): Log {
  const level = options.level ?? process.env['BATON_LOG'] ?? 'info';
  const format = options.format ?? process.env['BATON_LOG_FORMAT'];
  const pretty = format === 'pretty' || (format !== 'json' && process.stdout.isTTY === true);
  const write = options.write ?? writeToStdout;
  return pino(
    {
      level: levels.has(level) ? level : 'info',
      base: { ...(options.name ? { name: options.name } : {}), ...options.bindings },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redact, censor: '[redacted]' },
    },
    { write: pretty ? (line: string) => write(formatPretty(line)) : write },
  );
}

function writeToStdout(line: string): void {
  process.stdout.write(line);
}

/** A log that drops everything. */
export const silentLog: Log = pino({ level: 'silent' });

/**
 * Keeps a process alive when the reader of its output goes away: a host outlives its supervisor, a supervisor its
 * terminal, and the next line it prints would end it with EPIPE.
 */
export function tolerateBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

/** A URL as it may be logged: without the password (and any user name beside it). */
export function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password === '' && parsed.username === '') return url;
    parsed.username = '';
    parsed.password = '';
    return parsed.href;
  } catch {
    return '(not a URL)';
  }
}
