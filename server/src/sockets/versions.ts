// Which version of its mapping a socket has: the one it was opened with, or a later one that says it is adopted.
import type { Mapping, MappingRegistry } from '../mappings/index.ts';
import { lanesChanged } from './lane.ts';
import type { LocalSockets } from './local-sockets.ts';
import type { HostedSocket } from './service.ts';

export interface VersionsOptions {
  mappings: MappingRegistry;
  sockets: Pick<LocalSockets, 'all' | 'runs'>;
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

  /** Came from another host. */
  arrived(room: HostedSocket): void {
    room.mapping = this.shared(room.mapping);
    const current = this.current(room.mapping.tenant, room.mapping.name);
    if (current) adopt(room, current);
  }

  private updated(tenant: string, name: string, mapping: Mapping): void {
    const { sockets, adopted } = this.options;
    for (const room of sockets.all()) {
      if (room.mapping.tenant !== tenant || room.mapping.name !== name || !sockets.runs(room)) continue;
      if (adopt(room, mapping)) adopted(room);
    }
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
