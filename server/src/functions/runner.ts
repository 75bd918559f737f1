import fs from 'node:fs';
import { type BatonError, bundleTooLarge, functionDown, functionNotFound, secretInUse } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { Hosted } from './hosted.ts';
import { MAX_BUNDLE_BYTES, MAX_LOG_WAIT_MS } from './protocol.ts';
import { type Bundle, FunctionRecords, type FunctionVersion } from './records.ts';
import { Secrets, type SecretView } from './secrets.ts';
import type { FunctionDetails, FunctionLogs, FunctionView } from './views.ts';
import { findWorkerd } from './workerd.ts';

/** Processes of functions on one machine, those that are being replaced included. */
const MAX_PROCESSES = 64;
/** A function that nobody called for so long: as long as a socket may wait for its peer. */
const IDLE_MS = 3_600_000;
const LOOK_EVERY_MS = 60_000;
/** Topic on which runners of one store tell each other what changed. */
const TOPIC = 'baton:functions';

export interface RunnerOptions {
  store: Store;
  /** Of its sockets; mode 0700, and its own. */
  dir: string;
  /** CIDR ranges that functions may connect to although they are not public. */
  ranges: readonly string[];
  /** @throws BATON_SECRETS_UNAVAILABLE */
  secretsKey: () => Buffer;
  log: Log;
}

