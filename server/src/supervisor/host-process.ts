import { type ChildProcess, spawn } from 'node:child_process';
import type { DrainResult, Refusal } from '../control/index.ts';
import { BatonError, hostFailedToStart, hostUnreachable } from '../errors.ts';
import type { HostSettings } from '../host/settings.ts';
import { LineSplitter } from '../telemetry/index.ts';
import type { HostProgram } from './host-program.ts';
import { type FromHost, fromHost, parseDrainResult, parseRefusals, type ToHost } from './messages.ts';

export type HostState = 'starting' | 'standby' | 'up' | 'draining' | 'stopping' | 'gone';

export interface HostProcessOptions {
  program: HostProgram;
  settings: HostSettings;
  /** Descriptor of the listening socket in this process. */
  listenFd: number;
  /** Longest time from the start of the process to `ready`. */
  readyMs: number;
  /** A host that answers no ping for this long is ended. */
  hungMs: number;
  onLine: (line: string, stream: 'stdout' | 'stderr') => void;
  onMessage: (message: FromHost) => void;
  onState: () => void;
  /** The host hung and is being ended. */
  onHung: () => void;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const tailLines = 20;
const lastWordsMs = 500;
const serveMs = 10_000;
/** Pings in the time after which a host counts as hung. */
const pings = 5;

/** One host process: its start, its requests over IPC, its output and its end. */
export class HostProcess {
  readonly settings: HostSettings;
  readonly startedAt = Date.now();
  /** Resolves with the host's id; rejects with the host's own error, or hostFailedToStart. */
  readonly ready: Promise<string>;
  /** Resolves once the process is gone and its output has been read. */
  readonly exited: Promise<string>;
  /** Given by the store, known once the host is ready. */
  id: string | undefined;
  checks = false;
  readonly #child: ChildProcess;
  readonly #options: HostProcessOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #tail: string[] = [];
  #state: HostState = 'starting';
  #lastRequest = 0;
  #settleReady!: Pending;
  #silentTicks = 0;

