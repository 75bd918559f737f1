// The OpenAPI 3.1 document of the operations: its schemas are those with which requests are checked.
import { z } from 'zod';
import { catalogue } from '../errors.ts';
import { KEY } from './idempotency.ts';
import type { Operation } from './operation.ts';
import { problemSchema } from './problem.ts';
import { BODY_BYTES } from './request.ts';

type Json = Record<string, unknown>;
type Io = 'input' | 'output';

/** What can go wrong with every request that is not open to all. */
const EVERY = [
  'BATON_UNAUTHORIZED',
  'BATON_KEY_FORBIDDEN',
  'BATON_INVALID_REQUEST',
  'BATON_RATE_LIMITED',
  'BATON_STORE_UNAVAILABLE',
  'BATON_INTERNAL',
];
const WITH_BODY = ['BATON_BODY_TOO_LARGE', 'BATON_UNSUPPORTED_MEDIA_TYPE'];
/** Of a request that may have an `Idempotency-Key`. */
const WITH_KEY = [
  'BATON_IDEMPOTENCY_CONFLICT',
  'BATON_IDEMPOTENCY_IN_PROGRESS',
  'BATON_IDEMPOTENCY_NOT_KEPT',
];
/** Their answers say when to try again. */
const LATER = ['BATON_RATE_LIMITED', 'BATON_IDEMPOTENCY_IN_PROGRESS'];

const INFO = {
  title: 'Baton control API',
  version: '1',
  description:
    'Errors are problem details (RFC 9457) with a `code` of one catalogue; `details` holds the values that its ' +
    'message was made of.',
  license: { name: 'MIT', identifier: 'MIT' },
};

/** @throws Error when an operation names an error that is not in the catalogue, or two have one id */
export function openApiDocument(operations: readonly Operation[]): Json {
  const components = new Components();
  const paths: Record<string, Json> = {};
  const seen = new Set<string>();
  for (const operation of operations) {
    if (seen.has(operation.id)) throw new Error(`two operations are called ${operation.id}`);
    seen.add(operation.id);
    paths[operation.path] ??= {};
    paths[operation.path]![operation.method.toLowerCase()] = operationObject(operation, components);
  }
  return {
    openapi: '3.1.0',
    info: INFO,
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: "An API key, or the service's own token" },
      },
      schemas: components.schemas,
    },
  };
}

function operationObject(operation: Operation, components: Components): Json {
  const { id, summary, tag, scope } = operation;
  const description = [operation.description, needs(scope)];
  const parameters = [
    ...parametersOf(operation.params, 'path', components),
    ...parametersOf(operation.query, 'query', components),
    ...(scope === 'open' ? [] : headersOf(operation)),
  ];
  const body = bodyOf(operation, components);
  return {
    operationId: id,
    summary,
    description: description.filter((line) => line !== undefined).join('\n\n'),
    tags: [tag],
    ...(scope === 'open' ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: body } : {}),
    responses: { ...success(operation, components), ...failures(operation, components) },
  };
}

function needs(scope: Operation['scope']): string | undefined {
  if (scope === 'open') return undefined;
  return scope === 'any' ? 'Needs a key, with `any` scopes.' : `Needs the scope \`${scope}\`.`;
}

function headersOf({ method }: Operation): Json[] {
  const headers: Json[] = [
    {
      name: 'Baton-Tenant',
      in: 'header',
      description: "Tenant for which the service's own token acts; default `default`. Keys have theirs.",
      schema: { type: 'string' },
    },
  ];
  if (method === 'GET') return headers;
  const key = {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'The same request with the same key is carried out once, and answered again with `Idempotency-Replayed: true`.',
    schema: { type: 'string', pattern: KEY.source },
  };
  return [...headers, key];
}

