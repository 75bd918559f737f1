import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ReloadOptions, ReloadResult } from '../control/index.ts';
import { runtimeDirUnsafe, stopping } from '../errors.ts';
import { Handoff } from '../handoff/index.ts';
import type { HostSettings } from '../host/settings.ts';
import { type Log, silentLog, startTicks, withoutPassword } from '../telemetry/index.ts';
import { byNumber, Fleet } from './fleet.ts';
import { HostProcess, type HostState } from './host-process.ts';
import { type HostProgram, hostProgram } from './host-program.ts';
import { type BoundPort, bindPort, localUrl } from './listen.ts';
import type { FromHost } from './messages.ts';
import {
  checkOptions,
  chooseToken,
  defaultTiming,
  LOOPBACK,
  metricsToken,
  type SupervisorOptions,
  type Timing,
} from './options.ts';
import { RunnerProcess } from './runner-process.ts';
import {
  defaultRuntimeBase,
  isRunning,
  makeRuntimeDir,
  readServiceFile,
  removeServiceFile,
  writeServiceFile,
} from './service-file.ts';

export type { HostLine, StoreChoice, SupervisorOptions, Timing } from './options.ts';

export interface HostStatus {
  id: string | undefined;
  pid: number | undefined;
  state: HostState;
  generation: number;
  /** Unix time in ms. */
  startedAt: number;
}

/** Runs one service on this machine: the port, the embedded store and the host processes. */
export class Supervisor {
  readonly runtimeDir: string;
  readonly port: number;
  /** Under which this machine reaches the service. */
  readonly url: string;
  /** Bearer token of the control API. */
  readonly token: string;
  readonly #metricsToken: string | undefined;
  readonly startedAt = Date.now();
  /** Resolves when the service has ended. */
  readonly closed: Promise<void>;
  readonly #options: SupervisorOptions;
  readonly #timing: Timing;
  readonly #log: Log;
  readonly #bound: BoundPort;
  readonly #program: HostProgram;
  readonly #fleet: Fleet;
  readonly #runner: RunnerProcess;
  #store: { close(): Promise<void> } | undefined;
  #lastGeneration = 0;
  #stopping: Promise<void> | undefined;
  #resolveClosed!: () => void;

