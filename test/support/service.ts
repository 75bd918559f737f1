// A real service for tests: `baton start` as a child process, its control API, and what to clean up.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
export const nodeArgs = ['-C', 'baton-source', '--import', tsx];
const cli = path.join(root, 'server', 'src', 'cli', 'main.ts');

export interface RoomInfo {
  roomId: string;
  name: string;
  host: string;
  epoch: number;
  clients: number;
  moves: number;
}

export interface HostInfo {
  id: string;
  pid: number;
  state: 'up' | 'standby' | 'draining';
  generation: number;
  rooms: number;
  clients: number;
}

export interface MoveInfo {
  roomId: string;
  from: string;
  to: string;
  epoch: number;
  clients: number;
  bytes: number;
  blackoutMs: number;
}

export interface ServiceOptions {
  hosts?: number;
  redis?: string;
  env?: Record<string, string>;
  args?: string[];
}

/** Of a room that something else has just moved, or moves. */
const OF_A_MOVE = new Set(['BATON_MOVE_TO_SELF', 'BATON_MOVE_IN_PROGRESS']);

/** What a failed call of the control API answered. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly details: Record<string, unknown>;
  constructor(
    status: number,
    problem: { code?: string; detail?: string; title?: string; details?: Record<string, unknown> },
  ) {
    super(`${status} ${problem.code}: ${problem.detail ?? problem.title}`);
    this.status = status;
    this.code = problem.code ?? '';
    this.details = problem.details ?? {};
  }
}

export class Service {
  readonly url: string;
  readonly port: number;
  readonly token: string;
  readonly process: ChildProcess;
  readonly runtimeDir: string;
  readonly output: string[];

  private constructor(
    file: { url: string; port: number; token: string },
    child: ChildProcess,
    dir: string,
    output: string[],
  ) {
    this.url = file.url;
    this.port = file.port;
    this.token = file.token;
    this.process = child;
    this.runtimeDir = dir;
    this.output = output;
  }

  /** Resolves when every host is ready; rejects with the service's output when it ends before. */
  static async start(app: string, options: ServiceOptions = {}): Promise<Service> {
    const runtimeDir = fs.mkdtempSync(path.join(os.tmpdir(), 'baton-test-'));
    const output: string[] = [];
    const args = [
      ...nodeArgs,
      cli,
      'start',
      app,
      '--port',
      '0',
      '--host',
      '127.0.0.1',
      '--plain',
      '--hosts',
      String(options.hosts ?? 2),
      '--runtime-dir',
      runtimeDir,
      ...(options.redis ? ['--redis', options.redis] : []),
      ...(options.args ?? []),
    ];
    const child = spawn(process.execPath, args, {
      cwd: path.dirname(app),
      env: { ...process.env, BATON_LOG: 'warn', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => output.push(text));
    }
    const file = path.join(runtimeDir, 'service.json');
    const until = Date.now() + 60_000;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the service ended:\n${output.join('')}`);
      if (Date.now() > until) throw new Error(`the service did not start:\n${output.join('')}`);
      const found = readJson(file);
      if (found) {
        const service = new Service(found, child, runtimeDir, output);
        const hosts = await service.hosts().catch(() => []);
        // those of another service on the same store count, too
        if (hosts.length >= (options.hosts ?? 2)) return service;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async api<T>(method: string, route: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}${route}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const json = await response.json();
    if (!response.ok) throw new ApiError(response.status, json as object);
    return json as T;
  }

  async hosts(): Promise<HostInfo[]> {
    return (await this.api<{ hosts: HostInfo[] }>('GET', '/v1/hosts')).hosts;
  }

  async rooms(): Promise<RoomInfo[]> {
    return (await this.api<{ rooms: RoomInfo[] }>('GET', '/v1/rooms?limit=1000')).rooms;
  }

  async room(roomId: string): Promise<RoomInfo | undefined> {
    return (await this.rooms()).find((room) => room.roomId === roomId);
  }

  migrate(roomId: string, to: string): Promise<MoveInfo> {
    return this.api('POST', `/v1/rooms/${encodeURIComponent(roomId)}/migrate`, { to });
  }

  /**
   * Moves the room to and fro until told to stop, and at least as often as `stop` says: on a busy machine moves take their
   * time. A room that ends meanwhile ends this, too.
   */
  keepMoving(roomId: string): { stop(least: number): Promise<void> } {
    let going = true;
    let wanted = 0;
    let moves = 0;
    const run = (async () => {
      while (going || moves < wanted) {
        try {
          await this.moveAway(roomId);
          moves++;
        } catch (error) {
          if (!(error instanceof ApiError) || error.code !== 'BATON_ROOM_BUSY') throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    run.catch(() => {}); // stop() rejects
    return {
      stop: (least) => {
        wanted = least;
        going = false;
        return run;
      },
    };
  }

  /** Moves the room to any other host. */
  async moveAway(roomId: string): Promise<MoveInfo> {
    for (const end = Date.now() + 10_000; ; ) {
      const room = await this.room(roomId);
      if (!room) throw new Error(`no room ${roomId}`);
      const other = (await this.hosts()).find((host) => host.id !== room.host && host.state === 'up');
      try {
        return await this.migrate(roomId, other!.id);
      } catch (error) {
        // it is on its way, or was brought there while we asked where it is: linked sockets go to each other
        const moving = error instanceof ApiError && OF_A_MOVE.has(error.code);
        if (!moving || Date.now() > end) throw error;
      }
    }
  }

  drain(
    host: string,
  ): Promise<{ host: string; rooms: number; moved: number; refused: { roomId: string; reason: string }[] }> {
    return this.api('POST', `/v1/hosts/${host}/drain`, {});
  }

  reload(options: { keepImmovable?: boolean } = {}): Promise<{
    generation: number;
    from: string[];
    moved: number;
    refused: { roomId: string; reason: string; code: string }[];
  }> {
    return this.api('POST', '/v1/reload', options);
  }

  /** Ends the service and everything it started. What it wrote is kept in the file BATON_TEST_LOG, if that is set. */
  async stop(): Promise<void> {
    const log = process.env['BATON_TEST_LOG'];
    if (log) fs.appendFileSync(log, this.output.join(''));
    const hosts = await this.hosts().catch(() => []);
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const gone = new Promise((resolve) => this.process.once('exit', resolve));
      this.process.kill('SIGTERM');
      const timer = setTimeout(() => this.process.kill('SIGKILL'), 15_000);
      await gone;
      clearTimeout(timer);
    }
    for (const { pid } of hosts) kill(pid);
    fs.rmSync(this.runtimeDir, { recursive: true, force: true });
  }
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

function readJson(file: string): { url: string; port: number; token: string } | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Resolves when `check` holds; rejects after `ms` with what it said last. */
export async function until(
  check: () => boolean | Promise<boolean>,
  what: string,
  ms = 10_000,
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`${what} did not come true within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
