import { procStat } from '../telemetry/index.ts';

export interface Usage {
  /** CPU time over wall time since the last sample, 1 = one core. */
  cpu: number;
  /** Resident memory in bytes. */
  memory: number;
}

/** Linux reports CPU time in 1/100 s (USER_HZ) and memory in pages, proc_pid_stat(5). */
const ticksPerSecond = 100;
const pageSize = 4096;

/** CPU and memory of other processes, from `/proc`; elsewhere nothing is known. */
export class UsageSampler {
  readonly #last = new Map<number, { ticks: number; at: number }>();

  sample(pid: number): Usage | undefined {
    const fields = procStat(pid);
    if (fields === undefined) {
      this.#last.delete(pid);
      return undefined;
    }
    const ticks = Number(fields[11]) + Number(fields[12]);
    const at = performance.now();
    const before = this.#last.get(pid);
    this.#last.set(pid, { ticks, at });
    const cpu =
      before === undefined ? 0 : ((ticks - before.ticks) / ticksPerSecond / (at - before.at)) * 1000;
    return { cpu, memory: Number(fields[21]) * pageSize };
  }
}
