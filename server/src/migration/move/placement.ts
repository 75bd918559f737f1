// Which host takes a room: one that is up, on this machine, of the newest code, and has the fewest rooms.
import type { HostRecord } from '../../store/index.ts';

export class Placement {
  private readonly candidates: HostRecord[];
  private readonly assigned = new Map<string, number>();

  /**
   * @param hosts live hosts
   * @param from  the host that gives rooms away; never chosen
   */
  constructor(hosts: HostRecord[], from: HostRecord) {
    const able = hosts.filter((h) => h.id !== from.id && h.state === 'up' && h.machine === from.machine);
    const newest = Math.max(...able.map((h) => h.generation));
    this.candidates = able.filter((h) => h.generation === newest);
  }

  /** The host for the next `rooms` rooms, or undefined when nobody can take them. */
  next(rooms: number): HostRecord | undefined {
    let best: HostRecord | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const host of this.candidates) {
      const load = host.rooms + (this.assigned.get(host.id) ?? 0);
      if (load < least) {
        best = host;
        least = load;
      }
    }
    if (best) this.assigned.set(best.id, (this.assigned.get(best.id) ?? 0) + rooms);
    return best;
  }
}