  /**
   * Starts a service and resolves when all its hosts are ready. While the Redis store cannot be reached it
   * keeps trying, until `signal` is aborted.
   * @throws portInUse, invalidOption, runtimeDirUnsafe, or the error of the first host that failed
   */
  static async start(options: SupervisorOptions, signal?: AbortSignal): Promise<Supervisor> {
    checkOptions(options);
    const supervisor = new Supervisor(options);
    const abort = () => supervisor.#fleet.kill();
    signal?.addEventListener('abort', abort);
    try {
      await supervisor.#open(signal);
      return supervisor;
    } catch (error) {
      await supervisor.#close(() => supervisor.#fleet.stop(0), 0);
      throw signal?.aborted ? stopping({}, error) : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#timing = { ...defaultTiming, ...options.timing };
    this.token = chooseToken(options.controlToken);
    this.#metricsToken = metricsToken(options.metricsToken);
    this.#bound = bindPort(options.port ?? 2567, options.host);
    this.port = this.#bound.port;
    this.url = localUrl(this.#bound.address, this.port);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    try {
      this.runtimeDir = makeRuntimeDir(
        options.runtimeDir ?? path.join(defaultRuntimeBase(), String(this.port)),
      );
      const other = readServiceFile(this.runtimeDir);
      if (other !== undefined && other.pid !== process.pid && isRunning(other)) {
        throw runtimeDirUnsafe({
          path: this.runtimeDir,
          reason: `the service with process ${other.pid} uses it`,
        });
      }
      this.#program = options.program ?? hostProgram(options.app, this.runtimeDir);
    } catch (error) {
      this.#bound.close();
      throw error;
    }
    this.#runner = new RunnerProcess({
      settings: {
        store: this.#storeSettings,
        runtimeDir: this.runtimeDir,
        allowEndpoints: this.#allowEndpoints,
      },
      timing: this.#timing,
      log: this.#log,
      onLine: (line) => options.onLine?.(line),
    });
    this.#fleet = new Fleet({
      size: this.#possibleHosts(options.hosts ?? 2),
      timing: this.#timing,
      log: this.#log,
      onChange: () => options.onChange?.(),
      nextGeneration: () => this.#nextGeneration(),
      spawn: (generation, standby, onMessage) => this.#spawn(generation, standby, onMessage),
    });
  }

  /** The process that runs hosted functions, once it was needed. */
  get runnerPid(): number | undefined {
    return this.#runner.pid;
  }

  /** Every living host, those on their way out included, by id; those without one yet come last. */
  hosts(): HostStatus[] {
    return [...this.#fleet.hosts]
      .sort((a, b) => byNumber.compare(a.id ?? 'z', b.id ?? 'z'))
      .map((host) => ({
        id: host.id,
        pid: host.pid,
        state: host.state,
        generation: host.settings.generation,
        startedAt: host.startedAt,
      }));
  }

  /** Without handoff an upgrade could not reach a room on another host, so there is one host only. */
  #possibleHosts(wanted: number): number {
    const support = Handoff.supported();
    if (support.ok || wanted === 1) return wanted;
    this.#log.warn(`one host instead of ${wanted} on ${process.platform}: ${support.reason}`);
    return 1;
  }

  /** How often hosts were started again after a crash. */
  get restarts(): number {
    return this.#fleet.seats.reduce((sum, seat) => sum + seat.restarts, 0);
  }

  /** Brings the code now on disk into service. @throws reloadFailed, reloadInProgress, stopping */
  reload(options?: ReloadOptions): Promise<ReloadResult> {
    return this.#fleet.reload(options);
  }

  /** Lets the hosts end gracefully, those that take too long by force. */
  stop(deadlineMs = this.#timing.stop): Promise<void> {
    this.#stopping ??= this.#close(() => this.#fleet.stop(deadlineMs), deadlineMs);
    return this.#stopping;
  }

  /** Ends the hosts at once. */
  async kill(): Promise<void> {
    this.#fleet.kill();
    await this.stop(0);
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    if (this.#storeKind === 'embedded') {
      const { EmbeddedStoreServer } = await import('../store/index.ts');
      this.#store = await EmbeddedStoreServer.listen({ path: this.#storePath, log: this.#log });
    }
    const { backoffMax } = this.#timing;
    for (let delayMs = Math.min(1000, backoffMax); ; delayMs = Math.min(delayMs * 2, backoffMax)) {
      try {
        signal?.throwIfAborted();
        await this.#fleet.open();
        break;
      } catch (error) {
        if ((error as { code?: string }).code !== 'BATON_STORE_UNAVAILABLE') throw error;
        this.#log.warn({ delayMs }, `${(error as Error).message} Trying again in ${delayMs} ms.`);
        await wait(delayMs, undefined, { signal });
      }
    }
    const { url, port, token, startedAt } = this;
    const { pid } = process;
    writeServiceFile(this.runtimeDir, { url, port, token, pid, pidStart: startTicks(pid), startedAt });
    const { store } = this.#options;
    const storeName = store?.kind === 'redis' ? withoutPassword(store.url) : 'embedded';
    this.#log.info({ url, hosts: this.#fleet.hosts.size, store: storeName }, 'service is ready');
  }

  async #close(endHosts: () => Promise<void>, deadlineMs: number): Promise<void> {
    await endHosts();
    // hosts that end still call close functions
    await this.#runner.stop(deadlineMs);
    await this.#store
      ?.close()
      .catch((error: unknown) => this.#log.warn({ err: error }, 'store did not close'));
    removeServiceFile(this.runtimeDir, process.pid);
    this.#bound.close();
    this.#resolveClosed();
  }

  get #storeKind(): 'redis' | 'embedded' {
    return this.#options.store?.kind ?? 'embedded';
  }

  get #storePath(): string {
    return path.join(this.runtimeDir, 'store.sock');
  }

  get #storeSettings(): HostSettings['store'] {
    const { store } = this.#options;
    return store?.kind === 'redis' ? store : { kind: 'embedded', path: this.#storePath };
  }

  get #development(): boolean {
    return this.#options.development ?? this.#storeKind !== 'redis';
  }

  get #allowEndpoints(): string[] {
    return this.#options.allowEndpoints ?? (this.#development ? LOOPBACK : []);
  }

  /** Drawn from the store: services that share one agree on whose code is the newest. An embedded one has no other. */
  async #nextGeneration(): Promise<number> {
    const { store } = this.#options;
    if (store?.kind !== 'redis') return ++this.#lastGeneration;
    const { nextGeneration } = await import('../store/index.ts');
    return nextGeneration({ url: store.url, prefix: store.prefix, log: this.#log });
  }

  /** A host that was killed leaves its own. */
  #removeSocket(hostId: string | undefined): void {
    if (hostId) fs.rmSync(path.join(this.runtimeDir, `${hostId}.sock`), { force: true });
  }

  #spawn(
    generation: number,
    standby: boolean,
    onMessage: (host: HostProcess, message: FromHost) => void,
  ): HostProcess {
    const { app, mappings, onLine } = this.#options;
    const settings: HostSettings = {
      app,
      listenFd: 3,
      port: this.port,
      store: this.#storeSettings,
      runtimeDir: this.runtimeDir,
      generation,
      standby,
      controlToken: this.token,
      ...(this.#metricsToken === undefined ? {} : { metricsToken: this.#metricsToken }),
      ...(mappings === undefined ? {} : { mappings }),
      development: this.#development,
      origin: this.#options.origin ?? os.hostname(),
      allowEndpoints: this.#allowEndpoints,
      trustProxy: this.#options.trustProxy ?? [],
      coalesce: this.#options.coalesce ?? 1,
    };
    const host: HostProcess = new HostProcess({
      program: this.#program,
      settings,
      listenFd: this.#bound.fd,
      readyMs: this.#timing.ready,
      hungMs: this.#timing.hung,
      onState: () => this.#options.onChange?.(),
      onHung: () => {
        const { id, pid } = host;
        this.#log.error({ host: id, pid }, `host is silent for ${this.#timing.hung} ms; it is ended`);
      },
      onLine: (text, stream) => onLine?.({ label: host.id ?? 'new', stream, text }),
      onMessage: (message) => {
        if (message.type === 'functions') this.#runner.start();
        else onMessage(host, message);
      },
    });
    void host.exited.then(() => this.#removeSocket(host.id));
    return host;
  }
}
