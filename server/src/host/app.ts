// Loading a stock Colyseus app: its Server gets Baton's transport, presence and driver as if it had asked for them.
import { pathToFileURL } from 'node:url';
import {
  defineServer,
  type MatchMakerDriver,
  matchMaker,
  type Presence,
  Server,
  type ServerOptions,
  type Transport,
} from '@colyseus/core';
import { serverInternals, serverPrototype, transportInternals } from '../colyseus/server-internals.ts';
import { appFailed, appInvalid, BatonError } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import { BatonTransport, type BatonTransportOptions } from '../transport/index.ts';
import { within } from '../within.ts';
import { shareModules } from './shared-modules.ts';

export interface AppServices {
  presence: Presence;
  driver: MatchMakerDriver;
  selectProcessIdToCreateRoom: (roomName: string, options: unknown) => Promise<string>;
  /** Makes the transport; `options` are those of the app's own transport, if it brought one. */
  transport: (options: BatonTransportOptions) => BatonTransport;
  log: Log;
}

export interface LoadedApp {
  server: Server;
  transport: BatonTransport;
  /** Runs what the app wants done before listening, then listens. */
  listen(port: number): Promise<void>;
}

/** The shape of `config({...})` of @colyseus/tools. */
interface ToolsConfig {
  options?: ServerOptions;
  rooms?: Record<string, never>;
  routes?: never;
  initializeTransport?: (options: object) => Transport | Promise<Transport>;
  initializeExpress?: ServerOptions['express'];
  initializeGameServer?: (server: Server) => void | Promise<void>;
  beforeListen?: () => void | Promise<void>;
}

const TOOLS_KEYS = [
  'options',
  'rooms',
  'routes',
  'initializeTransport',
  'initializeExpress',
  'initializeGameServer',
  'beforeListen',
  'displayLogs',
];

/** Options of its default transport that an app may give to its Server directly. */
const TRANSPORT_KEYS = ['server', 'pingInterval', 'pingMaxRetries', 'maxPayload', 'beforeUpgrade'] as const;
/** An app without a default export must call listen() within this time. */
const LISTEN_WAIT_MS = 10_000;

/**
 * @param path absolute path of the app: a file whose default export is defineServer(...) or config(...), or one that
 *   makes a Server and calls its listen(), whose port is then the service's
 * @throws BATON_APP_FAILED when the file throws, BATON_APP_INVALID when it is something else
 */
export async function loadApp(path: string, services: AppServices): Promise<LoadedApp> {
  let transport: BatonTransport | undefined;
  const provide = (options: ServerOptions) =>
    (transport ??= services.transport({
      ...pick(options as Record<string, unknown>),
      ...optionsOf(options.transport, services.log),
    }));
  shareModules();
  const { listen, listened } = takeOverServers(services, provide);
  const exported = await importDefault(path);
  if (isToolsConfig(exported)) return fromTools(exported, listen, provide);
  const waits = exported === undefined ? within(LISTEN_WAIT_MS, listened) : undefined;
  const server = exported instanceof Server ? exported : await waits;
  if (!server) throw appInvalid({ path, found: describe(exported) });
  return { server, transport: transport!, listen: (port) => listen(server, port) };
}

/** Every Server of this process runs on Baton, and listens when the host is ready for it. */
function takeOverServers(services: AppServices, provide: (options: ServerOptions) => BatonTransport) {
  const proto = serverPrototype();
  const { bootRuntime, listen } = proto;
  proto.bootRuntime = function (this: Server) {
    Object.assign(this.options, {
      transport: provide(this.options),
      presence: services.presence,
      driver: services.driver,
      selectProcessIdToCreateRoom:
        this.options.selectProcessIdToCreateRoom ?? services.selectProcessIdToCreateRoom,
      gracefullyShutdown: false, // signals are the supervisor's
      greet: false,
    });
    serverInternals(this).greet = false;
    bootRuntime.call(this);
  };
  const listened = new Promise<Server>((resolve) => {
    proto.listen = async function (this: Server) {
      resolve(this);
    };
  });
  return { listened, listen: (server: Server, port: number) => listen.call(server, port) };
}

function pick(options: Record<string, unknown>): BatonTransportOptions {
  return Object.fromEntries(
    TRANSPORT_KEYS.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]),
  );
}

async function importDefault(path: string): Promise<unknown> {
  try {
    const module = await import(pathToFileURL(path).href);
    // a CommonJS app seen through the loader has its default one level down
    const exported = module.default;
    return exported && typeof exported === 'object' && exported.__esModule ? exported.default : exported;
  } catch (error) {
    if (error instanceof BatonError) throw error;
    throw appFailed({ path, reason: error instanceof Error ? error.message : String(error) }, error);
  }
}

async function fromTools(
  config: ToolsConfig,
  listen: (server: Server, port: number) => Promise<void>,
  provide: (options: ServerOptions) => BatonTransport,
): Promise<LoadedApp> {
  const own = config.initializeTransport ? await config.initializeTransport({}) : config.options?.transport;
  const transport = provide({ ...config.options, ...(own ? { transport: own } : {}) });
  const server = defineServer({
    rooms: config.rooms ?? {},
    ...(config.routes ? { routes: config.routes } : {}),
    ...config.options,
    ...(config.initializeExpress ? { express: config.initializeExpress } : {}),
    transport,
  } as Parameters<typeof defineServer>[0]) as unknown as Server;
  return {
    server,
    transport,
    async listen(port) {
      await config.initializeGameServer?.(server);
      await matchMaker.onReady;
      await config.beforeListen?.();
      await listen(server, port);
    },
  };
}

function isToolsConfig(value: unknown): value is ToolsConfig {
  if (value === null || typeof value !== 'object') return false;
  const keys = Object.keys(value);
  return (
    keys.length > 0 &&
    keys.every((key) => TOOLS_KEYS.includes(key)) &&
    ('rooms' in value || 'initializeGameServer' in value)
  );
}

type Given<K extends keyof BatonTransportOptions> = NonNullable<BatonTransportOptions[K]>;

/** Options that an app gave to its own WebSocketTransport hold for Baton's, too. */
function optionsOf(own: unknown, log: Log): BatonTransportOptions {
  if (!own) return {};
  if (own instanceof BatonTransport) return own['settings'];
  const ws = transportInternals(own as Transport);
  log.info(
    `${(own as object).constructor.name} of the app is replaced by BatonTransport with the same options`,
  );
  const { maxPayload, handleProtocols, verifyClient } = ws.wss?.options ?? {};
  ws.server?.removeAllListeners('upgrade');
  ws.server?.removeAllListeners('listening');
  return {
    ...(ws.pingIntervalMS === undefined ? {} : { pingInterval: ws.pingIntervalMS }),
    ...(ws.pingMaxRetries === undefined ? {} : { pingMaxRetries: ws.pingMaxRetries }),
    ...(ws._beforeUpgrade ? { beforeUpgrade: ws._beforeUpgrade as Given<'beforeUpgrade'> } : {}),
    ...(maxPayload === undefined ? {} : { maxPayload }),
    ...(handleProtocols ? { handleProtocols: handleProtocols as Given<'handleProtocols'> } : {}),
    ...(verifyClient ? { verifyClient: verifyClient as Given<'verifyClient'> } : {}),
    ...(ws.server ? { server: ws.server } : {}),
  };
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value !== 'object') return `a ${typeof value}`;
  const keys = Object.keys(value);
  return keys.length === 0 ? 'an empty object' : `an object with ${keys.slice(0, 5).join(', ')}`;
}
