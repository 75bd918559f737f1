import { z } from 'zod';
import { type ApiKeys, keyName, keyScope } from '../../tenants/index.ts';
import { idIn, type Operation, operation } from '../operation.ts';
import { cursorOf, nextCursor, pageQuery, placeIn } from '../page.ts';

const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(keyScope),
    createdAt: z.iso.datetime(),
    createdBy: z
      .string()
      .meta({ description: "Id of the key that made it; `service` for the service's own token" }),
    expiresAt: z.iso.datetime().optional(),
    revokedAt: z.iso.datetime().optional(),
    lastUsedAt: z.iso.datetime().optional().meta({ description: 'To the minute; absent: never' }),
  })
  .meta({ id: 'Key' });
const madeSchema = keySchema
  .extend({
    secret: z.string().meta({ description: 'The key itself: it is told this once and kept nowhere' }),
  })
  .meta({ id: 'MadeKey' });

export type KeysBackend = Pick<ApiKeys, 'list' | 'create' | 'revoke'>;

export function keyOperations(keys: KeysBackend): Operation[] {
  return [
    operation({
      id: 'listKeys',
      method: 'GET',
      path: '/v1/keys',
      summary: 'API keys, those revoked within the last 30 days too',
      tag: 'keys',
      scope: 'keys:admin',
      query: pageQuery,
      answer: z.object({ keys: z.array(keySchema), next: nextCursor }),
      errors: ['BATON_STORE_UNAVAILABLE'],
      async run({ principal, query: { limit, after } }) {
        const found = await keys.list(principal.tenant, { after: placeIn(after), limit: limit + 1 });
        const page = found.slice(0, limit);
        return { keys: page, ...(found.length > limit ? { next: cursorOf(page.at(-1)!.id) } : {}) };
      },
    }),
    operation({
      id: 'createKey',
      method: 'POST',
      path: '/v1/keys',
      summary: 'Makes an API key',
      description: 'It can be given no scope that its maker has not.',
      tag: 'keys',
      scope: 'keys:admin',
      body: z.strictObject({
        name: keyName.meta({ description: 'For people' }),
        scopes: z.array(keyScope).min(1),
        expiresAt: z.iso.datetime().optional().meta({ description: 'Default: never' }),
      }),
      answer: madeSchema,
      secret: true,
      status: 201,
      errors: [
        'BATON_SCOPE_EXCEEDED',
        'BATON_TOO_MANY_KEYS',
        'BATON_TENANT_NOT_FOUND',
        'BATON_STORE_UNAVAILABLE',
      ],
      async run({ principal, body }) {
        const { key, view } = await keys.create(principal, body);
        return { ...view, secret: key };
      },
    }),
    operation({
      id: 'revokeKey',
      method: 'DELETE',
      path: '/v1/keys/{id}',
      summary: 'Revokes an API key',
      description: 'It is refused at once; by a host that does not hear of it, after five seconds at most.',
      tag: 'keys',
      scope: 'keys:admin',
      params: idIn(64, 'Id of the key: its third part'),
      answer: keySchema,
      errors: ['BATON_KEY_NOT_FOUND', 'BATON_STORE_UNAVAILABLE'],
      run: ({ principal, params }) => keys.revoke(principal.tenant, params.id),
    }),
  ];
}
