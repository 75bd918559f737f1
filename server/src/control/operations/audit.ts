import { z } from 'zod';
import { type AuditLog, auditSchema } from '../audit.ts';
import { type Operation, operation } from '../operation.ts';
import { nextCursor, pageBelow, pageQuery } from '../page.ts';

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
      async run({ principal, query }) {
        const { found: entries, ...next } = await pageBelow(query, (count, before) =>
          audit.newest(principal.tenant, count, before),
        );
        return { entries, ...next };
      },
    }),
  ];
}
