// Services as `baton start` runs them: two hosts for the benches that move rooms, one to measure.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ServiceClient } from '../server/src/cli/service-client.ts';

/** What users install; with --quick the sources, so that nothing has to be built. */
const program: string = process.env['BATON_BENCH_BUILT']
  ? '../server/dist/supervisor/index.js'
  : '../server/src/supervisor/index.ts';
const { hostProgram, Supervisor }: typeof import('../server/src/supervisor/index.ts') = await import(program);

export interface BenchService {
  port: number;
  api: ServiceClient;
  close(): Promise<void>;
}

interface HostOptions {
  app: string;
  hosts: number;
  nodeArgs?: string[];
  env?: Record<string, string>;
  /** File with function mappings. */
  mappings?: string | undefined;
  /** As `baton start --coalesce`. */
  coalesce?: number | undefined;
}

async function start(
  runtimeDir: string,
  { app: file, hosts, nodeArgs = [], env, mappings, coalesce }: HostOptions,
): Promise<BenchService> {
  const app = fileURLToPath(new URL(file, import.meta.url));
  const host = hostProgram(app, runtimeDir);
  const supervisor = await Supervisor.start({
    app,
    hosts,
    port: 0,
    host: '127.0.0.1',
    runtimeDir,
    ...(coalesce === undefined ? {} : { coalesce }),
    ...(mappings ? { mappings: fileURLToPath(new URL(mappings, import.meta.url)) } : {}),
    program: {
      ...host,
      nodeArgs: [...host.nodeArgs, ...nodeArgs],
      env: { ...host.env, ...env },
    },
    onLine: ({ label, stream, text }) => stream === 'stderr' && console.error(`${label} ${text}`),
  });
  const end = () => void supervisor.kill().finally(() => process.exit(130));
  process.once('SIGINT', end).once('SIGTERM', end);
  return {
    port: supervisor.port,
    api: new ServiceClient(supervisor.url, supervisor.token),
    async close() {
      process.off('SIGINT', end).off('SIGTERM', end);
      await supervisor.kill();
      await rm(runtimeDir, { recursive: true, force: true });
    },
  };
}

const newDir = () => mkdtemp(join(tmpdir(), 'baton-bench-'));

export async function startService(env: Record<string, string> = {}): Promise<BenchService> {
  return start(await newDir(), { app: 'apps/rooms.config.ts', hosts: 2, env });
}

/** A host process and calls to the meter inside it. */
export class MeasuredHost {
  readonly port: number;
  readonly #service: BenchService;
  readonly #meter: string;

  private constructor(service: BenchService, meter: string) {
    this.port = service.port;
    this.#service = service;
    this.#meter = meter;
  }

  static async start(
    nodeArgs: string[],
    env: Record<string, string>,
    mappings?: string,
    coalesce?: number,
  ): Promise<MeasuredHost> {
    const dir = await newDir();
    const meter = join(dir, 'meter.sock');
    const host = { app: 'apps/pairs.config.ts', hosts: 1, nodeArgs, mappings, coalesce };
    return new MeasuredHost(await start(dir, { ...host, env: { ...env, BATON_BENCH_METER: meter } }), meter);
  }

  async call<T>(method: string): Promise<T> {
    const socket = connect(this.#meter).setTimeout(60_000, () =>
      socket.destroy(new Error(`${method}: no answer`)),
    );
    socket.write(method);
    return JSON.parse(await text(socket));
  }

  stop(): Promise<void> {
    return this.#service.close();
  }
}
