// The servers that are measured against each other.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Child } from './child.ts';
import { MeasuredHost } from './service.ts';

/** A server process that tells its `cpu` and `memory`. */
export interface Measured {
  call<T>(method: string): Promise<T>;
  stop(): Promise<void>;
}

export interface Subject {
  name: string;
  dialect: 'colyseus' | 'raw';
  /** Whose function links two and two; without one the server does by itself. */
  mapping?: string;
  /** @param compact for memory: keep freed memory from hiding what is in use */
  start(compact?: boolean): Promise<{ server: Measured; port: number } | undefined>;
}

async function listen(server: Child): Promise<{ server: Measured; port: number }> {
  return { server, port: await server.call<number>('listen') };
}

/** A small young generation and a malloc that gives memory back, so that memory follows what is in use. */
const COMPACT = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '65536',
  MALLOC_TOP_PAD_: '0',
};
const COMPACT_FLAGS = ['--max-semi-space-size=1'];
const execArgv = ['--expose-gc', '-C', 'baton-source', '--disable-warning=ExperimentalWarning'];
const here = (file: string, name: string, dialect: Subject['dialect']): Subject => ({
  name,
  dialect,
  start: (compact) =>
    listen(
      new Child(
        file,
        compact
          ? { execArgv: [...COMPACT_FLAGS, ...execArgv], env: { ...process.env, ...COMPACT } }
          : { execArgv },
      ),
    ),
});

/** Node 20 of this machine: the newest whose ABI µWebSockets' package has binaries for. */
function node20(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return [process.env.BATON_BENCH_NODE20 ?? '', ...folders]
    .filter((path) => path && existsSync(path))
    .find((path) => spawnSync(path, ['-v'], { encoding: 'utf8', timeout: 5000 }).stdout?.startsWith('v20.'));
}

export const uws: Subject = {
  name: 'uws',
  dialect: 'raw',
  async start() {
    const execPath = node20();
    if (!execPath) {
      console.error('uws: absent (its binary needs Node 20; set BATON_BENCH_NODE20 to one)');
      return undefined;
    }
    const server = new Child('servers/uws.mjs', { execPath, execArgv: ['--expose-gc'] });
    try {
      if (await server.call<boolean>('loaded')) return await listen(server);
      throw new Error('no binary for this platform');
    } catch (error) {
      console.error(`uws: absent (${(error as Error).message.split('\n')[0]})`);
      await server.stop();
      return undefined;
    }
  },
};

/** A host as `baton start --hosts 1` runs it, on the embedded store. */
export const baton: Subject = {
  name: 'baton',
  dialect: 'colyseus',
  async start(compact) {
    const flags = ['--expose-gc', ...(compact ? COMPACT_FLAGS : [])];
    const server = await MeasuredHost.start(flags, compact ? COMPACT : {});
    return { server, port: server.port };
  },
};
export const startFunctions = async () => {
  const functions = new Child('servers/functions.ts', { execArgv });
  return { functions, url: `http://127.0.0.1:${await functions.call<number>('listen')}` };
};
/** The same host with mappings, whose functions are at `url`. */
export function hostWithMappings(url: string, compact?: boolean, coalesce?: number): Promise<MeasuredHost> {
  const flags = ['--expose-gc', ...(compact ? COMPACT_FLAGS : [])];
  const env = { ...(compact ? COMPACT : {}), BATON_BENCH_FUNCTIONS: url };
  return MeasuredHost.start(flags, env, 'apps/mappings.config.ts', coalesce);
}
/** The same with functions in a process beside it. */
const linked = (name: string, coalesce?: number): Subject => ({
  name,
  dialect: 'raw',
  mapping: 'pairs',
  async start(compact) {
    const { functions, url } = await startFunctions();
    const server = await hostWithMappings(url, compact, coalesce);
    const stop = async () => {
      await server.stop();
      await functions.stop();
    };
    return { server: { call: (method) => server.call(method), stop }, port: server.port };
  },
});
export const batonSockets = linked('baton');
/** The same, which reads each message at once however often it is woken. */
export const atOnceSockets = linked('baton at once', 0);
/** A WebSocket server that calls a function for each message, and no more than that. */
export async function naiveCaller(url: string): Promise<{ server: Child; port: number }> {
  const server = new Child('servers/ws-calls.ts', { execArgv });
  return { server, port: await server.call<number>('listen', { url }) };
}
export const colyseus = here('servers/colyseus.ts', 'colyseus', 'colyseus');
export const ws = here('servers/ws.ts', 'ws', 'raw');
export const everyone: Subject[] = [baton, colyseus, ws, uws];
