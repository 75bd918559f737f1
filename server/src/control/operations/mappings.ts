import { z } from 'zod';
import { type MappingRegistry, mappingSchema } from '../../mappings/index.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorOf, nextCursor, pageQuery, placeIn } from '../page.ts';

/** Checked by the registry: a name that no mapping can have is one that does not exist. */
const params = z.strictObject({
  name: z.string().min(1).max(128).meta({ description: 'Name of the mapping' }),
});
const content = z.unknown().meta({ description: 'As it was written' });
const version = z.number().int().min(1);
const updatedAt = z.iso.datetime().meta({ description: 'When this version was made' });

const viewSchema = z
  .object({
    name: z.string(),
    version: version.meta({
      description: 'Grows with every change; sockets keep the one they were opened with',
    }),
    declared: z.boolean().meta({ description: 'It is written in baton.config, and changed there only' }),
    updatedAt,
    mapping: content,
  })
  .meta({ id: 'MappingView' });
const appliedSchema = viewSchema
  .extend({
    changed: z.boolean().meta({ description: 'False: it was exactly this already' }),
    everywhere: z.boolean().meta({
      description: 'Every host has it by now. False: some have it within seconds, or when they are back',
    }),
  })
  .meta({ id: 'AppliedMapping' });
const historySchema = viewSchema
  .extend({
    versions: z.array(z.object({ version, updatedAt, mapping: content })).meta({
      description: 'The last ones, the newest first',
    }),
  })
  .meta({ id: 'MappingHistory' });

const { $schema: _, ...written } = z.toJSONSchema(mappingSchema, { io: 'input' });
const fields = written.properties as Record<string, { items?: object }>;
// one entry need not be in a list
fields['receive'] = { anyOf: [fields['receive']!.items, fields['receive']] } as object;
/** Taken as it is: the registry checks it, says every field that is wrong, and keeps it as it was written. */
const bodySchema = z.unknown().meta({ ...written, id: 'Mapping' });

const refused = ['BATON_MAPPING_DECLARED', 'BATON_TENANT_NOT_FOUND', 'BATON_STORE_UNAVAILABLE'];

export type MappingsBackend = Pick<MappingRegistry, 'list' | 'view' | 'versions' | 'apply' | 'delete'>;

export function mappingOperations(registry: MappingsBackend): Operation[] {
  return [
    operation({
      id: 'listMappings',
      method: 'GET',
      path: '/v1/mappings',
      summary: 'Mappings, by name',
      tag: 'mappings',
      scope: 'mappings:read',
      query: pageQuery,
      answer: z.object({ mappings: z.array(viewSchema), next: nextCursor }),
      errors: [],
      async run({ principal, query: { limit, after } }) {
        const found = registry.list(principal.tenant, { after: placeIn(after), limit: limit + 1 });
        const mappings = found.slice(0, limit);
        return { mappings, ...(found.length > limit ? { next: cursorOf(mappings.at(-1)!.name) } : {}) };
      },
    }),
    operation({
      id: 'getMapping',
      method: 'GET',
      path: '/v1/mappings/{name}',
      summary: 'One mapping and its last versions',
      tag: 'mappings',
      scope: 'mappings:read',
      params,
      answer: historySchema,
      errors: ['BATON_MAPPING_NOT_FOUND', 'BATON_STORE_UNAVAILABLE'],
      async run({ principal: { tenant }, params: { name } }) {
        const versions = await registry.versions(tenant, name);
        return {
          ...registry.view(tenant, name),
          versions: versions.map(({ version, at, content }) => ({
            version,
            updatedAt: at,
            mapping: content,
          })),
        };
      },
    }),
    operation({
      id: 'applyMapping',
      method: 'PUT',
      path: '/v1/mappings/{name}',
      summary: 'Makes or changes a mapping',
      description:
        'Other content than before is a new version, for sockets that open from now on; those that are open keep theirs, ' +
        'unless the new one says `onUpdate: "adopt"`. Answers when every host has it, after two seconds at most.',
      tag: 'mappings',
      scope: 'mappings:write',
      params,
      body: bodySchema,
      answer: appliedSchema,
      errors: [
        'BATON_MAPPING_INVALID',
        'BATON_ENDPOINT_FORBIDDEN',
        'BATON_ENDPOINT_UNPROVEN',
        'BATON_TOKEN_POLICY_MISSING',
        'BATON_TOO_MANY_MAPPINGS',
        ...refused,
      ],
      run: ({ principal, params, body }) => registry.apply(principal.tenant, params.name, body),
    }),
    operation({
      id: 'deleteMapping',
      method: 'DELETE',
      path: '/v1/mappings/{name}',
      summary: 'Deletes a mapping',
      description: 'Sockets that are open stay; new ones are refused.',
      tag: 'mappings',
      scope: 'mappings:write',
      params,
      errors: ['BATON_MAPPING_NOT_FOUND', ...refused],
      run: ({ principal, params }) => registry.delete(principal.tenant, params.name),
    }),
  ];
}
