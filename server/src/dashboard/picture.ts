// What all hosts of the service report, put together. It is there while this host has viewers.
import type {
  WatchedCalls,
  WatchedHost,
  WatchedMove,
  WatchedQueue,
  WatchedRoom,
  WatchedSocket,
} from '../control/index.ts';
import { type Figure, type MoveSeen, merge, percentile } from '../telemetry/index.ts';
import type { CountRow, Report, RoomRow, SocketRow } from './report.ts';
import { Rows } from './rows.ts';

/** A host that reports nothing for so long is shown as it was, … */
const SILENT_MS = 3_000;
/** … and not at all after that. */
const FORGET_MS = 10_000;
/** Rows of sockets of one tenant; all are counted. */
const MAX_SOCKETS_SHOWN = 10_000;
const MAX_ROOMS_SHOWN = 10_000;
/** Moves that a new viewer is told of. */
const MAX_MOVES_SHOWN = 500;
/** All rooms belong to the operator. */
const OPERATOR = '';

interface HostState {
  last: Report;
  /** performance.now() of its last report. */
  at: number;
  figures: Map<string, Figure>;
}

export class Picture {
  private readonly hosts = new Map<string, HostState>();
  private readonly rooms = new Rows<RoomRow>({
    epoch: (row) => row[2],
    group: () => OPERATOR,
    most: MAX_ROOMS_SHOWN,
  });
  private readonly sockets = new Rows<SocketRow>({
    epoch: (row) => row[10],
    group: (row) => row[1],
    most: MAX_SOCKETS_SHOWN,
  });
  /** The newest first. */
  private moves: MoveSeen[] = [];
  private newMoves: MoveSeen[] = [];
  private deafUntil = 0;
  /** Moves of before are not told again when a host says everything. */
  private readonly lastMoveAt = new Map<string, number>();

  /** @returns false: something before it was missed, the host has to say everything */
  apply(report: Report): boolean {
    const { id } = report.host;
    if (report.bye) {
      this.forget(id);
      return true;
    }
    const known = this.hosts.get(id);
    if (!report.full && known?.last.seq !== report.seq - 1) return false;
    if (report.full) {
      this.rooms.drop(id);
      this.sockets.drop(id);
    }
    const figures = report.full || !known ? new Map<string, Figure>() : known.figures;
    for (const figure of report.figures)
      figures.set(`${figure.tenant} ${figure.mapping} ${figure.kind}`, figure);
    this.hosts.set(id, { last: report, at: performance.now(), figures });
    this.rooms.apply(id, report.rooms);
    this.sockets.apply(id, report.sockets);
    this.addMoves(id, report.moves);
    return true;
  }

  private addMoves(host: string, moves: MoveSeen[]): void {
    const after = this.lastMoveAt.get(host) ?? 0;
    const fresh = moves.filter(({ at }) => at > after);
    if (fresh.length === 0) return;
    this.lastMoveAt.set(host, fresh.at(-1)!.at);
    this.newMoves.unshift(...fresh.reverse());
    this.moves = [...fresh, ...this.moves].sort((a, b) => b.at - a.at).slice(0, MAX_MOVES_SHOWN);
  }

  /**
   * Hosts that have said nothing for long are no more.
   * @param hears whether what they say can be heard
   */
  sweep(hears: boolean): void {
    const now = performance.now();
    this.rooms.sweep();
    this.sockets.sweep();
    if (!hears) this.deafUntil = now + FORGET_MS;
    if (now < this.deafUntil) return;
    for (const [id, { at }] of this.hosts) if (now - at > FORGET_MS) this.forget(id);
  }

  private forget(host: string): void {
    this.hosts.delete(host);
    this.rooms.drop(host);
    this.sockets.drop(host);
  }

  clear(): void {
    this.hosts.clear();
    this.rooms.clear();
    this.sockets.clear();
    this.moves = [];
    this.newMoves = [];
    this.lastMoveAt.clear();
  }

  has(host: string): boolean {
    return this.hosts.has(host);
  }

  hostViews(): WatchedHost[] {
    const now = performance.now();
    const views = [...this.hosts.values()].map(({ last, at }): WatchedHost => {
      const { handoffPath: _path, load, ...view } = last.host;
      const sockets = last.counts.reduce((sum, row) => sum + row[2] + row[3] + row[4] + row[5], 0);
      return {
        ...(view as WatchedHost),
        ...(load === undefined ? {} : { cpu: load }),
        // a host counts the rooms of its sockets as rooms, too
        ...{ rooms: Math.max(0, last.host.rooms - sockets), sockets },
        ...{ lagMs: last.lag.p99, lagMaxMs: last.lag.max, silent: now - at > SILENT_MS },
      };
    });
    return views.sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  }

  roomViews(): WatchedRoom[] {
    return this.rooms.of(OPERATOR).map(roomView);
  }

  socketViews(tenant: string): WatchedSocket[] {
    return this.sockets.of(tenant).map(socketView);
  }

  moveViews(): WatchedMove[] {
    return this.moves;
  }

