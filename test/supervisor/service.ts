// Starts services for tests: the supervisor is the real one, its hosts run fixtures/host.ts.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  type HostProgram,
  type HostStatus,
  Supervisor,
  type SupervisorOptions,
} from '../../server/src/supervisor/index.ts';
import { createLog } from '../../server/src/telemetry/index.ts';
import type { AppBehaviour } from './fixtures/host.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
export const nodeArgs = ['-C', 'baton-source', '--import', tsx];
export const fixtureProgram: HostProgram = {
  entry: path.join(here, 'fixtures', 'host.ts'),
  nodeArgs,
  env: {},
};

const cleanups: (() => unknown)[] = [];

/** Run at the end of the test, the latest first. */
export function atEnd(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

/** A directory of its own, short enough for Unix sockets. */
export function tempDir(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bt-'));
  atEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function writeApp(dir: string, behaviour: AppBehaviour | string): string {
  const file = path.join(dir, 'app.config.mjs');
  const code = typeof behaviour === 'string' ? behaviour : `export default ${JSON.stringify(behaviour)};`;
  fs.writeFileSync(file, `${code}\n`);
  return file;
}

export class TestService {
  supervisor!: Supervisor;
  readonly dir: string;
  /** What the supervisor logged, as objects. */
  readonly logged: Record<string, unknown>[] = [];
  /** What the hosts wrote. */
  readonly lines: string[] = [];
  readonly #watchers = new Set<() => void>();

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async start(
    behaviour: AppBehaviour | string,
    options: Partial<SupervisorOptions> = {},
  ): Promise<TestService> {
    const service = new TestService(tempDir());
    const changed = () => {
      for (const watcher of [...service.#watchers]) watcher();
    };
    service.supervisor = await Supervisor.start({
      app: writeApp(service.dir, behaviour),
      port: 0,
      host: '127.0.0.1',
      runtimeDir: path.join(service.dir, 'run'),
      program: fixtureProgram,
      onChange: changed,
      onLine: ({ label, text }) => {
        service.lines.push(`${label} | ${text}`);
        changed();
      },
      log: createLog({
        format: 'json',
        level: 'debug',
        write: (line) => {
          service.logged.push(JSON.parse(line));
          changed();
        },
      }),
      ...options,
      timing: { backoff: 50, stop: 3000, lingerEvery: 50, ...options.timing },
    });
    atEnd(() => service.supervisor.kill());
    return service;
  }

  get hosts(): HostStatus[] {
    return this.supervisor.hosts();
  }

  /** Resolves once `condition` holds; it is asked after each change of a host, line or log record. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        if (!condition()) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
      watcher();
    });
  }

  async get(url = '/'): Promise<any> {
    return await (await this.fetch(url)).json();
  }

  async post(url: string, body?: object): Promise<any> {
    const response = await this.fetch(url, {
      method: 'POST',
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return await response.json();
  }

  fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = {
      authorization: `Bearer ${this.supervisor.token}`,
      connection: 'close',
      'content-type': 'application/json',
    };
    return fetch(this.supervisor.url + url, { headers, ...init });
  }

  /** Ids of the hosts that answered `count` requests. */
  async answering(count = 60): Promise<string[]> {
    const ids = new Set<string>();
    for (let n = 0; n < count; n++) ids.add((await this.get()).id);
    return [...ids].sort();
  }
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
