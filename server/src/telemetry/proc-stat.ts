import fs from 'node:fs';

/**
 * What Linux tells of a process: the fields of proc_pid_stat(5) from the third on, so that field n is at n - 3.
 * @returns undefined when there is no such process, and on other systems
 */
export function procStat(pid: number): string[] | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in field 2 may hold spaces and brackets; field 3 is the first after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** When a process began, in ticks since the machine did: tells it from a later one, or a thread, of the same number. */
export function startTicks(pid: number): number | undefined {
  const fields = procStat(pid);
  return fields && Number(fields[19]);
}