  constructor(options: HostProcessOptions) {
    this.#options = options;
    this.settings = options.settings;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve: (id) => resolve(id as string), reject };
    });
    // Who waits for the host sees the rejection; nobody may be waiting yet.
    this.ready.catch(() => {});
    // The app and what it starts have no business with these; a host gets them in BATON_HOST.
    const {
      BATON_CONTROL_TOKEN: _token,
      BATON_METRICS_TOKEN: _metrics,
      BATON_REDIS_URL: _url,
      BATON_SECRETS_KEY: _key,
      ...inherited
    } = process.env;
    this.#child = spawn(process.execPath, [...options.program.nodeArgs, options.program.entry], {
      stdio: ['ignore', 'pipe', 'pipe', options.listenFd, 'ipc'],
      // An own session: Ctrl-C in the terminal is the supervisor's business alone.
      detached: true,
      env: { ...inherited, ...options.program.env, BATON_HOST: JSON.stringify(options.settings) },
    });
    this.exited = this.#watch();
    void this.#limitStart();
  }

  get state(): HostState {
    return this.#state;
  }

  set state(state: HostState) {
    this.#state = state;
    this.#options.onState();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Moves the host's rooms away. @throws the host's error, hostUnreachable */
  async drain(deadlineMs: number): Promise<DrainResult> {
    const before = this.state;
    this.state = 'draining';
    try {
      const result = await this.#request((id) => ({ type: 'drain', id, deadlineMs }), deadlineMs + 10_000);
      return parseDrainResult(result);
    } catch (error) {
      if (this.state === 'draining') this.state = before;
      throw error;
    }
  }

  /**
   * Lets it take rooms: after a start in standby, or to take a drain back, also one whose end was not heard of.
   * @throws hostUnreachable, or the host's error
   */
  async serve(): Promise<void> {
    await this.#request((id) => ({ type: 'serve', id }), serveMs);
    if (this.state === 'standby' || this.state === 'draining') this.state = 'up';
  }

  /** The rooms that could not move to the other hosts as they are now. */
  async check(): Promise<Refusal[]> {
    return this.checks ? parseRefusals(await this.#request((id) => ({ type: 'check', id }), 30_000)) : [];
  }

  send(message: ToHost): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /**
   * Asks the host to end, and ends it by force after the deadline and a little.
   * @param leaving ids of the hosts that end with it
   */
  async stop(deadlineMs: number, leaving: string[] = []): Promise<void> {
    if (this.state === 'gone') return;
    if (this.state === 'starting') {
      this.kill(); // nobody plays there, and it does not listen to us yet
      await this.exited;
      return;
    }
    this.state = 'stopping';
    this.send({ type: 'stop', deadlineMs, leaving });
    const timer = setTimeout(() => this.kill(), deadlineMs + 2000);
    await this.exited;
    clearTimeout(timer);
  }

  /** For a host that reported its failure: it ends by itself, or is ended after a second. */
  endSoon(): void {
    const timer = setTimeout(() => this.kill(), 1000);
    void this.exited.then(() => clearTimeout(timer));
  }

  kill(): void {
    if (this.state === 'gone') return;
    this.state = 'stopping';
    this.#child.kill('SIGKILL');
  }

  #request(make: (id: number) => ToHost, timeoutMs: number): Promise<unknown> {
    const id = ++this.#lastRequest;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle(() => reject(this.#unreachable(`no answer in ${timeoutMs} ms`))),
        timeoutMs,
      );
      const settle = (act: () => void) => {
        clearTimeout(timer);
        if (this.#pending.delete(id)) act();
      };
      this.#pending.set(id, {
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      });
      if (!this.#child.connected) this.#pending.get(id)!.reject(this.#unreachable('the process is gone'));
      else this.send(make(id));
    });
  }

  #unreachable(reason: string): BatonError {
    return hostUnreachable({ host: this.id ?? `with process ${this.pid}`, reason });
  }

  #watch(): Promise<string> {
    this.#child.on('message', (raw) => this.#receive(raw));
    for (const name of ['stdout', 'stderr'] as const) {
      const lines = new LineSplitter((line) => {
        this.#tail.push(line);
        if (this.#tail.length > tailLines) this.#tail.shift();
        this.#options.onLine(line, name);
      });
      this.#child[name]!.on('data', (chunk: Buffer) => lines.push(chunk)).on('close', () => lines.end());
    }
    return new Promise((resolve) => {
      let failure: string | undefined;
      this.#child.on('error', (error) => {
        failure = error.message;
        if (this.#child.pid === undefined) this.#gone(failure, resolve);
      });
      this.#child.on('exit', (code, signal) => {
        const how = failure ?? (signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
        // The last lines are still on their way, but a child process of the app may hold the pipes open.
        const timer = setTimeout(() => this.#gone(how, resolve), lastWordsMs);
        this.#child.once('close', () => {
          clearTimeout(timer);
          this.#gone(how, resolve);
        });
      });
    });
  }

  #gone(how: string, resolve: (how: string) => void): void {
    if (this.state === 'gone') return;
    this.state = 'gone';
    const words = this.#tail.findLast((line) => /^\s*(\w*Error\b|baton:)/.test(line));
    this.#settleReady.reject(
      hostFailedToStart({
        host: this.id ?? `(process ${this.pid ?? 'none'})`,
        reason: `it ${how} before it was ready${words ? `: ${words.trim()}` : ''}`,
      }),
    );
    for (const pending of [...this.#pending.values()]) pending.reject(this.#unreachable(`it ${how}`));
    resolve(how);
  }

  /**
   * Counts turns of this process, not time: after the supervisor itself, or the whole machine, stood still, hosts
   * have not been silent for longer than one turn.
   */
  #watchPulse(): void {
    const timer = setInterval(() => {
      if (this.#silentTicks >= pings) {
        clearInterval(timer);
        this.#options.onHung();
        this.kill();
        return;
      }
      this.#silentTicks++;
      this.send({ type: 'ping' });
    }, this.#options.hungMs / pings);
    timer.unref();
    void this.exited.then(() => clearInterval(timer));
  }

  async #limitStart(): Promise<void> {
    const { readyMs } = this.#options;
    const timer = setTimeout(() => {
      this.#settleReady.reject(
        hostFailedToStart({ host: `(process ${this.pid})`, reason: `it was not ready within ${readyMs} ms` }),
      );
      this.kill();
    }, readyMs);
    await this.ready.catch(() => {});
    clearTimeout(timer);
  }

  #receive(raw: unknown): void {
    const parsed = fromHost.safeParse(raw);
    // The app shares the channel and may send what it likes.
    if (!parsed.success) return;
    const message = parsed.data;
    this.#silentTicks = 0;
    if (message.type === 'pong') return;
    if (message.type === 'ready') {
      if (this.state !== 'starting') return;
      this.id = message.hostId;
      this.checks = message.checks ?? false;
      this.state = this.settings.standby ? 'standby' : 'up';
      if (message.beats) this.#watchPulse();
      this.#settleReady.resolve(message.hostId);
    } else if (message.type === 'failed') {
      this.#settleReady.reject(BatonError.fromJSON(message.error));
    } else if ('id' in message && message.type !== 'reload') {
      const pending = this.#pending.get(message.id);
      if (message.error) pending?.reject(BatonError.fromJSON(message.error));
      else pending?.resolve(message.result);
    }
    this.#options.onMessage(message);
  }
}
