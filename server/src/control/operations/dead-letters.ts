import { z } from 'zod';
import { idIn, type Operation, operation } from '../operation.ts';
import { nextCursor, pageBelow, pageQuery } from '../page.ts';
import type { DeadLettersBackend } from '../types.ts';
import { deadLetterSchema } from '../views.ts';

const letter = idIn(16, 'Number of the dead letter');
const errors = ['BATON_DEAD_LETTER_NOT_FOUND', 'BATON_STORE_UNAVAILABLE'];

/** Calls to functions that were not delivered. */
export function deadLetterOperations(backend: DeadLettersBackend): Operation[] {
  return [
    operation({
      id: 'listDeadLetters',
      method: 'GET',
      path: '/v1/dead-letters',
      summary: 'Calls that were not delivered, the newest first',
      tag: 'dead letters',
      scope: 'dead-letters:read',
      query: pageQuery,
      answer: z.object({ deadLetters: z.array(deadLetterSchema), next: nextCursor }),
      errors: ['BATON_STORE_UNAVAILABLE'],
      async run({ principal, query }) {
        const { found: deadLetters, ...next } = await pageBelow(query, (count, before) =>
          backend.newest(principal.tenant, count, before),
        );
        return { deadLetters, ...next };
      },
    }),
    operation({
      id: 'getDeadLetter',
      method: 'GET',
      path: '/v1/dead-letters/{id}',
      summary: 'One of them',
      tag: 'dead letters',
      scope: 'dead-letters:read',
      params: letter,
      answer: deadLetterSchema,
      errors,
      run: ({ principal, params }) => backend.get(principal.tenant, Number(params.id)),
    }),
    operation({
      id: 'replayDeadLetter',
      method: 'POST',
      path: '/v1/dead-letters/{id}/replay',
      summary: 'Makes the call again, under its old id',
      description:
        'It goes where its mapping sends such calls today. Once it is delivered it is off the list. ' +
        'What the function answers has no effect.',
      tag: 'dead letters',
      scope: 'dead-letters:replay',
      params: letter,
      errors: [...errors, 'BATON_CALL_FAILED'],
      run: ({ principal, params }) => backend.replay(principal.tenant, Number(params.id)),
    }),
  ];
}
