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
/** After that the runner is asked again where a function is, and calls go on … */
const LOOK_AGAIN_MS = 1_000;
/** … but wait for its answer after that: a replaced version is gone after five seconds. */
const STALE_MS = 3_000;

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
  /** `performance.now()`; long ago = what is known may be wrong. */
  askedAt: number;
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
  readonly #asking = new Map<string, Promise<void>>();

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
    const age = known === undefined ? Number.POSITIVE_INFINITY : performance.now() - known.askedAt;
    if (age > STALE_MS) await this.#locate(key, tenant, name);
    // the version before is there for a while: calls go on meanwhile
    else if (age > LOOK_AGAIN_MS) this.#locate(key, tenant, name).catch(() => {});
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
  #locate(key: string, tenant: string, name: string): Promise<void> {
    const asking =
      this.#asking.get(key) ?? this.#lookUp(key, tenant, name).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #lookUp(key: string, tenant: string, name: string): Promise<void> {
    try {
      const { socket } = await this.#ask<{ socket: string }>('socket', { tenant, name });
      const known = this.#places.get(key);
      if (known?.socket === socket) known.askedAt = performance.now();
      else this.#moveTo(key, socket);
    } catch (error) {
      this.#leave(key);
      throw error;
    }
  }

  #moveTo(key: string, socket: string): void {
    this.#leave(key);
    const pool = new Pool('http://function', {
      socketPath: socket,
      connections: MAX_CONNECTIONS,
      pipelining: 1,
      // each call has one of its own, for all of it
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const place: Place = { socket, pool, askedAt: performance.now() };
    const doubt = () => {
      place.askedAt = Number.NEGATIVE_INFINITY;
    };
    pool.on('disconnect', doubt).on('connectionError', doubt);
    this.#places.set(key, place);
  }

  #leave(key: string): void {
    const place = this.#places.get(key);
    this.#places.delete(key);
    // who was just told of it still calls, and calls under way are answered
    setTimeout(() => void place?.pool.close().catch(() => {}), LOOK_AGAIN_MS).unref();
  }

  async #ask<T>(question: Question, asked: object): Promise<T> {
    const until = performance.now() + RUNNER_START_MS;
    for (;;) {
      try {
        return await this.#post<T>(question, asked);
      } catch (error) {
        if (error instanceof BatonError) throw error;
        const { code } = error as NodeJS.ErrnoException;
        const absent = code === 'ENOENT' || code === 'ECONNREFUSED';
        const reason = absent ? 'what runs functions did not start' : 'what runs functions did not answer';
        if (!absent || performance.now() > until)
          throw functionDown({ function: nameIn(asked), reason }, error);
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
