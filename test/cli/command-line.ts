// Runs Baton's command line as processes of their own, as a user does.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd, isAlive, nodeArgs } from '../supervisor/service.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const commandLine = path.join(root, 'test', 'supervisor', 'fixtures', 'baton.ts');
export const launcher = path.join(root, 'server', 'bin', 'baton.mjs');

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** The last line of standard output as JSON. */
  json: any;
}

export class CommandLine {
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
  stdout = '';
  stderr = '';
  readonly #watchers = new Set<() => void>();

  /** @param command `node` arguments before those of the command line */
  constructor(
    args: string[],
    options: { env?: Record<string, string>; cwd?: string; command?: string[]; launcherOf?: string } = {},
  ) {
    const command = options.command ?? [...nodeArgs, commandLine];
    const { BATON_URL: _url, BATON_CONTROL_TOKEN: _token, ...env } = process.env;
    this.child = spawn(options.launcherOf ?? process.execPath, [...command, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: options.cwd ?? root,
      // A process group of its own, as a shell gives to each command.
      detached: true,
      env: { ...env, ...options.env },
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text) => this.#add('stdout', text));
    this.child.stderr!.setEncoding('utf8').on('data', (text) => this.#add('stderr', text));
    this.outcome = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => {
        const last = this.stdout.trimEnd().split('\n').at(-1) ?? '';
        resolve({
          code,
          signal,
          stdout: this.stdout,
          stderr: this.stderr,
          json: last.startsWith('{') ? JSON.parse(last) : undefined,
        });
      });
    });
    // Ended gracefully: hosts would outlive a supervisor that is killed.
    atEnd(async () => {
      this.child.kill('SIGTERM');
      await this.outcome;
    });
  }

  /** Resolves when the output so far satisfies `condition`; rejects when the process ends before. */
  until(condition: (output: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const watcher = () => {
        const output = this.stdout + this.stderr;
        if (condition(output)) resolve(output);
      };
      this.#watchers.add(watcher);
      void this.outcome.then(({ code }) =>
        reject(new Error(`ended with ${code}:\n${this.stdout}${this.stderr}`)),
      );
      watcher();
    });
  }

  #add(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text;
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Runs a command to its end. */
export function baton(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new CommandLine(args, { env }).outcome;
}

export interface Started {
  line: CommandLine;
  url: string;
  port: number;
  pid: number;
  runtimeDir: string;
  hosts: string[];
}

/** `baton start --json`, once it is ready. */
export async function startService(args: string[], env: Record<string, string> = {}): Promise<Started> {
  const line = new CommandLine(['start', '--json', '--port', '0', '--host', '127.0.0.1', ...args], { env });
  await line.until(() => line.stdout.endsWith('}\n'));
  return { line, ...JSON.parse(line.stdout) };
}

/** Ends hosts that were left behind on purpose. */
export function endAtTheEnd(pids: number[]): void {
  atEnd(() => {
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });
}
