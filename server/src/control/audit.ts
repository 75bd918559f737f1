// Who changed what: one line in the log for every write, and the newest of each tenant in the store.
import type { Presence } from '@colyseus/core';
import { z } from 'zod';
import { Newest } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';

/** How many writes of a tenant are kept. */
const MAX_ENTRIES = 1_000;

export const auditSchema = z
  .object({
    number: z.number().int().meta({ description: 'Counts the writes of the tenant, from 1' }),
    time: z.iso.datetime(),
    requestId: z.string().meta({ description: '`X-Request-Id` of the answer' }),
    key: z.string().meta({ description: "Id of the key; `service` for the service's own token" }),
    operation: z.string().meta({ description: '`operationId` of this document' }),
    path: z.string(),
    status: z.number().int(),
    code: z.string().optional().meta({ description: 'Why it failed: code of the error catalogue' }),
    address: z.string().optional().meta({ description: 'Where the request came from' }),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof auditSchema>;

export class AuditLog {
  private readonly entries: Newest<AuditEntry>;
  private readonly log: Log;

  constructor(presence: Presence, log: Log) {
    this.entries = new Newest({ presence, prefix: 'baton:audit:', most: MAX_ENTRIES, schema: auditSchema });
    this.log = log;
  }

  /** Never rejects: what was done was done, and the log has it. */
  async write(tenant: string, entry: Omit<AuditEntry, 'number' | 'time'>): Promise<void> {
    this.log.info({ audit: true, tenant, ...entry }, `${entry.operation}: ${entry.status}`);
    try {
      await this.entries.add(tenant, { time: new Date().toISOString(), ...entry });
    } catch (err) {
      this.log.warn({ err, requestId: entry.requestId }, 'a write is in the log only');
    }
  }

  /** The newest first. @param before only those with a smaller number */
  newest(tenant: string, count: number, before?: number): Promise<AuditEntry[]> {
    return this.entries.newest(tenant, count, before);
  }
}
