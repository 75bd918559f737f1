// A host's own part: it listens for others that have viewers, and tells them once a second what it does, for as long as
// there are any. Nothing is read or sent while nobody watches.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { RoomView } from '../control/index.ts';
import type { HostedSocket } from '../sockets/index.ts';
import type { HostRecord, Store } from '../store/index.ts';
import { counters, type Figure, figures, type Log, recentMoves } from '../telemetry/index.ts';
import {
  bounded,
  type CountRow,
  inPieces,
  REPORT_CHANNEL,
  type Report,
  type RoomRow,
  requestSchema,
  type SocketRow,
  Told,
  WATCH_CHANNEL,
} from './report.ts';

const REPORT_EVERY_MS = 1_000;
/** A host that has viewers says so more often than this; then nobody watches any more. */
export const WATCHED_MS = 4_000;
const LAG_EVERY_MS = 10;

export interface ReporterOptions {
  store: Store;
  log: Log;
  self(): HostRecord;
  /** Of this host; those of sockets are not among them. */
  rooms(): RoomView[];
  sockets(): Iterable<HostedSocket>;
  epoch(socketId: string): number | undefined;
}

export class Reporter {
  private readonly options: ReporterOptions;
  private readonly rooms = new Told<RoomRow>();
  private readonly sockets = new Told<SocketRow>();
  private readonly figures = new Map<string, string>();
  private moves = 0;
  private seq = 0;
  private full = true;
  private watchedUntil = 0;
  private timer: NodeJS.Timeout | undefined;
  private lag: ReturnType<typeof monitorEventLoopDelay> | undefined;

  constructor(options: ReporterOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    await this.options.store.presence.subscribe(WATCH_CHANNEL, this.asked);
  }

  async stop(): Promise<void> {
    const { presence } = this.options.store;
    await Promise.allSettled([presence.unsubscribe(WATCH_CHANNEL, this.asked)]);
    if (this.timer) this.report(true);
    this.rest();
  }

  private readonly asked = (message: unknown): void => {
    const request = requestSchema.safeParse(message);
    if (!request.success) return;
    const { full } = request.data;
    this.watchedUntil = Date.now() + WATCHED_MS;
    const all = full === 'all' || full.includes(this.options.self().id);
    if (all) this.full = true;
    if (!this.timer) {
      this.lag = monitorEventLoopDelay({ resolution: LAG_EVERY_MS });
      this.lag.enable();
      this.full = true;
      this.arm();
    }
    if (all) setImmediate(() => this.full && this.report());
  };

  /** At each full second of the clock: so the hosts report together, and viewers are told once. */
  private arm(): void {
    const due = () => {
      this.arm();
      if (Date.now() > this.watchedUntil) this.rest();
      else this.report();
    };
    this.timer = setTimeout(due, REPORT_EVERY_MS - (Date.now() % REPORT_EVERY_MS)).unref();
  }

  private rest(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.lag?.disable();
    this.lag = undefined;
    this.begin();
  }

  private begin(): void {
    this.rooms.forget();
    this.sockets.forget();
    this.figures.clear();
    this.moves = 0;
  }

  private report(bye = false): void {
    if (this.full) this.begin();
    const { store, log, self } = this.options;
    const rows: SocketRow[] = [];
    const counts = this.count(rows);
    const [first, ...others] = inPieces(this.sockets.update(bounded(rows)));
    const report: Report = {
      ...{ seq: ++this.seq, full: this.full, host: { ...self() }, bye, lag: this.late() },
      rooms: this.rooms.update(this.options.rooms().map(rowOf)),
      sockets: first!,
      counts,
      figures: this.newFigures(),
      moves: recentMoves.since(this.moves),
      blackouts: counters.blackouts.counts,
      letters: [...counters.lettersOf.counts],
    };
    this.moves = recentMoves.seen;
    this.full = false;
    const none = { rooms: { changed: [], gone: [] }, figures: [], moves: [] };
    const messages = [
      report,
      ...others.map((sockets) => ({ ...report, ...none, sockets, full: false, seq: ++this.seq })),
    ];
    for (const message of messages)
      store.presence
        .publish(REPORT_CHANNEL, message)
        .catch((error: unknown) => log.debug({ err: error }, 'a report was not sent'));
  }

  private late(): Report['lag'] {
    const { lag } = this;
    if (!lag || lag.count === 0) return { p99: 0, max: 0 };
    // the histogram has the whole time between two looks
    const beyond = (ns: number) => Math.max(0, Math.round(ns / 1e5 - LAG_EVERY_MS * 10) / 10);
    const late = { p99: beyond(lag.percentile(99)), max: beyond(lag.max) };
    lag.reset();
    return late;
  }

  private count(rows: SocketRow[]): CountRow[] {
    const counts = new Map<string, CountRow>();
    for (const room of this.options.sockets()) {
      if (room.gone) continue;
      const row = socketRowOf(room, this.options.epoch(room.roomId) ?? 0);
      rows.push(row);
      const [, tenant, mapping, , , status] = row;
      const key = `${tenant} ${mapping}`;
      let count = counts.get(key);
      if (!count) counts.set(key, (count = [tenant, mapping, 0, 0, 0, 0, 0]));
      count[STATUS_AT[status]]++;
      const since = row[12];
      const alone = status === 'open' || status === 'waiting';
      if (alone && (count[6] === 0 || since < count[6])) count[6] = since;
    }
    return [...counts.values()];
  }

  private newFigures(): Figure[] {
    return figures.read().filter((figure) => {
      const key = `${figure.tenant} ${figure.mapping} ${figure.kind}`;
      const json = JSON.stringify(figure);
      if (this.figures.get(key) === json) return false;
      this.figures.set(key, json);
      return true;
    });
  }
}

const STATUS_AT = { opening: 2, open: 3, waiting: 4, linked: 5 } as const;

function socketRowOf(room: HostedSocket, epoch: number): SocketRow {
  const { roomId, mapping, playerId, status, peers, link, alias, openedAt, timeline, speech } = room;
  return [
    ...([roomId, mapping.tenant, mapping.name, mapping.version] as const),
    ...([playerId, status, peers.join(' '), peers.length > 0 ? (link?.id ?? '') : ''] as const),
    ...([(room.away ? room.visit?.roomId : undefined) ?? '', alias ?? ''] as const),
    ...([epoch, openedAt, timeline?.since ?? openedAt, speech, room.absent] as const),
  ];
}

function rowOf({
  roomId,
  name,
  epoch,
  clients,
  maxClients = -1,
  locked = false,
  moves = 0,
  lastBlackoutMs = -1,
}: RoomView): RoomRow {
  return [roomId, name, epoch, clients, maxClients, locked, moves, lastBlackoutMs];
}
