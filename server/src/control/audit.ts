// Who changed what: one line in the log for every write, and the newest of each tenant in the store.
import type { Presence } from '@colyseus/core';
import { z } from 'zod';
import type { Log } from '../telemetry/index.ts';

/** How many writes of a tenant are kept. */
const MAX_ENTRIES = 1_000;
/** How many were written so far; the other fields are places, which are taken in turn. */
const WRITTEN = 'written';

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
  private readonly presence: Presence;
  private readonly log: Log;

  constructor(presence: Presence, log: Log) {
    this.presence = presence;
    this.log = log;
  }

  /** Never rejects: what was done was done, and the log has it. */
  async write(tenant: string, entry: Omit<AuditEntry, 'number' | 'time'>): Promise<void> {
    this.log.info({ audit: true, tenant, ...entry }, `${entry.operation}: ${entry.status}`);
    try {
      const number = await this.presence.hincrby(listOf(tenant), WRITTEN, 1);
      const whole: AuditEntry = { number, time: new Date().toISOString(), ...entry };
      await this.presence.hset(listOf(tenant), placeOf(number), JSON.stringify(whole));
    } catch (err) {
      this.log.warn({ err, requestId: entry.requestId }, 'a write is in the log only');
    }
  }

  /** The newest first. @param before only those with a smaller number */
  async newest(tenant: string, count: number, before = Number.POSITIVE_INFINITY): Promise<AuditEntry[]> {
    const written = Number((await this.presence.hget(listOf(tenant), WRITTEN)) ?? 0);
    const last = Math.min(written, before - 1);
    const first = Math.max(1, written - MAX_ENTRIES + 1, last - count + 1);
    const numbers = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => last - i);
    const found = await Promise.all(
      numbers.map(async (number) => {
        const json = await this.presence.hget(listOf(tenant), placeOf(number));
        return json ? auditSchema.parse(JSON.parse(json)) : undefined;
      }),
    );
    // one that is being written, or was replaced meanwhile, is not there
    return found.filter((entry, i): entry is AuditEntry => entry?.number === numbers[i]);
  }
}

const listOf = (tenant: string) => `baton:audit:${tenant}`;
const placeOf = (number: number) => String(number % MAX_ENTRIES);
