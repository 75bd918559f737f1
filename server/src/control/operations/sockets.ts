import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { encodeAttributes, MAX_ATTRIBUTES_BYTES, wishFields } from '../../calls/index.ts';
import { invalidRequest } from '../../errors.ts';
import { MAX_PLAYER_ID } from '../../tenants/index.ts';
import { idIn, type Operation, operation } from '../operation.ts';
import { cursorOf, nextCursor, pageQuery, placeIn } from '../page.ts';
import type { SocketsBackend } from '../types.ts';
import { socketSchema, ticketSchema, timelineSchema } from '../views.ts';

/** Of a message sent to a socket. */
const SEND_BYTES = 256 * 1024;
const TEXT_TYPES = ['text/plain', 'application/json'];

const socket = idIn(128, 'Id of the socket');
const mapping = z.string().min(1).max(128);
const { peer, peers, group, size, ...besides } = wishFields;
const wish = z.union([
  z.strictObject({ peer, ...besides }),
  z.strictObject({ peers, ...besides }),
  z.strictObject({ group, size, ...besides }),
]);
const away = ['BATON_STORE_UNAVAILABLE', 'BATON_HOST_UNREACHABLE'];

export function socketOperations(backend: SocketsBackend): Operation[] {
  return [...reading(backend), ...opening(backend), ...speaking(backend), ...linking(backend)];
}

const reading = (backend: SocketsBackend) => [
  operation({
    id: 'listSockets',
    method: 'GET',
    path: '/v1/sockets',
    summary: 'Sockets of all hosts',
    tag: 'sockets',
    scope: 'sockets:read',
    query: pageQuery.extend({ mapping: mapping.optional().meta({ description: 'Only those of it' }) }),
    answer: z.object({ sockets: z.array(socketSchema), next: nextCursor }),
    errors: away,
    async run({ principal: { tenant }, query }) {
      const { sockets, next } = await backend.list({ ...query, tenant, after: placeIn(query.after) });
      return { sockets, ...(next === undefined ? {} : { next: cursorOf(next) }) };
    },
  }),
  operation({
    id: 'getSocket',
    method: 'GET',
    path: '/v1/sockets/{id}',
    summary: 'One socket',
    tag: 'sockets',
    scope: 'sockets:read',
    params: socket,
    answer: socketSchema,
    errors: ['BATON_SOCKET_NOT_FOUND', ...away],
    run: ({ principal, params }) => backend.get(principal.tenant, params.id),
  }),
  operation({
    id: 'getSocketTimeline',
    method: 'GET',
    path: '/v1/sockets/{id}/timeline',
    summary: 'What has happened to a socket',
    description:
      'Of a closed one for ten minutes, unless the host on which it was has ended, or many closed since.',
    tag: 'sockets',
    scope: 'sockets:read',
    params: socket,
    answer: timelineSchema,
    errors: ['BATON_SOCKET_NOT_FOUND', ...away],
    run: ({ principal, params }) => backend.timeline(principal.tenant, params.id),
  }),
];

const opening = (backend: SocketsBackend) => [
  operation({
    id: 'allocateSocket',
    method: 'POST',
    path: '/v1/sockets',
    summary: 'Takes an id for a socket before it opens',
    description:
      'Whoever opens a socket of the mapping with the token of the answer gets this id and is this player.',
    tag: 'sockets',
    scope: 'sockets:open',
    body: z.strictObject({
      mapping,
      playerId: z
        .string()
        .min(1)
        .max(MAX_PLAYER_ID)
        .refine((text) => !/\p{Surrogate}/u.test(text), 'not well-formed text'),
      attributes: z
        .record(z.string(), z.unknown())
        .refine(
          (given) => encodeAttributes(given).length <= MAX_ATTRIBUTES_BYTES,
          `longer than ${MAX_ATTRIBUTES_BYTES} bytes`,
        )
        .optional(),
    }),
    answer: ticketSchema,
    secret: true,
    status: 201,
    errors: ['BATON_MAPPING_NOT_FOUND', ...away],
    run: ({ principal, body }) => backend.allocate(principal.tenant, body),
  }),
  operation({
    id: 'closeSocket',
    method: 'DELETE',
    path: '/v1/sockets/{id}',
    summary: 'Closes a socket',
    tag: 'sockets',
    scope: 'sockets:close',
    params: socket,
    query: z.strictObject({
      code: z.coerce.number().int().min(4000).max(4999).optional().meta({
        description: 'Close code that the client gets',
      }),
      reason: z
        .string()
        .refine((text) => Buffer.byteLength(text) <= 123, 'longer than the 123 bytes of a close frame')
        .optional(),
    }),
    errors: ['BATON_SOCKET_NOT_FOUND', ...away],
    run: ({ principal, params, query }) => backend.close(principal.tenant, params.id, query),
  }),
];

const speaking = (backend: SocketsBackend) => [
  operation({
    id: 'sendToSocket',
    method: 'POST',
    path: '/v1/sockets/{id}/send',
    summary: 'Sends a message to the client of a socket',
    description:
      'The body is the message, its bytes untouched: text for `text/plain` and `application/json`, ' +
      'binary for `application/octet-stream`.',
    tag: 'sockets',
    scope: 'sockets:send',
    params: socket,
    raw: { mediaTypes: [...TEXT_TYPES, 'application/octet-stream'], limit: SEND_BYTES },
    errors: ['BATON_SOCKET_NOT_FOUND', ...away],
    async run({ principal, params, rawBody: data, mediaType }) {
      const text = TEXT_TYPES.includes(mediaType);
      if (text && !isUtf8(data)) throw invalidRequest({ reason: 'The text is not UTF-8.' });
      await backend.send(principal.tenant, params.id, { data, text });
    },
  }),
];

const linking = (backend: SocketsBackend) => [
  operation({
    id: 'linkSocket',
    method: 'POST',
    path: '/v1/sockets/{id}/link',
    summary: 'Links a socket with others',
    description:
      'As an answer of its open function does: with one or several others by id or alias, or with those of a group. ' +
      'It waits for those that are not open yet. With `room` they get a room of the app, with `alias` the socket gets ' +
      'a name, with `unlink` it leaves the link that it has first.',
    tag: 'sockets',
    scope: 'sockets:link',
    params: socket,
    body: wish,
    answer: socketSchema,
    errors: [
      'BATON_SOCKET_NOT_FOUND',
      'BATON_LINK_SELF',
      'BATON_LINK_GONE',
      'BATON_LINK_TAKEN',
      'BATON_LINK_STALE',
      ...away,
    ],
    run: ({ principal, params, body }) => backend.link(principal.tenant, params.id, body),
  }),
  operation({
    id: 'unlinkSocket',
    method: 'POST',
    path: '/v1/sockets/{id}/unlink',
    summary: 'Ends the link of a socket, or its waiting for one',
    tag: 'sockets',
    scope: 'sockets:link',
    params: socket,
    answer: socketSchema,
    errors: ['BATON_SOCKET_NOT_FOUND', ...away],
    run: ({ principal, params }) => backend.unlink(principal.tenant, params.id),
  }),
];
