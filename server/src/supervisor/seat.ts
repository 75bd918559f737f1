import type { Log } from '../telemetry/index.ts';
import type { HostProcess } from './host-process.ts';
import type { Timing } from './options.ts';

export interface SeatOptions {
  generation: number;
  spawn: (generation: number, standby: boolean) => HostProcess;
  timing: Timing;
  log: Log;
  /** Called each time a host here became ready. */
  onReady?: (host: HostProcess) => void;
}

/**
 * A place for one host: whenever its host crashes, the next one starts after a delay that doubles with every
 * crash in a row.
 */
export class Seat {
  readonly generation: number;
  host: HostProcess | undefined;
  /** Hosts that were started here after a crash. */
  restarts = 0;
  readonly #options: SeatOptions;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #retired = false;
  #kept: HostProcess | undefined;

  constructor(options: SeatOptions) {
    this.#options = options;
    this.generation = options.generation;
  }

  /**
   * Starts the first host. Resolves when it is ready, rejects when it does not get there.
   * @param standby it takes no rooms yet
   */
  async open(standby: boolean): Promise<HostProcess> {
    const host = this.#spawn(standby);
    await host.ready;
    return host;
  }

  /** Starts hosts until one is ready. */
  openAndKeep(): void {
    this.#restart();
  }

  /** From now on a host that ends here is replaced. */
  keep(host: HostProcess): void {
    if (this.#kept === host) return;
    this.#kept = host;
    void host.exited.then((how) => {
      if (this.#retired || this.host !== host) return;
      const { log, timing } = this.#options;
      if (Date.now() - host.startedAt >= timing.stable) this.#failures = 0;
      const delayMs = Math.min(timing.backoff * 2 ** this.#failures++, timing.backoffMax);
      log.error(
        { host: host.id, pid: host.pid, delayMs },
        `host ${how}; the next one starts in ${delayMs} ms`,
      );
      this.#timer = setTimeout(() => {
        this.restarts++;
        this.#restart();
      }, delayMs);
    });
  }

  /** No host will be started here any more; the one that runs stays. */
  retire(): void {
    this.#retired = true;
    clearTimeout(this.#timer);
  }

  /** Takes `retire` back. */
  reinstate(): void {
    if (!this.#retired) return;
    this.#retired = false;
    if (this.host === undefined || this.host.state === 'gone') this.#restart();
  }

  #restart(): void {
    const host = this.#spawn(false);
    this.keep(host);
    host.ready.catch((error: unknown) => this.#options.log.error({ err: error }, 'host did not start'));
  }

  #spawn(standby: boolean): HostProcess {
    const host = this.#options.spawn(this.generation, standby);
    this.host = host;
    host.ready.then(
      () => this.#options.onReady?.(host),
      () => {},
    );
    return host;
  }
}
