import { createHash } from 'node:crypto';
import { asBatonError, functionDown, functionNotFound } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import { Isolate } from './isolate.ts';
import { LogRing } from './log-ring.ts';
import type { Bundle, FunctionRecords, FunctionVersion } from './records.ts';
import type { Secrets } from './secrets.ts';
import type { Launcher } from './workerd.ts';

/** Delay before one that ended by itself starts again; doubles with every such end in a row. */
const BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 15_000;
/** A run after which the delay starts over. */
const STABLE_MS = 30_000;
/** A replaced version, for hosts that have not yet heard of it. */
const RETIRE_MS = 5_000;
/** Calls that are under way then: the longest that a mapping allows. */
const GRACE_MS = 60_000;
/** The same, when it ends with the service or is deleted. */
const END_GRACE_MS = 5_000;
/** What is deployed may have changed on another machine, unheard. */
const CHECK_EVERY_MS = 30_000;

export interface HostedOptions {
  tenant: string;
  name: string;
  records: FunctionRecords;
  secrets: Secrets;
  launcher: () => Launcher;
  dir: string;
  ranges: readonly string[];
  /** A new id for a process. */
  nextId: () => string;
  /** How many processes may be started. @throws BATON_FUNCTION_DOWN */
  admit: () => void;
  log: Log;
}

interface Running {
  isolate: Isolate;
  version: number;
  /** Of version and secrets: one that differs is to be replaced. */
  fingerprint: string;
  startedAt: number;
}

/** One deployed function on this machine: at most one process takes its calls, started by the first of them. */
export class Hosted {
  readonly logs = new LogRing();
  /** Processes, the retired ones included. */
  readonly isolates = new Set<Isolate>();
  /** When it was last asked for, `performance.now()`. */
  usedAt = performance.now();
  readonly #options: HostedOptions;
  #running: Running | undefined;
  #starting: Promise<Running> | undefined;
  /** Changes of what runs, one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #failures = 0;
  #notBefore = 0;
  #lastEnd = '';
  #checkedAt = performance.now();
  #ended = false;

  constructor(options: HostedOptions) {
    this.#options = options;
  }

  get state(): 'running' | 'idle' | 'down' {
    if (this.#running) return 'running';
    return performance.now() < this.#notBefore ? 'down' : 'idle';
  }

  get pid(): number | undefined {
    return this.#running?.isolate.pid;
  }

  /**
   * The socket on which it takes calls now.
   * @throws BATON_FUNCTION_NOT_FOUND, BATON_FUNCTION_DOWN while it may not start again yet, BATON_FUNCTION_INVALID
   */
  async socket(): Promise<string> {
    this.usedAt = performance.now();
    if (this.#running) {
      if (this.usedAt - this.#checkedAt > CHECK_EVERY_MS) void this.refresh();
      return this.#running.isolate.socket;
    }
    this.#starting ??= this.#inTurn(() => this.#running ?? this.#startCurrent()).finally(() => {
      this.#starting = undefined;
    });
    return (await this.#starting).isolate.socket;
  }

