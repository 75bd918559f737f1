// The example as a developer starts it (`npm start`), and a browser to look at it with.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { findProgram } from '../support/programs.ts';

const launcher = fileURLToPath(new URL('../../examples/arena/start.mjs', import.meta.url));
const READY_MS = 60_000;

export async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0), 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export interface Ended {
  code: number | null;
  output: string;
}

export class Example {
  readonly port: number;
  /** What it has printed so far. */
  output = '';
  /** Resolves when the launcher has ended. */
  readonly ended: Promise<Ended>;
  private readonly child: ChildProcess;
  private readonly runtimeBase = mkdtempSync(join(tmpdir(), 'baton-ex-'));

  constructor(port: number) {
    this.port = port;
    this.child = spawn(process.execPath, [launcher], {
      env: { ...process.env, PORT: String(port), XDG_RUNTIME_DIR: this.runtimeBase },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.ended = once(this.child, 'close').then(([code]) => {
      rmSync(this.runtimeBase, { recursive: true, force: true });
      return { code: code as number | null, output: this.output };
    });
  }

  /** The page's URLs as printed. */
  async urls(): Promise<{ arena: string; duel: string; token: string }> {
    const [, arena, duel] = await this.says(/Arena {2}(\S+).*Duel {3}(\S+)/s);
    return { arena: arena!, duel: duel!, token: new URL(arena!).hash.slice('#token='.length) };
  }

  /** Resolves once its output matches. */
  async says(text: RegExp | string): Promise<RegExpExecArray> {
    const pattern = new RegExp(text);
    const until = Date.now() + READY_MS;
    const ended = this.ended.then(({ output }) => {
      throw new Error(`the example ended:\n${output}`);
    });
    ended.catch(() => {});
    while (Date.now() < until) {
      const found = pattern.exec(this.output);
      if (found) return found;
      await Promise.race([ended, once(this.child.stdout!, 'data')]);
    }
    throw new Error(`it did not say ${pattern} in ${READY_MS / 1000} s:\n${this.output}`);
  }

  /** As Ctrl-C does. */
  interrupt(): Promise<Ended> {
    this.child.kill('SIGINT');
    return this.ended;
  }
}

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findProgram('chromium'),
    timeout: 60_000,
    args: ['--no-sandbox', '--headless=new', '--disable-dev-shm-usage'],
  });
}

/** Collects what must not happen on a page: uncaught errors and failed requests. */
export function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on('pageerror', (error) => found.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') found.push(message.text());
  });
  return found;
}
