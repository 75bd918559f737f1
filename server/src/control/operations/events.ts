import { type Operation, operation } from '../operation.ts';
import type { WatchBackend } from '../types.ts';
import { changeSchema, snapshotSchema } from '../watch-views.ts';

/** What is going on, as it happens. */
export function eventOperations(backend: WatchBackend): Operation[] {
  return [
    operation({
      id: 'watch',
      method: 'GET',
      path: '/v1/events',
      summary: 'What is going on, as it happens',
      description:
        'With `Accept: text/event-stream`: a `snapshot`, then a `change` about once a second, and a comment while there is ' +
        'none. A viewer that is too slow gets a new snapshot once it has caught up. The stream ends with its key, and with ' +
        'the host that it comes from: connect again. Otherwise the snapshot alone, as JSON. Every key may watch, and sees ' +
        'what its scopes let it see.',
      tag: 'events',
      scope: 'any',
      answer: snapshotSchema,
      events: { schema: changeSchema, open: ({ principal }, out) => backend.watch(principal, out) },
      errors: ['BATON_TOO_MANY_VIEWERS', 'BATON_STORE_UNAVAILABLE'],
      run: ({ principal }) => backend.look(principal),
    }),
  ];
}