  /**
   * Starts a bundle, and once it runs has `commit` write it down and lets it take the calls.
   * @throws BATON_FUNCTION_INVALID, or what `commit` throws; what ran before goes on then
   */
  deploy(bundle: Bundle, commit: () => Promise<FunctionVersion>): Promise<FunctionVersion> {
    return this.#inTurn(async () => {
      const env = await this.#options.secrets.environment(this.#options.tenant, bundle.env);
      let version = 0;
      const launched = await this.#launch(bundle, env, () => version);
      try {
        const record = await commit();
        version = record.version;
        this.#failures = this.#notBefore = 0;
        this.#takeOver({ ...launched, version, fingerprint: fingerprintOf(record, env) });
        return record;
      } catch (error) {
        launched.isolate.kill('it was not deployed');
        throw error;
      }
    });
  }

  /** Brings what runs in line with what is deployed; when that fails, it goes on as it is. */
  refresh(): Promise<void> {
    this.#checkedAt = performance.now();
    return this.#inTurn(async () => {
      if (!this.#running) return;
      try {
        const { version, env, fingerprint } = await this.#deployed();
        if (this.#running?.fingerprint === fingerprint) return;
        const { records, tenant, name } = this.#options;
        const code = await records.code(tenant, name, version);
        const launched = await this.#launch({ ...version, code }, env, () => version.version);
        this.#takeOver({ ...launched, version: version.version, fingerprint });
      } catch (error) {
        const { code, message } = asBatonError(error);
        if (code === 'BATON_FUNCTION_NOT_FOUND') return void (await this.#end());
        this.#options.log.warn({ err: error }, 'function goes on as it is');
        this.#note('error', `What is deployed now does not start: ${message}`);
      }
    });
  }

  /** Ends its processes and starts none any more. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#end();
  }

  /** Ends its process until it is called again. */
  rest(): Promise<void> {
    return this.#inTurn(async () => this.#retire(this.#running, 0));
  }

  async #startCurrent(): Promise<Running> {
    const wait = Math.ceil(this.#notBefore - performance.now());
    const { tenant, name, records } = this.#options;
    if (wait > 0)
      throw functionDown({
        function: name,
        reason: `${this.#lastEnd}; it may start again in ${wait} ms`,
        afterMs: wait,
      });
    const { version, env, fingerprint } = await this.#deployed();
    const code = await records.code(tenant, name, version);
    try {
      const launched = await this.#launch({ ...version, code }, env, () => version.version);
      return this.#takeOver({ ...launched, version: version.version, fingerprint });
    } catch (error) {
      this.#backOff(asBatonError(error).message);
      throw error;
    }
  }

  async #deployed(): Promise<{ version: FunctionVersion; env: Record<string, string>; fingerprint: string }> {
    const { records, secrets, tenant, name } = this.#options;
    const [version] = await records.versions(tenant, name);
    if (version === undefined) throw functionNotFound({ function: name });
    const env = await secrets.environment(tenant, version.env);
    return { version, env, fingerprint: fingerprintOf(version, env) };
  }

  async #launch(
    { code, allowNet }: Bundle,
    env: Record<string, string>,
    version: () => number,
  ): Promise<{ isolate: Isolate; startedAt: number }> {
    const { launcher, dir, ranges, nextId, name, admit } = this.#options;
    admit();
    const values = Object.values(env);
    const isolate = await Isolate.start({
      ...{ launcher: launcher(), dir, id: nextId(), name, code, env, allowNet, ranges },
      onLine: (level, text) => this.logs.push({ level, text, version: version() }, values),
    });
    this.isolates.add(isolate);
    void isolate.ended.then((reason) => this.#gone(isolate, reason));
    if (!this.#ended) return { isolate, startedAt: performance.now() };
    isolate.kill('it was ended');
    throw functionNotFound({ function: name });
  }

  #takeOver(running: Running): Running {
    this.#retire(this.#running, RETIRE_MS);
    this.#running = running;
    this.#checkedAt = performance.now();
    this.#options.log.info({ version: running.version, pid: running.isolate.pid }, 'function runs');
    return running;
  }

  #retire(running: Running | undefined, graceMs: number): void {
    if (running === undefined) return;
    if (this.#running === running) this.#running = undefined;
    setTimeout(() => void running.isolate.stop(GRACE_MS), graceMs).unref();
  }

  #gone(isolate: Isolate, reason: string): void {
    this.isolates.delete(isolate);
    const running = this.#running;
    if (running?.isolate !== isolate) return;
    this.#running = undefined;
    if (performance.now() - running.startedAt >= STABLE_MS) this.#failures = 0;
    this.#backOff(reason);
    this.#options.log.warn({ version: running.version, reason }, 'function ended');
    this.#note('error', `The function ended: ${reason}.`, running.version);
  }

  #backOff(reason: string): void {
    this.#lastEnd = reason;
    this.#notBefore = performance.now() + Math.min(BACKOFF_MS * 2 ** this.#failures++, MAX_BACKOFF_MS);
  }

  #note(level: 'error', text: string, version = this.#running?.version ?? 0): void {
    this.logs.push({ level, text, version });
  }

  async #end(): Promise<void> {
    this.#running = undefined;
    await Promise.all([...this.isolates].map((isolate) => isolate.stop(END_GRACE_MS)));
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

function fingerprintOf({ version, code }: FunctionVersion, env: Record<string, string>): string {
  return createHash('sha256')
    .update(JSON.stringify([version, code, env]))
    .digest('base64');
}
