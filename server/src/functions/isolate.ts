import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { functionInvalid } from '../errors.ts';
import { LineSplitter } from '../telemetry/index.ts';
import type { LogLine } from './log-ring.ts';
import { Watch } from './watch.ts';
import { FUNCTION_MODULE, HEAP_MIB, workerConfig } from './worker-config.ts';
import type { Launcher } from './workerd.ts';

/** Code that runs when the module is loaded included. */
const START_MS = 5_000;
/** Hosts come first when there are more processes than cores. */
const NICE = 5;
/** What a process may write to its log in a second; then it waits. */
const MAX_OUTPUT_BYTES = 1024 * 1024;
const OUTPUT_WINDOW_MS = 1_000;
/** Both sockets listen. */
const SOCKETS = 2;

export interface IsolateOptions {
  launcher: Launcher;
  /** Of its sockets; mode 0700. */
  dir: string;
  /** Unique in the directory, a few characters. */
  id: string;
  /** For messages. */
  name: string;
  code: string;
  env: Record<string, string>;
  allowNet: readonly string[];
  ranges: readonly string[];
  onLine: (level: LogLine['level'], text: string) => void;
}

/** A process that runs one version of one function, and is ended when it goes beyond its limits. */
export class Isolate {
  /** Unix socket on which it takes calls. */
  readonly socket: string;
  /** Resolves when the process is gone, with what ended it. */
  readonly ended: Promise<string>;
  readonly #options: IsolateOptions;
  readonly #child: ChildProcess;
  readonly #config: string;
  readonly #pulse: string;
  #watch: Watch | undefined;
  /** What the runtime said last: why it ends, as a rule. */
  #lastWords = '';
  #reason: string | undefined;

  /**
   * Resolves when it takes calls.
   * @throws BATON_FUNCTION_INVALID with line and column, when the module does not compile, throws, is not there in
   *   time or has no fetch()
   */
  static async start(options: IsolateOptions): Promise<Isolate> {
    const isolate = new Isolate(options);
    try {
      await isolate.#ready();
    } catch (error) {
      isolate.kill('it did not start');
      await isolate.ended;
      throw error;
    }
    return isolate;
  }

  private constructor(options: IsolateOptions) {
    const { launcher, dir, id } = options;
    this.#options = options;
    this.socket = path.join(dir, id);
    this.#pulse = `${this.socket}p`;
    this.#config = `${this.socket}.capnp`;
    const config = workerConfig({ ...options, socket: this.socket, pulse: this.#pulse });
    // secrets are in it: it is gone again as soon as it was read
    fs.writeFileSync(this.#config, config, { mode: 0o600, flag: 'wx' });
    this.#child = spawn(
      launcher.command,
      [...launcher.args, launcher.workerd, 'serve', this.#config, 'config', '--control-fd', '3'],
      { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env: {}, cwd: dir, detached: true },
    );
    this.ended = this.#ending();
    this.#read();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends it at once. @param reason for its log, and for those who call it */
  kill(reason: string): void {
    this.#reason ??= reason;
    this.#child.kill('SIGKILL');
  }

  /** Ends it when the calls under way have been answered, at the latest after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#reason ??= 'it was ended';
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  async #ready(): Promise<void> {
    const { name } = this.#options;
    const listening = new Promise<void>((resolve) => {
      let sockets = 0;
      const lines = new LineSplitter(() => {
        if (++sockets === SOCKETS) resolve();
      });
      this.#child.stdio[3]!.on('data', (chunk: Buffer) => lines.push(chunk));
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, START_MS, 'late');
    });
    const first = await Promise.race([listening, late, this.ended]);
    clearTimeout(timer);
    if (first === 'late')
      throw functionInvalid({ function: name, reason: `its module was not loaded within ${START_MS} ms` });
    if (first !== undefined)
      throw functionInvalid({ function: name, ...whatWasWrong(this.#lastWords || first) });
    fs.rmSync(this.#config, { force: true });
    lowerPriority(this.#child.pid!);
    this.#watch = new Watch({
      pid: this.#child.pid!,
      pulse: this.#pulse,
      kill: (reason) => this.kill(reason),
    });
  }

  #ending(): Promise<string> {
    return new Promise((resolve) => {
      const gone = (how: string) => {
        this.#watch?.end();
        for (const file of [this.socket, this.#pulse, this.#config]) fs.rmSync(file, { force: true });
        resolve(this.#reason ?? how);
      };
      this.#child.on('error', (error) => {
        if (this.#child.pid === undefined) gone(error.message);
      });
      // its output has been read then
      this.#child.on('close', (code, signal) => {
        if (/heap out of memory/.test(this.#lastWords)) gone(`its heap grew over ${HEAP_MIB} MiB`);
        else gone(signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`);
      });
    });
  }

  #read(): void {
    const { onLine } = this.#options;
    for (const output of [this.#child.stdout!, this.#child.stderr!]) {
      const lines = new LineSplitter((line) => {
        const said = parseLine(line);
        if (said?.by === 'function') onLine(said.level, said.text);
        else if (said !== undefined || !this.#watch || /fatal/.test(line))
          this.#lastWords = said?.text ?? line;
      });
      output.on('data', (chunk: Buffer) => lines.push(chunk)).on('close', () => lines.end());
      slowDown(output);
    }
  }
}

/** One that writes without end would take the time of the process that reads it, and with it that of all others. */
function slowDown(output: Readable): void {
  let since = performance.now();
  let bytes = 0;
  output.on('data', (chunk: Buffer) => {
    const now = performance.now();
    if (now - since >= OUTPUT_WINDOW_MS) [since, bytes] = [now, 0];
    bytes += chunk.length;
    if (bytes < MAX_OUTPUT_BYTES) return;
    output.pause();
    setTimeout(() => output.resume(), since + OUTPUT_WINDOW_MS - now);
  });
}

type Said = { by: 'function' | 'runtime'; level: LogLine['level']; text: string };

const LEVELS: Record<string, LogLine['level']> = { debug: 'debug', warn: 'warn', error: 'error' };

/** What the runtime reports of itself has a source; that may tell of its insides and is kept from the log. */
function parseLine(line: string): Said | undefined {
  if (!line.startsWith('{"timestamp"')) return undefined;
  try {
    const { level, message, source } = JSON.parse(line);
    const by = source === undefined ? 'function' : 'runtime';
    return { by, level: LEVELS[level] ?? 'info', text: String(message) };
  } catch {
    return { by: 'function', level: 'warn', text: 'A line longer than 64 KiB is not shown.' };
  }
}

/** `service function: Uncaught SyntaxError: Unexpected token ';'\n  at function.mjs:2:8` */
function whatWasWrong(words: string): { reason: string; line?: number; column?: number } {
  const [, line, column] = new RegExp(`${FUNCTION_MODULE}:(\\d+):(\\d+)`).exec(words) ?? [];
  const text = words.replace(/^service function: (?:Uncaught )?/, '').split('\n')[0]!;
  const reason = text.replace(`module '${FUNCTION_MODULE}'`, 'bundle').replace(/\.$/, '');
  if (line === undefined) return { reason };
  // counted from 0 here, and from 1 everywhere else
  const place = { line: Number(line), column: Number(column) + 1 };
  return { reason: `${reason}, at ${place.line}:${place.column} of the bundle`, ...place };
}

function lowerPriority(pid: number): void {
  try {
    os.setPriority(pid, NICE);
  } catch {
    // it is gone already
  }
}
