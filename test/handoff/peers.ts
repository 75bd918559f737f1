// Starts fixture processes and talks to them; everything a test starts ends with it.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface PlainError {
  code?: string;
  message: string;
  status?: number;
  details?: Record<string, any>;
  stack: string;
}

/** A fixture process: `ask` runs a command there. */
export class Peer {
  readonly child: ChildProcess;
  readonly path: string;
  #id = 0;
  readonly #waiting = new Map<number, { resolve(v: any): void; reject(e: unknown): void }>();

  constructor(path: string) {
    this.path = path;
    this.child = fork(join(import.meta.dirname, 'fixture.ts'), [], {
      execArgv: ['-C', 'baton-source', '--import', 'tsx'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    this.child.on('message', (message: any) => {
      const waiting = this.#waiting.get(message.id);
      if (!waiting) return;
      this.#waiting.delete(message.id);
      if (message.error) waiting.reject(message.error);
      else waiting.resolve(message.result);
    });
    this.child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the peer exited'));
    });
  }

  ask<T = any>(op: string, options: Record<string, unknown> = {}): Promise<T> {
    const id = ++this.#id;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.child.send({ id, command: { op, ...options } });
    });
  }

  /** A call from this peer to another; rejects with the plain error. */
  call<T = any>(peer: Peer | string, method: string, options: Record<string, unknown> = {}): Promise<T> {
    return this.ask<T>('call', { peer: typeof peer === 'string' ? peer : peer.path, method, ...options });
  }

  async event(name: string): Promise<any> {
    for (;;) {
      const [message] = (await once(this.child, 'message')) as [any];
      if (message.event === name) return message;
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }
}

/** A folder for sockets and the processes of one test. */
export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'baton-handoff-'));
  readonly peers: Peer[] = [];

  async peer(name: string, options: Record<string, unknown> = {}): Promise<Peer> {
    const peer = new Peer(join(this.folder, `${name}.sock`));
    this.peers.push(peer);
    await peer.event('up');
    if (options['listen'] !== false) await peer.ask('listen', { path: peer.path, ...options });
    return peer;
  }

  async end(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Asks again until `holds` is true of the answer: for what another process does in its own time. */
export async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (const deadline = Date.now() + 20_000; ; ) {
    const value = await ask();
    if (holds(value)) return value;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(value)} after 20 s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Runs `promise`, which must reject, and returns its error. */
export async function failure(promise: Promise<unknown>): Promise<PlainError> {
  try {
    await promise;
  } catch (error) {
    return error as PlainError;
  }
  throw new Error('it did not fail');
}