/** Each field of the schema is a parameter of its own. */
function parametersOf(
  schema: z.ZodType | undefined,
  where: 'path' | 'query',
  components: Components,
): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = components.inline(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    ...(description === undefined ? {} : { description }),
    ...(where === 'path' || required.includes(name) ? { required: true } : {}),
    schema: rest,
  }));
}

function bodyOf({ raw, body, bodyLimit = BODY_BYTES }: Operation, components: Components): Json | undefined {
  if (raw) {
    return {
      description: `At most ${raw.limit} bytes`,
      content: Object.fromEntries(raw.mediaTypes.map((type) => [type, {}])),
    };
  }
  if (!body) return undefined;
  return {
    description: `At most ${bodyLimit} bytes`,
    required: !body.safeParse({}).success,
    content: { 'application/json': { schema: components.inline(body, 'input') } },
  };
}

function success({ status, answer, mediaType, events, summary }: Operation, components: Components): Json {
  if (!answer) return { [status ?? 204]: { description: summary } };
  const schema = components.inline(answer, 'output');
  const content = {
    [mediaType ?? 'application/json']: { schema },
    ...(events
      ? { 'text/event-stream': { schema: { anyOf: [schema, components.inline(events.schema, 'output')] } } }
      : {}),
  };
  return { [status ?? 200]: { description: summary, content } };
}

const RETRY_AFTER = { 'Retry-After': { description: 'Seconds', schema: { type: 'integer' } } };

/** Errors by status, each with the codes it may have. */
function failures(operation: Operation, components: Components): Json {
  const byStatus = new Map<number, string[]>();
  for (const code of codesOf(operation)) {
    const { status } = catalogue.get(code) ?? {};
    if (status === undefined) throw new Error(`${operation.id}: ${code} is not in the catalogue`);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const problem = components.inline(problemSchema, 'output');
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\``).join(', '),
        ...(codes.some((code) => LATER.includes(code)) ? { headers: RETRY_AFTER } : {}),
        content: {
          'application/problem+json': {
            schema: { allOf: [problem, { type: 'object', properties: { code: { enum: codes } } }] },
          },
        },
      },
    ]),
  );
}

/** All errors of an operation, also those that it need not name. */
function codesOf({ method, scope, body, raw, errors }: Operation): string[] {
  return [
    ...new Set([
      ...(scope === 'open' ? ['BATON_INTERNAL'] : EVERY),
      ...(body || raw ? WITH_BODY : []),
      ...(method === 'GET' ? [] : WITH_KEY),
      ...errors,
    ]),
  ];
}

/** Schemas with a name of their own are there once. */
class Components {
  readonly schemas: Record<string, Json> = {};

  /** The schema, with references to its named parts. */
  inline(schema: z.ZodType, io: Io): Json {
    const {
      $schema: _,
      $defs = {},
      ...json
    } = z.toJSONSchema(schema, {
      io,
      override: ({ jsonSchema }) => {
        // an answer may get fields that a client does not know yet
        if (io === 'output' && jsonSchema.additionalProperties === false)
          delete jsonSchema.additionalProperties;
        delete jsonSchema['id'];
      },
    }) as Json & { $defs?: Record<string, Json> };
    const differs = Object.entries($defs).some(([name, part]) => this.isOther(name, refer(part, '')));
    const suffix = differs ? (io === 'input' ? 'Input' : 'Output') : '';
    for (const [name, part] of Object.entries($defs)) this.schemas[name + suffix] = refer(part, suffix);
    return refer(json, suffix);
  }

  private isOther(name: string, part: Json): boolean {
    const there = this.schemas[name];
    return there !== undefined && JSON.stringify(there) !== JSON.stringify(part);
  }
}

/** The same with references into the document's components. */
function refer(json: Json, suffix: string): Json {
  return JSON.parse(JSON.stringify(json), (key, value) =>
    key === '$ref' && typeof value === 'string'
      ? value.replace(/^#\/\$defs\/(.+)$/, `#/components/schemas/$1${suffix}`)
      : value,
  );
}
