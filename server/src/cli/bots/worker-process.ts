import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sample } from './measure.ts';
import type { WorkerCalls } from './types.ts';

interface Answer {
  id: number;
  result?: unknown;
  error?: string;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A process of worker.ts and the calls it takes. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;

  /** @param onSample told once a second what its bots have seen since */
  constructor(onSample: (sample: Sample) => void) {
    const file = fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url));
    this.#child = fork(file, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#child.on('message', (message) => {
      if ('sample' in (message as object)) onSample((message as { sample: Sample }).sample);
      else this.#settle(message as Answer);
    });
    this.#child.on('exit', (code, signal) =>
      this.#fail(new Error(`a process with bots ended (${signal ?? code})`)),
    );
    this.#child.on('error', (error) => this.#fail(error));
  }

  /** @param timeoutMs longest wait for the answer */
  call<K extends keyof WorkerCalls>(
    method: K,
    args: Parameters<WorkerCalls[K]>[0] = undefined as never,
    timeoutMs = 60_000,
  ): Promise<Awaited<ReturnType<WorkerCalls[K]>>> {
    const id = ++this.#calls;
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, method, args }, (error) => error && reject(error));
    });
    const timer = setTimeout(
      () => this.#settle({ id, error: `bots: no answer to ${method} within ${timeoutMs} ms` }),
      timeoutMs,
    );
    return answered.finally(() => clearTimeout(timer)) as Promise<Awaited<ReturnType<WorkerCalls[K]>>>;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }

  #settle({ id, result, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
