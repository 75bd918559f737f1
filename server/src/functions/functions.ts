import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, Pool } from 'undici';
import { z } from 'zod';
import { BatonError, functionDown } from '../errors.ts';
import { type Asked, type Question, runnerSocket } from './protocol.ts';
import type { FunctionDetails, FunctionLogs, FunctionView } from './views.ts';

/** A question to the runner: a deployment may have to wait for another one of the same function. */
const ANSWER_MS = 60_000;
/** Until the runner takes questions, the first time it is needed. */
const RUNNER_START_MS = 15_000;
const LOOK_EVERY_MS = 50;
/** Connections to one function; more calls wait for a free one. */
const MAX_CONNECTIONS = 32;
/** How long the runner's word on where a function is counts, while calls to it succeed. */
const LOOK_AGAIN_MS = 1_000;

const failure = z.object({
  code: z.string(),
  status: z.number(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()),
});

export interface FunctionsOptions {
  runtimeDir: string;
  /** Has the runner started, if it is not there. */
  startRunner: () => void;
}

interface Place {
  socket: string;
  pool: Pool;
  /** `performance.now()`; 0 = what is known may be wrong. */
  askedAt: number;
  asking: Promise<void> | undefined;
}

/** Where a call to a function goes. */
export interface FunctionAddress {
  url: string;
  dispatcher: Dispatcher;
}

/** Hosted functions, as a host uses them: it calls them itself, and asks the runner for everything else. */
export class Functions {
  readonly #options: FunctionsOptions;
  readonly #runner: Agent;
  readonly #places = new Map<string, Place>();

  constructor(options: FunctionsOptions) {
    this.#options = options;
    this.#runner = new Agent({ connect: { socketPath: runnerSocket(options.runtimeDir) } });
  }

  /**
   * Where to call a function; it runs there by then. Cheap enough to be asked for each attempt at a call.
   * @throws BATON_FUNCTION_NOT_FOUND, BATON_FUNCTION_DOWN, BATON_FUNCTION_INVALID, BATON_FUNCTIONS_UNSUPPORTED,
   *   BATON_SECRET_NOT_FOUND, BATON_SECRETS_UNAVAILABLE, BATON_STORE_UNAVAILABLE
   */
  async resolve(tenant: string, name: string): Promise<FunctionAddress> {
    const key = JSON.stringify([tenant, name]);
    const known = this.#places.get(key);
    const fresh = known !== undefined && known.askedAt > 0;
    if (!fresh) await this.#locate(key, tenant, name);
    else if (performance.now() - known.askedAt > LOOK_AGAIN_MS)
      // the version before is there for a while: calls go on meanwhile
      this.#locate(key, tenant, name).catch(() => {
        known.askedAt = 0;
      });
    return { url: 'http://function/', dispatcher: this.#places.get(key)!.pool };
  }

  deploy(asked: Asked<'deploy'>): Promise<FunctionView> {
    return this.#ask('deploy', asked);
  }

  rollback(asked: Asked<'rollback'>): Promise<FunctionView> {
    return this.#ask('rollback', asked);
  }

  list(asked: Asked<'list'>): Promise<{ functions: FunctionView[] }> {
    return this.#ask('list', asked);
  }

  show(asked: Asked<'show'>): Promise<FunctionDetails> {
    return this.#ask('show', asked);
  }

  async remove(asked: Asked<'remove'>): Promise<void> {
    await this.#ask('remove', asked);
  }

  logs(asked: Asked<'logs'>): Promise<FunctionLogs> {
    return this.#ask('logs', asked);
  }

  setSecret(asked: Asked<'setSecret'>): Promise<{ name: string; updatedAt: number }> {
    return this.#ask('setSecret', asked);
  }

  secrets(asked: Asked<'secrets'>): Promise<{ secrets: { name: string; updatedAt: number }[] }> {
    return this.#ask('secrets', asked);
  }

  async removeSecret(asked: Asked<'removeSecret'>): Promise<void> {
    await this.#ask('removeSecret', asked);
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.#runner, ...[...this.#places.values()].map(({ pool }) => pool)].map((one) => one.destroy()),
    );
  }

  /** Asks once for all who wait. */
  async #locate(key: string, tenant: string, name: string): Promise<void> {
    const known = this.#places.get(key);
    if (known?.asking) return known.asking;
    const asking = this.#ask<{ socket: string }>('socket', { tenant, name }).then(({ socket }) => {
      if (known?.socket === socket) known.askedAt = performance.now();
      else this.#moveTo(key, socket);
    });
    if (known) {
      known.asking = asking.finally(() => {
        known.asking = undefined;
      });
      // who waits sees it
      known.asking.catch(() => {});
    }
    await asking;
  }

  #moveTo(key: string, socket: string): void {
    const before = this.#places.get(key);
    if (before?.socket === socket) return;
    const pool = new Pool('http://function', {
      socketPath: socket,
      connections: MAX_CONNECTIONS,
      pipelining: 1,
    });
    const place: Place = { socket, pool, askedAt: performance.now(), asking: undefined };
    const doubt = () => {
      place.askedAt = 0;
    };
    pool.on('disconnect', doubt).on('connectionError', doubt);
    this.#places.set(key, place);
    // calls under way are answered first
    void before?.pool.close().catch(() => {});
  }

  async #ask<T>(question: Question, asked: object): Promise<T> {
    const until = performance.now() + RUNNER_START_MS;
    for (;;) {
      try {
        return await this.#post<T>(question, asked);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT' && code !== 'ECONNREFUSED') throw error;
        if (performance.now() > until)
          throw functionDown({ function: nameIn(asked), reason: 'what runs functions did not start' }, error);
        this.#options.startRunner();
        await sleep(LOOK_EVERY_MS);
      }
    }
  }

  async #post<T>(question: Question, asked: object): Promise<T> {
    const { statusCode, body } = await this.#runner.request({
      origin: 'http://runner',
      path: `/${question}`,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'baton-pid': String(process.pid) },
      body: JSON.stringify(asked),
      headersTimeout: ANSWER_MS,
    });
    const answer = await body.json();
    if (statusCode === 200) return answer as T;
    throw BatonError.fromJSON(failure.parse(answer));
  }
}

const nameIn = (asked: object): string => String((asked as { name?: unknown }).name ?? '*');
