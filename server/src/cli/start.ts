import path from 'node:path';
import { type Command, Option } from 'commander';
import {
  findApp,
  type HostProgram,
  handleSignals,
  LOOPBACK,
  Supervisor,
  type SupervisorOptions,
} from '../supervisor/index.ts';
import { createLog, type Log, withoutPassword } from '../telemetry/index.ts';
import { examples } from './operate.ts';
import { addressRanges, coalesceMs, wholeNumber } from './options.ts';
import { Screen } from './screen.ts';

const LOOPBACK_ALLOWED = `This is development: functions may be on this machine (${LOOPBACK.join(', ')}).`;

interface StartOptions {
  hosts: number;
  port: number;
  redis?: string;
  host?: string;
  runtimeDir?: string;
  mappings?: string;
  allowEndpoints?: string[];
  trustProxy?: string[];
  coalesce: number;
  dev?: true;
  origin?: string;
  plain?: boolean;
  json?: boolean;
}

/** @param hostProgram what runs as a host; default: Baton's own */
export function registerStart(program: Command, hostProgram?: HostProgram): void {
  program
    .command('start [app]')
    .description('run an app: the default export of its file is defineServer(...) or config(...)')
    .addOption(
      new Option('--hosts <n>', 'host processes').env('BATON_HOSTS').argParser(wholeNumber).default(2),
    )
    .addOption(
      new Option('-p, --port <port>', 'port to listen on, 0 = any free one')
        .env('BATON_PORT')
        .argParser(wholeNumber)
        .default(2567),
    )
    .addOption(
      new Option('--redis <url>', 'shared store; without it an embedded one is used').env('BATON_REDIS_URL'),
    )
    .option('--host <address>', 'IP address to listen on (default: all)')
    .option('--runtime-dir <dir>', 'directory for sockets and the service file')
    .option('--mappings <file>', 'file with function mappings')
    .addOption(
      new Option(
        '--allow-endpoints <cidr>',
        'range of addresses that are not public and where functions may be all the same; can be repeated ' +
          '(default: loopback in development, else none)',
      )
        .env('BATON_ALLOW_ENDPOINTS')
        .argParser(addressRanges),
    )
    .addOption(
      new Option(
        '--trust-proxy <cidr>',
        'range of addresses of proxies that say where clients are, by X-Real-IP or X-Forwarded-For; can be repeated ' +
          '(default: none)',
      )
        .env('BATON_TRUST_PROXY')
        .argParser(addressRanges),
    )
    .addOption(
      new Option(
        '--coalesce <ms>',
        'by how much messages may come later while a host is woken for single ones more than 2,000 times a second; ' +
          '0 = not at all',
      )
        .env('BATON_COALESCE')
        .argParser(coalesceMs)
        .default(1),
    )
    .option(
      '--dev',
      'development, which is what a service without --redis is: tenants that do not say how tokens are verified take ' +
        'any as the name of its player',
    )
    .addOption(
      new Option(
        '--origin <name>',
        "DNS name under which functions are asked whether they want calls (default: the machine's name)",
      ).env('BATON_ORIGIN'),
    )
    .option('--plain', 'log lines only, no live view')
    .option('--json', 'print one JSON object when the service is ready; the log goes to standard error')
    .addHelpText(
      'after',
      `${examples(
        'baton start',
        'baton start src/app.config.ts --hosts 4 --port 2567',
        'baton start --redis redis://127.0.0.1:6379',
      )}

Without [app]: the first of app.config.* and src/app.config.*.
Signals: SIGINT or SIGTERM ends the service gracefully, a second one at once; SIGHUP reloads.
The control API's token is BATON_CONTROL_TOKEN, or a random one kept in the service file.`,
    )
    .action((app: string | undefined, options: StartOptions, command: Command) =>
      start(app, options, hostProgram, command.getOptionValueSource('redis') === 'cli'),
    );
}

async function start(
  given: string | undefined,
  options: StartOptions,
  program?: HostProgram,
  redisIsArgument = false,
): Promise<void> {
  const screen = new Screen({ json: options.json === true, plain: options.plain === true });
  const log = createLog({ name: 'supervisor', format: screen.format, write: (line) => screen.log(line) });
  if (redisIsArgument && options.redis !== withoutPassword(options.redis!)) {
    // Takes the place of the arguments; those of npx or a shell around this process remain.
    process.title = 'baton start';
    log.warn('a password in --redis can be read by every user of this machine; use BATON_REDIS_URL');
  }
  const starting = new AbortController();
  let supervisor: Supervisor | undefined;
  let exitCode = 0;
  const release = handleSignals({
    stop: (signal) => {
      log.info({ signal }, 'stopping');
      starting.abort();
      void supervisor?.stop();
    },
    armed: () => log.info('press Ctrl-C again to stop at once'),
    kill: (signal) => {
      log.warn({ signal }, 'stopping at once');
      exitCode = signal === 'SIGINT' ? 130 : 143;
      void supervisor?.kill();
    },
    reload: () => reload(supervisor, log),
  });
  try {
    supervisor = await Supervisor.start(
      { ...supervisorOptions(given, options, screen, log), program },
      starting.signal,
    );
    screen.open(supervisor);
    const development = options.dev ?? options.redis === undefined;
    if (options.mappings !== undefined && development && options.allowEndpoints === undefined)
      log.info(LOOPBACK_ALLOWED);
    const dashboard = `${supervisor.url}/dashboard/`;
    if (development && process.stdout.isTTY && !options.json)
      screen.log(`dashboard: ${dashboard}${tokenOf(supervisor)}\n`);
    else log.info(`dashboard: ${dashboard}`);
    await supervisor.closed;
  } catch (error) {
    if (!starting.signal.aborted) throw error;
  } finally {
    screen.close();
    release();
  }
  process.exitCode = exitCode;
}

/** For the link on a terminal, when the token is this run's own: it is not to be in logs. */
function tokenOf({ token }: Supervisor): string {
  const own = process.env['BATON_CONTROL_TOKEN'] === undefined;
  return own ? `#token=${encodeURIComponent(token)}` : '';
}

function supervisorOptions(
  given: string | undefined,
  options: StartOptions,
  screen: Screen,
  log: Log,
): SupervisorOptions {
  return {
    app: findApp(given),
    hosts: options.hosts,
    port: options.port,
    host: options.host,
    store: options.redis === undefined ? { kind: 'embedded' } : { kind: 'redis', url: options.redis },
    runtimeDir: options.runtimeDir,
    mappings: options.mappings === undefined ? undefined : path.resolve(options.mappings),
    development: options.dev,
    origin: options.origin,
    allowEndpoints: options.allowEndpoints,
    trustProxy: options.trustProxy,
    coalesce: options.coalesce,
    log,
    onLine: (line) => screen.hostLine(line),
    onChange: () => screen.changed(),
  };
}

function reload(supervisor: Supervisor | undefined, log: Log): void {
  if (supervisor === undefined) log.warn('not started yet: nothing to reload');
  else supervisor.reload().catch((error: Error) => log.error(error.message));
}
