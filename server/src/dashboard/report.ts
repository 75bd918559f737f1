// What a host says of itself while somebody watches: over the store's presence, to whoever has viewers. Rows are arrays
// of plain values, and after the first report only what is different is said.
import { z } from 'zod';
import { hostRecord } from '../store/index.ts';
import type { Figure, MoveSeen } from '../telemetry/index.ts';

/** A host that has viewers says so here. */
export const WATCH_CHANNEL = 'baton:watch';
/** What hosts report. */
export const REPORT_CHANNEL = 'baton:report';
/** Rows of sockets in one message. */
const MAX_ROWS_A_MESSAGE = 1_000;
/** Sockets of one tenant that one host tells of, … */
const MAX_SOCKETS_TOLD = 10_000;
/** … and of all tenants; all are counted. */
const MAX_SOCKETS_TOLD_IN_ALL = 20_000;

const text = z.string();
const number = z.number();

export const socketRow = z.tuple([
  /** socketId, tenant, mapping, its version */
  text,
  text,
  text,
  number,
  /** playerId, status, ids of its peers with spaces between, link, room, alias; '' where there is none */
  text,
  z.enum(['opening', 'open', 'waiting', 'linked']),
  text,
  text,
  text,
  text,
  /** epoch, openedAt, since */
  number,
  number,
  number,
  /** speech, whether its client is away */
  text,
  z.boolean(),
]);
export type SocketRow = z.infer<typeof socketRow>;

export const roomRow = z.tuple([
  /** roomId, name, epoch, clients */
  text,
  text,
  number,
  number,
  /** maxClients, or -1; locked; moves; lastBlackoutMs, or -1 */
  number,
  z.boolean(),
  number,
  number,
]);
export type RoomRow = z.infer<typeof roomRow>;

/** Sockets of one mapping: tenant, mapping, how many are opening, open, waiting, linked; since when the first has no peers, or 0. */
export const countRow = z.tuple([text, text, number, number, number, number, number]);
export type CountRow = z.infer<typeof countRow>;

const some = <T extends z.ZodType>(row: T) => z.object({ changed: z.array(row), gone: z.array(text) });

export const reportSchema = z.object({
  /** Grows by one with each message of the host: who misses one asks for everything. */
  seq: number,
  /** Everything begins anew with this message. */
  full: z.boolean(),
  host: hostRecord,
  /** It leaves. */
  bye: z.boolean(),
  lag: z.object({ p99: number, max: number }),
  rooms: some(roomRow),
  sockets: some(socketRow),
  counts: z.array(countRow),
  figures: z.array(z.custom<Figure>((value) => typeof (value as Figure)?.mapping === 'string')),
  moves: z.array(z.custom<MoveSeen>((value) => typeof (value as MoveSeen)?.roomId === 'string')),
  blackouts: z.array(number),
  /** Tenants, and how often their lists of dead letters have changed here. */
  letters: z.array(z.tuple([text, number])),
});
export type Report = z.infer<typeof reportSchema>;

export const requestSchema = z.object({
  /** Hosts that are to say everything; `all`: each. */
  full: z.union([z.literal('all'), z.array(text)]),
});
export type WatchRequest = z.infer<typeof requestSchema>;

type Row = readonly [id: string, ...values: unknown[]];

/** What was told of a list. */
export class Told<R extends Row> {
  private rows = new Map<string, R>();

  forget(): void {
    this.rows = new Map();
  }

  /** @returns how the list differs from the one before */
  update(list: Iterable<R>): { changed: R[]; gone: string[] } {
    const rows = new Map<string, R>();
    const changed: R[] = [];
    for (const row of list) {
      const before = this.rows.get(row[0]);
      rows.set(row[0], row);
      if (!before || differ(before, row)) changed.push(row);
    }
    const gone = [...this.rows.keys()].filter((id) => !rows.has(id));
    this.rows = rows;
    return { changed, gone };
  }
}

function differ(a: Row, b: Row): boolean {
  for (let i = 1; i < a.length; i++) if (a[i] !== b[i]) return true;
  return false;
}

/** The first of each tenant. When all are too many, tenants that have few sockets are still told of all of theirs. */
export function bounded(rows: SocketRow[]): SocketRow[] {
  const sizes = new Map<string, number>();
  for (const [, tenant] of rows) sizes.set(tenant, (sizes.get(tenant) ?? 0) + 1);
  const most = share([...sizes.values()]);
  const taken = new Map<string, number>();
  return rows.filter(([, tenant]) => {
    const count = (taken.get(tenant) ?? 0) + 1;
    taken.set(tenant, count);
    return count <= most;
  });
}

/** How many each may have, so that they have not too many together. */
function share(sizes: number[]): number {
  const wanted = sizes.map((size) => Math.min(size, MAX_SOCKETS_TOLD)).sort((a, b) => a - b);
  let left = MAX_SOCKETS_TOLD_IN_ALL;
  for (const [at, size] of wanted.entries()) {
    const each = Math.floor(left / (wanted.length - at));
    if (size > each) return each;
    left -= size;
  }
  return MAX_SOCKETS_TOLD;
}

/** Rows of one message each; the first has those that are gone. */
export function inPieces({ changed, gone }: Report['sockets']): Report['sockets'][] {
  const pieces = [{ changed: changed.slice(0, MAX_ROWS_A_MESSAGE), gone }];
  for (let i = MAX_ROWS_A_MESSAGE; i < changed.length; i += MAX_ROWS_A_MESSAGE)
    pieces.push({ changed: changed.slice(i, i + MAX_ROWS_A_MESSAGE), gone: [] });
  return pieces;
}
