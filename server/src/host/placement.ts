// On which host a new room is made: the one of the newest code with the fewest rooms.
import { matchMaker } from '@colyseus/core';
import type { HostRecord } from '../store/index.ts';

/** Rooms placed on a host since its record was last renewed count as if they were there. */
export class NewRoomPlacement {
  private readonly placed = new Map<string, { rooms: number; startedFrom: number }>();
  private readonly hosts: () => Promise<HostRecord[]>;

  constructor(hosts: () => Promise<HostRecord[]>) {
    this.hosts = hosts;
  }

  /** @returns the processId of the host; this process when the store cannot be asked */
  select = async (): Promise<string> => (await this.place())?.processId ?? matchMaker.processId;

  /** @returns undefined when the store cannot be asked, or no host takes rooms */
  place = async (): Promise<HostRecord | undefined> => {
    let hosts: HostRecord[];
    try {
      hosts = (await this.hosts()).filter((h) => h.state === 'up');
    } catch {
      return undefined;
    }
    const newest = Math.max(...hosts.map((h) => h.generation));
    let best: HostRecord | undefined;
    for (const host of hosts) {
      if (host.generation === newest && (!best || this.load(host) < this.load(best))) best = host;
    }
    if (best) this.placedOn(best).rooms++;
    return best;
  };

  private load(host: HostRecord): number {
    return host.rooms + this.placedOn(host).rooms;
  }

  private placedOn(host: HostRecord): { rooms: number; startedFrom: number } {
    let placed = this.placed.get(host.id);
    if (!placed || placed.startedFrom !== host.rooms) {
      placed = { rooms: 0, startedFrom: host.rooms };
      this.placed.set(host.id, placed);
    }
    return placed;
  }
}
