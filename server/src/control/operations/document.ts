import { z } from 'zod';
import { openApiDocument } from '../openapi.ts';
import { type Operation, operation } from '../operation.ts';

/** @param operations all others */
export function documentOperations(operations: Operation[]): Operation[] {
  let document: Record<string, unknown> | undefined;
  const own: Operation = operation({
    id: 'describe',
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document',
    description: 'For people it is at `/v1/docs/`.',
    tag: 'document',
    scope: 'open',
    answer: z.record(z.string(), z.unknown()),
    errors: [],
    run: async () => (document ??= openApiDocument([...operations, own])),
  });
  return [own];
}