  blackouts(): number[] {
    const sums: number[] = [];
    for (const { last } of this.hosts.values())
      last.blackouts.forEach((count, i) => void (sums[i] = (sums[i] ?? 0) + count));
    return sums;
  }

  /** What is different since this was asked last. */
  changes(): Changes {
    const rooms = this.rooms.changes().get(OPERATOR);
    const sockets = new Map(
      [...this.sockets.changes()].map(([tenant, { changed, gone }]) => [
        tenant,
        { changed: changed.map(socketView), gone },
      ]),
    );
    const moves = this.newMoves;
    this.newMoves = [];
    return {
      ...(rooms ? { rooms: { changed: rooms.changed.map(roomView), gone: rooms.gone } } : {}),
      sockets,
      moves,
    };
  }

  calls(tenant: string): WatchedCalls[] {
    return this.figuresOf(tenant)
      .filter(({ kind }) => kind !== 'wait')
      .map(({ mapping, kind, durations, ...counts }) => ({
        ...{ mapping, event: kind, ...counts },
        ...percentiles(durations),
      }));
  }

  queues(tenant: string): WatchedQueue[] {
    const waits = new Map(
      this.figuresOf(tenant).flatMap((one) => (one.kind === 'wait' ? [[one.mapping, one] as const] : [])),
    );
    const counts = new Map<string, CountRow>();
    for (const { last } of this.hosts.values())
      for (const row of last.counts) {
        const there = counts.get(row[1]);
        if (row[0] === tenant) counts.set(row[1], there ? added(there, row) : row);
      }
    const names = new Set([...counts.keys(), ...waits.keys()]);
    return [...names].sort().map((mapping): WatchedQueue => {
      const [, , opening, unlinked, waiting, linked, oldest] = counts.get(mapping) ?? ['', '', 0, 0, 0, 0, 0];
      const { recent = 0, durations = [] } = waits.get(mapping) ?? {};
      return {
        ...{ mapping, sockets: opening + unlinked + waiting + linked, opening, unlinked, waiting, linked },
        ...(oldest > 0 ? { oldest } : {}),
        ...{ recent, ...percentiles(durations) },
      };
    });
  }

  /** How often the list of a tenant's dead letters has changed. */
  letterChanges(tenant: string): number {
    let sum = 0;
    for (const { last } of this.hosts.values())
      for (const [of, count] of last.letters) if (of === tenant) sum += count;
    return sum;
  }

  private figuresOf(tenant: string): Omit<Figure, 'tenant'>[] {
    const all = new Map<string, Figure[]>();
    for (const { figures } of this.hosts.values())
      for (const [key, figure] of figures)
        if (figure.tenant === tenant) all.set(key, [...(all.get(key) ?? []), figure]);
    return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, figures]) => summed(figures));
  }
}

export interface Changes {
  rooms?: { changed: WatchedRoom[]; gone: string[] };
  /** By tenant. */
  sockets: Map<string, { changed: WatchedSocket[]; gone: string[] }>;
  moves: WatchedMove[];
}

function summed(figures: Figure[]): Omit<Figure, 'tenant'> {
  const { mapping, kind } = figures[0]!;
  const sum = (field: 'total' | 'failed' | 'recent' | 'recentFailed') =>
    figures.reduce((all, one) => all + one[field], 0);
  return {
    ...{ mapping, kind, total: sum('total'), failed: sum('failed') },
    ...{ recent: sum('recent'), recentFailed: sum('recentFailed') },
    durations: merge(figures.map(({ durations }) => durations)),
  };
}

function percentiles(durations: number[]): { p50?: number; p99?: number } {
  const [p50, p99] = [percentile(durations, 0.5), percentile(durations, 0.99)];
  if (p50 === undefined || p99 === undefined) return {};
  return { p50: Math.round(p50 * 10) / 10, p99: Math.round(p99 * 10) / 10 };
}

function added(a: CountRow, b: CountRow): CountRow {
  const oldest = a[6] === 0 || (b[6] > 0 && b[6] < a[6]) ? b[6] : a[6];
  return [a[0], a[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5], oldest];
}

function roomView({ row, host }: { row: RoomRow; host: string }): WatchedRoom {
  const [roomId, name, epoch, clients, maxClients, locked, moves, lastBlackoutMs] = row;
  return {
    ...{ roomId, name, host, epoch, clients, locked, moves },
    ...(maxClients < 0 ? {} : { maxClients }),
    ...(lastBlackoutMs < 0 ? {} : { lastBlackoutMs: Math.round(lastBlackoutMs * 10) / 10 }),
  };
}

function socketView({ row, host }: { row: SocketRow; host: string }): WatchedSocket {
  const [socketId, , mapping, mappingVersion, playerId, status, peers, link, room, alias, ...rest] = row;
  const [epoch, openedAt, since, speech, absent] = rest;
  return {
    ...{ socketId, mapping, mappingVersion, playerId, status, peers: peers === '' ? [] : peers.split(' ') },
    ...(link === '' ? {} : { link }),
    ...(room === '' ? {} : { room }),
    ...(alias === '' ? {} : { alias }),
    ...{ host, epoch, openedAt, since, speech },
    ...(absent ? { absent } : {}),
  };
}
