import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunnerSettings } from '../functions/index.ts';
import { LineSplitter, type Log } from '../telemetry/index.ts';
import type { HostLine, Timing } from './options.ts';

export interface RunnerProcessOptions {
  settings: RunnerSettings;
  timing: Pick<Timing, 'backoff' | 'backoffMax' | 'stable' | 'stop'>;
  log: Log;
  onLine: (line: HostLine) => void;
}

/**
 * The process that runs hosted functions: started when the first host asks for it, started again when it dies. Reloads
 * do not touch it; it ends with the service, and when the supervisor is gone, with the last host.
 */
export class RunnerProcess {
  readonly #options: RunnerProcessOptions;
  #child: ChildProcess | undefined;
  #startedAt = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RunnerProcessOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Unless it runs, or is about to. */
  start(): void {
    if (this.#child || this.#timer || this.#stopped) return;
    const { settings, log } = this.#options;
    const file = fileURLToPath(import.meta.url);
    const entry = path.join(path.dirname(file), '..', 'functions', `main${path.extname(file)}`);
    const {
      BATON_CONTROL_TOKEN: _token,
      BATON_METRICS_TOKEN: _metrics,
      BATON_REDIS_URL: _url,
      ...inherited
    } = process.env;
    // in a checkout node takes the types out of the sources itself
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // an own session: Ctrl-C in the terminal is the supervisor's business alone
      detached: true,
      env: { ...inherited, BATON_FUNCTIONS: JSON.stringify(settings) },
    });
    this.#child = child;
    this.#startedAt = Date.now();
    this.#read(child);
    child.on('error', (error) => log.error({ err: error }, 'functions cannot be run'));
    child.on('close', (code, signal) =>
      this.#gone(signal === null ? `exited with code ${code}` : `was ended by ${signal}`),
    );
  }

  /** Its functions end with it, by force after the deadline. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill(deadlineMs > 0 ? 'SIGTERM' : 'SIGKILL');
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    await gone;
    clearTimeout(timer);
  }

  #gone(how: string): void {
    this.#child = undefined;
    if (this.#stopped) return;
    const { timing, log } = this.#options;
    if (Date.now() - this.#startedAt >= timing.stable) this.#failures = 0;
    const delayMs = Math.min(timing.backoff * 2 ** this.#failures++, timing.backoffMax);
    log.error({ delayMs }, `the process that runs functions ${how}; the next one starts in ${delayMs} ms`);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.start();
    }, delayMs);
  }

  #read(child: ChildProcess): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const lines = new LineSplitter((text) => this.#options.onLine({ label: 'functions', stream, text }));
      child[stream]!.on('data', (chunk: Buffer) => lines.push(chunk)).on('close', () => lines.end());
    }
  }
}
