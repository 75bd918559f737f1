// Viewers that may see the same: what they are told is put together once for all of them.
import type { EventSink, Principal } from '../control/index.ts';
import type { Changes, Picture } from './picture.ts';

/** A part of the picture, and the scope that shows it. */
export interface Sight {
  tenant: string;
  hosts: boolean;
  sockets: boolean;
  mappings: boolean;
  letters: boolean;
}

export function sightOf({ tenant, operator, scopes }: Principal): Sight {
  return {
    tenant,
    hosts: operator && scopes.has('hosts:read'),
    sockets: scopes.has('sockets:read'),
    mappings: scopes.has('mappings:read'),
    letters: scopes.has('dead-letters:read'),
  };
}

/** What is not in the picture. */
export interface Beside {
  tenants(): string[];
  mappings(tenant: string): unknown[];
  letters(tenant: string): unknown[];
  bounds: number[];
}

interface Viewer {
  principal: Principal;
  out: EventSink;
  /** It has missed something: next comes everything. */
  behind: boolean;
}

export class Audience {
  readonly sight: Sight;
  readonly viewers = new Set<Viewer>();
  private readonly picture: Picture;
  private readonly beside: Beside;
  /** Parts that come whole, as they were told last. */
  private readonly told = new Map<string, string>();

  constructor(sight: Sight, picture: Picture, beside: Beside) {
    this.sight = sight;
    this.picture = picture;
    this.beside = beside;
  }

  /** Of everything, for one of them. */
  snapshot(principal: Principal): string {
    const { tenant, hosts, sockets } = this.sight;
    const { operator, key, scopes } = principal;
    const parts = this.wholes().map(([name, json]) => `${JSON.stringify(name)}:${json}`);
    const lists = {
      you: { tenant, operator, key, scopes: [...scopes] },
      ...(operator ? { tenants: this.beside.tenants() } : {}),
      ...(hosts ? { rooms: this.picture.roomViews(), moves: this.picture.moveViews() } : {}),
      ...(sockets ? { sockets: this.picture.socketViews(tenant) } : {}),
    };
    return `{${[`"at":${Date.now()}`, ...parts, JSON.stringify(lists).slice(1, -1)].join(',')}}`;
  }

  /** Tells all of them what has changed. */
  tell({ rooms, sockets, moves }: Changes): void {
    const parts: string[] = [];
    for (const [name, json] of this.wholes()) {
      if (this.told.get(name) === json) continue;
      this.told.set(name, json);
      parts.push(`"${name}":${json}`);
    }
    const { tenant } = this.sight;
    const lists = {
      ...(this.sight.hosts && rooms ? { rooms } : {}),
      ...(this.sight.hosts && moves.length > 0 ? { moves } : {}),
      ...(this.sight.sockets && sockets.has(tenant) ? { sockets: sockets.get(tenant) } : {}),
    };
    if (Object.keys(lists).length > 0) parts.push(JSON.stringify(lists).slice(1, -1));
    const change = parts.length > 0 ? `{${[`"at":${Date.now()}`, ...parts].join(',')}}` : undefined;
    for (const viewer of this.viewers) this.pass(viewer, change);
  }

  private pass(viewer: Viewer, change: string | undefined): void {
    const { out, principal } = viewer;
    if (!out.ready) {
      viewer.behind ||= change !== undefined;
    } else if (viewer.behind) {
      viewer.behind = false;
      out.send('snapshot', this.snapshot(principal));
    } else if (change === undefined) out.beat();
    else out.send('change', change);
  }

  private wholes(): [name: string, json: string][] {
    const { picture, beside, sight } = this;
    const { tenant } = sight;
    const parts: [string, unknown][] = [];
    if (sight.hosts)
      parts.push(
        ['hosts', picture.hostViews()],
        ['blackouts', { bounds: beside.bounds, counts: picture.blackouts() }],
      );
    if (sight.sockets) {
      const queues = picture.queues(tenant);
      parts.push(['queues', queues], ['socketCount', queues.reduce((sum, { sockets }) => sum + sockets, 0)]);
    }
    if (sight.mappings) parts.push(['calls', picture.calls(tenant)], ['mappings', beside.mappings(tenant)]);
    if (sight.letters) parts.push(['deadLetters', beside.letters(tenant)]);
    return parts.map(([name, part]) => [name, JSON.stringify(part)]);
  }
}
