import { z } from 'zod';
import { idIn, type Operation, operation } from '../operation.ts';
import { nextCursor, pageOf, pageQuery } from '../page.ts';
import type { ControlBackend } from '../types.ts';
import { migrateSchema, roomSchema } from '../views.ts';

export function roomOperations(backend: ControlBackend): Operation[] {
  return [
    operation({
      id: 'listRooms',
      method: 'GET',
      path: '/v1/rooms',
      summary: 'Rooms of all hosts',
      tag: 'rooms',
      scope: 'hosts:read',
      query: pageQuery,
      answer: z.object({ rooms: z.array(roomSchema), next: nextCursor }),
      errors: ['BATON_STORE_UNAVAILABLE'],
      async run({ query }) {
        const { items, ...next } = pageOf(await backend.rooms(), ({ roomId }) => roomId, query);
        return { rooms: items, ...next };
      },
    }),
    operation({
      id: 'migrateRoom',
      method: 'POST',
      path: '/v1/rooms/{id}/migrate',
      summary: 'Moves a room with its connections to another host',
      description: 'Answers when the room runs there.',
      tag: 'rooms',
      scope: 'hosts:admin',
      params: idIn(128, 'Id of the room'),
      body: z.strictObject({ to: z.string().min(1).max(64).meta({ description: 'Id of the host' }) }),
      answer: migrateSchema,
      errors: [
        'BATON_ROOM_NOT_FOUND',
        'BATON_HOST_NOT_FOUND',
        'BATON_MOVE_TO_SELF',
        'BATON_MOVE_IN_PROGRESS',
        'BATON_ROOM_DISPOSING',
        'BATON_ROOM_BUSY',
        'BATON_ROOM_IMMOVABLE',
        'BATON_ROOM_CLASS_MISSING',
        'BATON_SCHEMA_MISMATCH',
        'BATON_HANDLERS_MISMATCH',
        'BATON_HOST_DRAINING',
        'BATON_HOST_UNREACHABLE',
        'BATON_MOVE_FAILED',
        'BATON_OWNERSHIP_LOST',
        'BATON_STORE_UNAVAILABLE',
        'BATON_HANDOFF_UNSUPPORTED',
        'BATON_HANDOFF_PEER_GONE',
        'BATON_HANDOFF_TIMEOUT',
        'BATON_HANDOFF_TOO_LARGE',
        'BATON_HANDOFF_FAILED',
      ],
      run: ({ params, body }) => backend.migrate(params.id, body.to),
    }),
  ];
}
