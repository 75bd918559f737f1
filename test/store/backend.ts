import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openStore, type Store } from '../../server/src/store/index.ts';
import { type Log, silentLog } from '../../server/src/telemetry/index.ts';

export interface OpenOptions {
  timeoutMs?: number;
  deadlineMs?: number;
  log?: Log;
}

/** One empty store that any number of clients may open. */
export interface Space {
  open(o?: OpenOptions): Promise<Store>;
  /** Arguments of `openStore`, for a process of its own. */
  readonly options: { kind: 'redis'; url: string; prefix: string } | { kind: 'embedded'; path: string };
}

/** The process that holds the data of a store. */
export interface Backend {
  space(): Promise<Space>;
  pause(): void;
  resume(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again at the same address, without its data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export type StartBackend = () => Promise<Backend>;

class Opened {
  readonly #stores: Store[] = [];

  async open(options: Space['options'], o: OpenOptions = {}): Promise<Store> {
    const store = await openStore({ log: silentLog, ...options, ...o });
    this.#stores.push(store);
    return store;
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.splice(0).map((store) => store.close()));
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function startRedis(port: number, dir: string, extra: string[]): Promise<ChildProcess> {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir, ...extra];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.on('error', () =>
      reject(new Error('redis-server does not start. These tests need it: apt-get install redis-server.')),
    );
    const tail: string[] = [];
    createInterface({ input: child.stdout! }).on('line', (line) => {
      tail.push(line);
      if (/Ready to accept connections/.test(line)) resolve(child);
    });
    child.on('exit', (code) =>
      reject(new Error(`redis-server ended with ${code}: ${tail.slice(-3).join(' | ')}`)),
    );
  });
}

/** A `redis-server` of its own; each space is a key prefix. @param password requires it from clients */
export async function redisBackend(password?: string): Promise<Backend & { port: number }> {
  const dir = await mkdtemp(join(tmpdir(), 'baton-redis-'));
  const port = await freePort();
  const extra = password === undefined ? [] : ['--requirepass', password];
  const auth = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  const opened = new Opened();
  let server = await startRedis(port, dir, extra);
  let spaces = 0;
  return {
    port,
    async space() {
      const prefix = `space${++spaces}:`;
      const options = { kind: 'redis', url: `redis://${auth}127.0.0.1:${port}`, prefix } as const;
      return { options, open: (o) => opened.open(options, o) };
    },
    pause: () => server.kill('SIGSTOP'),
    resume: () => server.kill('SIGCONT'),
    kill: () => end(server),
    async restart() {
      server = await startRedis(port, dir, extra);
    },
    async close() {
      await opened.close();
      await end(server);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function startEmbedded(paths: string[]): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('./serve-embedded.ts', import.meta.url));
  const child = spawn(process.execPath, ['-C', 'baton-source', '--import', 'tsx', program], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  for (const path of paths) await listen(child, path);
  return child;
}

async function listen(child: ChildProcess, path: string): Promise<void> {
  const answer = once(child, 'message');
  child.send({ path });
  const [{ error }] = (await answer) as [{ error?: string }];
  if (error) throw new Error(error);
}

/** A process like the supervisor; each space is a server of its own in it. */
export async function embeddedBackend(): Promise<Backend> {
  const dir = await mkdtemp(join(tmpdir(), 'baton-store-'));
  const paths: string[] = [];
  const opened = new Opened();
  let server = await startEmbedded(paths);
  return {
    async space() {
      const path = join(dir, `${paths.length}.sock`);
      await listen(server, path);
      paths.push(path);
      const options = { kind: 'embedded', path } as const;
      return { options, open: (o) => opened.open(options, o) };
    },
    pause: () => server.kill('SIGSTOP'),
    resume: () => server.kill('SIGCONT'),
    kill: () => end(server),
    async restart() {
      server = await startEmbedded(paths);
    },
    async close() {
      await opened.close();
      await end(server);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