/** Runs the functions of all tenants on one machine, each in a process of its own. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #records: FunctionRecords;
  readonly #secrets: Secrets;
  readonly #hosted = new Map<string, Hosted>();
  readonly #timer: NodeJS.Timeout;
  #lastId = 0;

  static async start(options: RunnerOptions): Promise<Runner> {
    // what one that was killed has left: its processes ended with it
    fs.rmSync(options.dir, { recursive: true, force: true });
    fs.mkdirSync(options.dir, { mode: 0o700 });
    const runner = new Runner(options);
    await options.store.presence.subscribe(TOPIC, runner.#changed);
    return runner;
  }

  private constructor(options: RunnerOptions) {
    this.#options = options;
    this.#records = new FunctionRecords(options.store);
    this.#secrets = new Secrets(options.store, options.secretsKey);
    this.#timer = setInterval(() => this.#restIdle(), LOOK_EVERY_MS);
  }

  /** The Unix socket on which a function takes calls, started if need be. @throws see `Hosted.socket` */
  async socket(tenant: string, name: string): Promise<string> {
    try {
      return await this.#of(tenant, name).socket();
    } catch (error) {
      if ((error as BatonError).code === 'BATON_FUNCTION_NOT_FOUND') await this.#forget(tenant, name);
      throw error;
    }
  }

  /**
   * Starts a bundle, and when it runs makes it the current version.
   * @throws BATON_FUNCTION_INVALID, BATON_FUNCTION_TOO_LARGE, BATON_SECRET_NOT_FOUND, BATON_SECRETS_UNAVAILABLE,
   *   BATON_FUNCTIONS_UNSUPPORTED, BATON_FUNCTIONS_FULL
   */
  async deploy(tenant: string, name: string, bundle: Bundle): Promise<FunctionView> {
    const bytes = Buffer.byteLength(bundle.code);
    if (bytes > MAX_BUNDLE_BYTES) throw bundleTooLarge({ function: name, bytes, limit: MAX_BUNDLE_BYTES });
    return this.#bringIn(tenant, name, bundle, () => this.#records.add(tenant, name, bundle));
  }

  /** Deploys an earlier version again. @param version default: the one before the current one */
  async rollback(tenant: string, name: string, version?: number): Promise<FunctionView> {
    const versions = await this.#records.versions(tenant, name);
    const earlier = version === undefined ? versions[1] : versions.find((known) => known.version === version);
    if (earlier === undefined)
      throw functionNotFound({
        function: version === undefined ? `${name} before this one` : `${name} of version ${version}`,
      });
    const code = await this.#records.code(tenant, name, earlier);
    return this.#bringIn(tenant, name, { ...earlier, code }, () =>
      this.#records.again(tenant, name, earlier),
    );
  }

  async list(tenant: string): Promise<FunctionView[]> {
    return Object.entries(await this.#records.all(tenant))
      .map(([name, versions]) => this.#view(tenant, name, versions[0]!))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async show(tenant: string, name: string): Promise<FunctionDetails> {
    const versions = await this.#records.versions(tenant, name);
    const view = this.#view(tenant, name, versions[0]!);
    return { ...view, versions: versions.map(({ code: _code, ...version }) => version) };
  }

  async remove(tenant: string, name: string): Promise<void> {
    await this.#records.remove(tenant, name);
    await this.#forget(tenant, name);
    await this.#tell(tenant, name);
  }

  /**
   * What a function wrote on this machine.
   * @param after number of the last line that is known, 0 = none
   * @param waitMs how long to wait for a line after that
   */
  async logs(
    tenant: string,
    name: string,
    after: number,
    limit: number,
    waitMs: number,
  ): Promise<FunctionLogs> {
    await this.#records.versions(tenant, name);
    const { logs } = this.#of(tenant, name);
    await logs.wait(after, Math.min(waitMs, MAX_LOG_WAIT_MS));
    return { lines: logs.read(after, limit) };
  }

  async setSecret(tenant: string, name: string, value: string): Promise<SecretView> {
    const view = await this.#secrets.set(tenant, name, value);
    for (const user of await this.#usersOf(tenant, name)) await this.#tell(tenant, user);
    return view;
  }

  secrets(tenant: string): Promise<SecretView[]> {
    return this.#secrets.list(tenant);
  }

  /** @throws BATON_SECRET_IN_USE, BATON_SECRET_NOT_FOUND */
  async removeSecret(tenant: string, name: string): Promise<void> {
    const [user] = await this.#usersOf(tenant, name);
    if (user !== undefined) throw secretInUse({ secret: name, function: user });
    await this.#secrets.remove(tenant, name);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#options.store.presence.unsubscribe(TOPIC, this.#changed);
    await Promise.all([...this.#hosted.values()].map((hosted) => hosted.end()));
    fs.rmSync(this.#options.dir, { recursive: true, force: true });
  }

  async #bringIn(
    tenant: string,
    name: string,
    bundle: Bundle,
    commit: () => Promise<FunctionVersion>,
  ): Promise<FunctionView> {
    const hosted = this.#of(tenant, name);
    try {
      const version = await hosted.deploy(bundle, commit);
      await this.#tell(tenant, name);
      return this.#view(tenant, name, version);
    } catch (error) {
      if (hosted.isolates.size === 0 && hosted.state === 'idle') await this.#forget(tenant, name);
      throw error;
    }
  }

  #view(tenant: string, name: string, { code: _code, ...version }: FunctionVersion): FunctionView {
    const hosted = this.#hosted.get(keyOf(tenant, name));
    const pid = hosted?.pid;
    return { name, ...version, state: hosted?.state ?? 'idle', ...(pid === undefined ? {} : { pid }) };
  }

  #of(tenant: string, name: string): Hosted {
    const key = keyOf(tenant, name);
    let hosted = this.#hosted.get(key);
    if (hosted) return hosted;
    const { dir, ranges, log } = this.#options;
    hosted = new Hosted({
      ...{ tenant, name, dir, ranges, records: this.#records, secrets: this.#secrets, launcher: findWorkerd },
      nextId: () => `f${++this.#lastId}`,
      admit: () => this.#admit(name),
      log: log.child({ tenant, function: name }),
    });
    this.#hosted.set(key, hosted);
    return hosted;
  }

  #admit(name: string): void {
    const processes = [...this.#hosted.values()].reduce((sum, { isolates }) => sum + isolates.size, 0);
    if (processes >= MAX_PROCESSES)
      throw functionDown({
        function: name,
        reason: `${MAX_PROCESSES} functions run on this machine already`,
      });
  }

  async #usersOf(tenant: string, secret: string): Promise<string[]> {
    return Object.entries(await this.#records.all(tenant))
      .filter(([, [current]]) => Object.values(current!.env).includes(secret))
      .map(([name]) => name);
  }

  /** All runners, this one included. */
  async #tell(tenant: string, name: string): Promise<void> {
    await this.#options.store.presence.publish(TOPIC, { tenant, name });
  }

  readonly #changed = (message: unknown): void => {
    const { tenant, name } = message as { tenant?: unknown; name?: unknown };
    void this.#hosted.get(keyOf(String(tenant), String(name)))?.refresh();
  };

  async #forget(tenant: string, name: string): Promise<void> {
    const hosted = this.#hosted.get(keyOf(tenant, name));
    this.#hosted.delete(keyOf(tenant, name));
    await hosted?.end();
  }

  #restIdle(): void {
    for (const hosted of this.#hosted.values())
      if (hosted.pid !== undefined && performance.now() - hosted.usedAt > IDLE_MS) void hosted.rest();
  }
}

const keyOf = (tenant: string, name: string) => JSON.stringify([tenant, name]);
