// A runner with its embedded store, in the test's own process; the functions are real workerd processes.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client } from 'undici';
import { Runner } from '../../server/src/functions/runner.ts';
import { EmbeddedStoreServer, openStore, type Store } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';

export const key = randomBytes(32);

export class Bench {
  readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bf-'));
  store!: Store;
  runner!: Runner;
  readonly #runners: Runner[] = [];
  readonly #stores: Store[] = [];
  #server!: EmbeddedStoreServer;

  static async start(): Promise<Bench> {
    const bench = new Bench();
    bench.#server = await EmbeddedStoreServer.listen({
      path: path.join(bench.dir, 'store.sock'),
      log: silentLog,
    });
    bench.runner = await bench.another();
    bench.store = bench.#stores[0]!;
    return bench;
  }

  /** A runner of another machine, on the same store. */
  async another(secretsKey: () => Buffer = () => key, ranges = ['127.0.0.0/8']): Promise<Runner> {
    const store = await openStore({
      kind: 'embedded',
      path: path.join(this.dir, 'store.sock'),
      log: silentLog,
    });
    this.#stores.push(store);
    const dir = path.join(this.dir, `fn${this.#runners.length}`);
    const runner = await Runner.start({ store, dir, ranges, secretsKey, log: silentLog });
    this.#runners.push(runner);
    return runner;
  }

  async stop(): Promise<void> {
    for (const runner of this.#runners) await runner.end();
    for (const store of this.#stores) await store.close();
    await this.#server.close();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

export const bundle = (code: string, more: { env?: Record<string, string>; allowNet?: string[] } = {}) => ({
  code,
  env: {},
  allowNet: [],
  ...more,
});

/** A bundle whose function answers with what the expression gives; `request`, `url` and `env` are there. */
export const answers = (expression: string, before = '') =>
  `${before}
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const answer = await (${expression});
    return answer instanceof Response ? answer : new Response(String(answer));
  },
};
`;

export interface Answer {
  status: number;
  text: string;
}

/** Calls a function as a host does. */
export async function call(socketPath: string, at = '/'): Promise<Answer> {
  const client = new Client('http://function', { socketPath });
  try {
    const { statusCode, body } = await client.request({ path: at, method: 'POST' });
    return { status: statusCode, text: await body.text() };
  } finally {
    await client.destroy();
  }
}
