import { z } from 'zod';
import { type LogEntry, logEntrySchema } from '../../tenants/index.ts';
import { type Operation, operation } from '../operation.ts';
import { nextCursor, pageBelow, pageQuery } from '../page.ts';

export interface LogBackend {
  newest(tenant: string, count: number, before?: number): Promise<LogEntry[]>;
}

export function logOperations(log: LogBackend): Operation[] {
  return [
    operation({
      id: 'listLog',
      method: 'GET',
      path: '/v1/log',
      summary: "What went wrong with the tenant's sockets, the newest first",
      description: 'Functions that failed, links that were not made, rooms that peers did not get.',
      tag: 'log',
      scope: 'log:read',
      query: pageQuery,
      answer: z.object({ entries: z.array(logEntrySchema), next: nextCursor }),
      errors: ['BATON_STORE_UNAVAILABLE'],
      async run({ principal, query }) {
        const { found: entries, ...next } = await pageBelow(query, (count, before) =>
          log.newest(principal.tenant, count, before),
        );
        return { entries, ...next };
      },
    }),
  ];
}
