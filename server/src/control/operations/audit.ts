import { z } from 'zod';
import { type AuditLog, auditSchema } from '../audit.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorOf, nextCursor, pageQuery, placeIn } from '../page.ts';

export function auditOperations(audit: AuditLog): Operation[] {
  return [
    operation({
      id: 'listAudit',
      method: 'GET',
      path: '/v1/audit',
      summary: 'Writes of the tenant, the newest first',
      tag: 'audit',
      scope: 'audit:read',
      query: pageQuery,
      answer: z.object({ entries: z.array(auditSchema), next: nextCursor }),
      errors: ['BATON_STORE_UNAVAILABLE'],
      async run({ principal, query: { limit, after } }) {
        const place = placeIn(after);
        const before = place === undefined ? undefined : Number(place);
        const entries = await audit.newest(principal.tenant, limit, before);
        const last = entries.at(-1);
        const more = entries.length === limit && last !== undefined && last.number > 1;
        return { entries, ...(more ? { next: cursorOf(String(last.number)) } : {}) };
      },
    }),
  ];
}
