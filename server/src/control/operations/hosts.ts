import { z } from 'zod';
import { idIn, type Operation, operation } from '../operation.ts';
import type { ControlBackend } from '../types.ts';
import { drainSchema, hostSchema, reloadSchema } from '../views.ts';

const LONGEST_DRAIN_MS = 3_600_000;

export function hostOperations(backend: ControlBackend): Operation[] {
  return [
    operation({
      id: 'listHosts',
      method: 'GET',
      path: '/v1/hosts',
      summary: 'Living hosts',
      tag: 'hosts',
      scope: 'hosts:read',
      answer: z.object({ hosts: z.array(hostSchema) }),
      errors: ['BATON_STORE_UNAVAILABLE'],
      run: async () => ({ hosts: await backend.hosts() }),
    }),
    operation({
      id: 'drainHost',
      method: 'POST',
      path: '/v1/hosts/{id}/drain',
      summary: 'Moves all rooms off a host',
      description: 'Answers when it is through. A new host takes the place of the drained one.',
      tag: 'hosts',
      scope: 'hosts:admin',
      params: idIn(64, 'Id of the host'),
      body: z.strictObject({
        deadlineMs: z
          .number()
          .int()
          .min(0)
          .max(LONGEST_DRAIN_MS)
          .optional()
          .meta({ description: 'Default 30 s' }),
      }),
      answer: drainSchema,
      errors: [
        'BATON_HOST_NOT_FOUND',
        'BATON_HOST_UNREACHABLE',
        'BATON_NO_TARGET',
        'BATON_STORE_UNAVAILABLE',
        'BATON_HANDOFF_PEER_GONE',
        'BATON_HANDOFF_TIMEOUT',
      ],
      run: ({ params, body }) => backend.drain(params.id, body.deadlineMs),
    }),
    operation({
      id: 'reload',
      method: 'POST',
      path: '/v1/reload',
      summary: 'Brings the code now on disk into service',
      description:
        'New hosts start, the rooms move to them, the old hosts end. Answers when it is through. ' +
        'A room that cannot move calls the reload off, unless `keepImmovable` lets it stay on its old host.',
      tag: 'hosts',
      scope: 'hosts:admin',
      body: z.strictObject({ keepImmovable: z.boolean().optional() }),
      answer: reloadSchema,
      errors: ['BATON_RELOAD_FAILED', 'BATON_RELOAD_IN_PROGRESS', 'BATON_STOPPING'],
      run: ({ body }) => backend.reload(body),
    }),
  ];
}
