// What went wrong with a tenant's sockets and what it can do something about: functions that failed, links and rooms that
// could not be made. In the service's log, and the newest of each tenant in the store, where the tenant can read them.
import type { Presence } from '@colyseus/core';
import { z } from 'zod';
import { asBatonError } from '../errors.ts';
import { Newest } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';

/** Entries that are kept of each tenant. */
export const MAX_LOG_ENTRIES = 1_000;
/** Entries of one tenant that a host writes in a second; the next one says how many were left out. */
const MAX_LOG_ENTRIES_PER_SECOND = 20;

export const logEntrySchema = z
  .object({
    number: z.number().int().meta({ description: 'Counts the entries of the tenant, from 1' }),
    time: z.iso.datetime(),
    socketId: z.string(),
    mapping: z.string().optional(),
    what: z.string().meta({ description: 'What did not work' }),
    code: z.string().meta({ description: 'Code of the error catalogue' }),
    message: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
    leftOut: z.number().int().optional().meta({
      description: 'Entries before this one that were left out because there were too many at once',
    }),
  })
  .meta({ id: 'LogEntry' });
export type LogEntry = z.infer<typeof logEntrySchema>;

/** A socket that something went wrong with. */
export interface Concerned {
  readonly roomId: string;
  readonly tenant: string;
  readonly mapping?: { readonly name: string };
}

export class TenantLog {
  private readonly entries: Newest<LogEntry>;
  private readonly log: Log;
  private second = 0;
  /** Of this second: tenant → entries that came. */
  private came = new Map<string, number>();
  private readonly leftOut = new Map<string, number>();

  constructor(presence: Presence, log: Log) {
    this.log = log;
    this.entries = new Newest({
      presence,
      prefix: 'baton:log:',
      most: MAX_LOG_ENTRIES,
      schema: logEntrySchema,
    });
  }

  /** @param what in the service's words: `the peers get no room` */
  failed({ roomId: socketId, tenant, mapping }: Concerned, thrown: unknown, what: string): void {
    this.log.warn({ socketId, tenant, err: thrown }, what);
    if (!this.admits(tenant)) return;
    const { code, message, details } = asBatonError(thrown);
    const missed = this.leftOut.get(tenant);
    this.leftOut.delete(tenant);
    this.entries
      .add(tenant, {
        time: new Date().toISOString(),
        socketId,
        ...(mapping ? { mapping: mapping.name } : {}),
        what,
        code,
        message,
        ...(Object.keys(details).length > 0 ? { details } : {}),
        ...(missed ? { leftOut: missed } : {}),
      })
      .catch((err) => this.log.warn({ err, socketId }, 'what went wrong is in this log only'));
  }

  /** The newest first. @param before only those with a smaller number */
  newest(tenant: string, count: number, before?: number): Promise<LogEntry[]> {
    return this.entries.newest(tenant, count, before);
  }

  private admits(tenant: string): boolean {
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.second) {
      this.second = second;
      this.came = new Map();
    }
    const came = (this.came.get(tenant) ?? 0) + 1;
    this.came.set(tenant, came);
    if (came <= MAX_LOG_ENTRIES_PER_SECOND) return true;
    this.leftOut.set(tenant, (this.leftOut.get(tenant) ?? 0) + 1);
    return false;
  }
}
