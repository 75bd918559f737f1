// Which version of its mapping a socket has: the one it was opened with, or a later one that says it is adopted.
import type { Room } from '@colyseus/core';
import type { Mapping, MappingRegistry } from '../mappings/index.ts';
import { trackOf } from '../migration/index.ts';
import { lanesChanged } from './lane.ts';
import type { HostedSocket } from './service.ts';

export interface VersionsOptions {
  mappings: Pick<MappingRegistry, 'onChange' | 'has' | 'get'>;
  sockets: { all(): Iterable<HostedSocket>; runs(room: HostedSocket): boolean };
  /** A socket has another version than before. */
  adopted(room: HostedSocket): void;
}

export class Versions {
  private readonly options: VersionsOptions;

  constructor(options: VersionsOptions) {
    this.options = options;
    options.mappings.onChange((tenant, name, mapping) => mapping && this.updated(tenant, name, mapping));
  }

  current(tenant: string, name: string): Mapping | undefined {
    const { mappings } = this.options;
    return mappings.has(tenant, name) ? mappings.get(tenant, name) : undefined;
  }

  /** A mapping that came from another host: all sockets here with this version have it once. */
  shared(mapping: Mapping): Mapping {
    const known = this.current(mapping.tenant, mapping.name);
    return known?.version === mapping.version ? known : mapping;
  }

  /**
   * A socket opens here, or came from another host: meanwhile its mapping may have changed.
   * @returns whether it has another version than before
   */
  catchUp(room: HostedSocket): boolean {
    room.mapping = this.shared(room.mapping);
    const current = this.current(room.mapping.tenant, room.mapping.name);
    return current !== undefined && adopt(room, current);
  }

  private updated(tenant: string, name: string, mapping: Mapping): void {
    const { sockets } = this.options;
    for (const room of sockets.all()) {
      if (room.mapping.tenant !== tenant || room.mapping.name !== name) continue;
      if (sockets.runs(room)) this.take(room, mapping);
      // one that is about to move may stay; else it catches up where it arrives
      else
        void trackOf(room as unknown as Room)
          .stays()
          .then(() => sockets.runs(room) && this.take(room, mapping));
    }
  }

  private take(room: HostedSocket, mapping: Mapping): void {
    if (adopt(room, mapping)) this.options.adopted(room);
  }
}

/** A socket keeps the version it was opened with, unless a new one is to be adopted. @returns whether it was */
function adopt(room: HostedSocket, mapping: Mapping): boolean {
  if (mapping.onUpdate !== 'adopt' || mapping.version <= room.mapping.version) return false;
  if (room.mapping.forward !== mapping.forward) room.inform('forward', { forward: mapping.forward });
  room.mapping = mapping;
  lanesChanged();
  return true;
}
