import fs from 'node:fs';

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
    let stat: string;
    try {
      stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    } catch {
      this.#last.delete(pid);
      return undefined;
    }
    // The name in field 2 may hold spaces and brackets; field 3 is the first after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    const at = performance.now();
    const before = this.#last.get(pid);
    this.#last.set(pid, { ticks, at });
    const cpu =
      before === undefined ? 0 : ((ticks - before.ticks) / ticksPerSecond / (at - before.at)) * 1000;
    return { cpu, memory: Number(fields[21]) * pageSize };
  }
}
