import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';

/** A file has so long to load. */
const LOAD_MS = 15_000;
const CALL_MS = 30_000;

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

export interface Call {
  method: string;
  headers: Record<string, string>;
  body: Buffer;
}

/** Runs a function file in a process of its own, anew after each change. */
export class Runner {
  readonly name: string;
  readonly #file: string;
  readonly #env: Record<string, string>;
  readonly #say: (text: string) => void;
  /** The one that runs, or has ended by itself. */
  #child: ChildProcess | undefined;
  #ran = false;
  #port: Promise<number> = Promise.reject(new Error('it has not been started'));
  #stopped = false;

  constructor(o: { name: string; file: string; env: Record<string, string>; say(text: string): void }) {
    this.name = o.name;
    this.#file = o.file;
    this.#env = o.env;
    this.#say = o.say;
    this.#port.catch(() => {});
  }

  /** The file as it is now takes the calls. @param problems why it cannot run */
  async changed(problems: readonly string[]): Promise<void> {
    await this.#end();
    if (this.#stopped) return;
    if (problems.length > 0) {
      this.#fail(new Error('it does not compile'));
      for (const problem of problems) this.#say(problem);
      this.#say('waiting for a change');
      return;
    }
    const started = performance.now();
    try {
      await this.#start();
      this.#say(
        `${!this.#ran ? 'runs' : 'runs anew, without what it kept in memory'} (${Math.round(performance.now() - started)} ms)`,
      );
      this.#ran = true;
    } catch (error) {
      this.#child = undefined;
      this.#say(`${(error as Error).message}; waiting for a change`);
    }
  }

  /** @throws when it does not run, saying why */
  async call({ method, headers, body }: Call): Promise<Reply> {
    const ended = this.#child && (this.#child.exitCode !== null || this.#child.signalCode !== null);
    if (ended) await this.#start();
    const port = await this.#port;
    const response = await request(`http://127.0.0.1:${port}/${this.name}`, {
      method: method as 'POST',
      headers,
      body: body.length > 0 ? body : undefined,
      signal: AbortSignal.timeout(CALL_MS),
    });
    const bytes = Buffer.from(await response.body.arrayBuffer());
    const { connection, 'transfer-encoding': _chunked, 'keep-alive': _alive, ...kept } = response.headers;
    return { status: response.statusCode, headers: kept as Record<string, string>, body: bytes };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#end();
  }

  #start(): Promise<number> {
    this.#port = this.#run();
    this.#port.catch(() => {});
    return this.#port;
  }

  async #run(): Promise<number> {
    const entry = fileURLToPath(
      new URL(`./process${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
    );
    const child = fork(entry, [this.#file], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...this.#env },
    });
    this.#child = child;
    for (const stream of [child.stdout!, child.stderr!])
      createInterface({ input: stream }).on('line', (line) => this.#say(line));
    const timer = setTimeout(() => child.kill('SIGKILL'), LOAD_MS);
    const waiting = new AbortController();
    const { signal } = waiting;
    try {
      return await Promise.race([
        once(child, 'message', { signal }).then(([message]) => {
          const { port, problem } = message as { port?: number; problem?: string };
          if (problem !== undefined) child.kill('SIGKILL');
          if (port === undefined) throw new Error(problem);
          return port;
        }),
        once(child, 'exit', { signal }).then(() => Promise.reject(new Error('it does not load'))),
      ]);
    } finally {
      waiting.abort();
      clearTimeout(timer);
    }
  }

  #fail(error: Error): void {
    this.#port = Promise.reject(error);
    this.#port.catch(() => {});
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
