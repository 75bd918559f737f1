import { z } from 'zod';
import { openApiDocument } from '../openapi.ts';
import { type Operation, operation } from '../operation.ts';

/** @param operations all others */
export function documentOperations(operations: Operation[]): Operation[] {
  /** Made once: anybody may ask for it, again and again. */
  let text: string | undefined;
  const own: Operation = operation({
    id: 'describe',
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document',
    description: 'For people it is at `/v1/docs/`.',
    tag: 'document',
    scope: 'open',
    answer: z.unknown().meta({ description: 'OpenAPI 3.1' }),
    mediaType: 'application/json',
    errors: [],
    run: async () => (text ??= JSON.stringify(openApiDocument([...operations, own]))),
  });
  return [own];
}
