import http from 'node:http';
import { procStat } from '../telemetry/index.ts';
import { PULSE_HOST } from './worker-config.ts';

const LOOK_EVERY_MS = 500;
/** CPU time in which the process answers no pulse: its code does not give way. */
const STUCK_CPU_MS = 2_000;
/** … and the same in time, for one that stands still without using any. */
const SILENT_MS = 30_000;
/** Resident memory. */
const MAX_RESIDENT_BYTES = 384 * 1024 * 1024;
/** Linux counts CPU time in 1/100 s and memory in pages, proc_pid_stat(5). */
const TICK = 10;
const PAGE_SIZE = 4096;

export interface WatchOptions {
  pid: number;
  /** Unix socket on which the runtime answers without the function's code. */
  pulse: string;
  kill: (reason: string) => void;
}

/**
 * Watches the process of a function. workerd runs all its code on one thread and keeps no limits itself: while code of
 * the function does not give way, a pulse is not answered. What counts is the CPU time that passed meanwhile, so that
 * a function is not ended because the machine is busy with something else.
 */
export class Watch {
  readonly #options: WatchOptions;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  readonly #timer: NodeJS.Timeout;
  #asked: { cpuMs: number; at: number } | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#agent.destroy();
  }

  #look(): void {
    const fields = procStat(this.#options.pid);
    if (fields === undefined) return;
    const cpuMs = (Number(fields[11]) + Number(fields[12])) * TICK;
    const resident = Number(fields[21]) * PAGE_SIZE;
    const reason =
      resident > MAX_RESIDENT_BYTES
        ? `it held more than ${MAX_RESIDENT_BYTES / 2 ** 20} MiB of memory`
        : this.#asked && tooLong(cpuMs - this.#asked.cpuMs, performance.now() - this.#asked.at);
    if (reason !== undefined) {
      clearInterval(this.#timer);
      this.#options.kill(reason);
    } else if (this.#asked === undefined) {
      this.#ask(cpuMs);
    }
  }

  #ask(cpuMs: number): void {
    this.#asked = { cpuMs, at: performance.now() };
    const answered = () => {
      this.#asked = undefined;
    };
    // one that is stuck takes the connection and is silent; an error is another's business, or its end
    http
      .get({ socketPath: this.#options.pulse, agent: this.#agent, host: PULSE_HOST }, (response) =>
        response.resume().on('close', answered),
      )
      .on('error', answered);
  }
}

function tooLong(cpuMs: number, ms: number): string | undefined {
  if (cpuMs >= STUCK_CPU_MS) return `it ran for more than ${STUCK_CPU_MS} ms without giving way`;
  return ms >= SILENT_MS ? `it was silent for ${SILENT_MS} ms` : undefined;
}
