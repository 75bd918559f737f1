import { z } from 'zod';
import { invalidRequest } from '../../errors.ts';
import {
  environment,
  type Functions,
  functionDetails,
  functionLogs,
  functionName,
  functionView,
  MAX_BUNDLE_BYTES,
  MAX_LOG_LINES,
  MAX_LOG_WAIT_MS,
  MAX_SECRET_BYTES,
  origins,
  secretList,
  secretName,
  secretView,
} from '../../functions/index.ts';
import { type Operation, operation } from '../operation.ts';

export type FunctionsBackend = Omit<Functions, 'resolve' | 'close'>;

const named = z.strictObject({ name: functionName.meta({ description: 'Name of the function' }) });
const secret = z.strictObject({ name: secretName.meta({ description: 'Name of the secret' }) });
/** Given once or more often. */
const several = z.union([z.string(), z.array(z.string())]).optional();
const list = (given: string | string[] | undefined) => (given === undefined ? [] : [given].flat());

const away = ['BATON_FUNCTION_DOWN', 'BATON_STORE_UNAVAILABLE'];
const deploying = [
  'BATON_FUNCTIONS_UNSUPPORTED',
  'BATON_FUNCTION_INVALID',
  'BATON_FUNCTION_TOO_LARGE',
  'BATON_FUNCTIONS_FULL',
  'BATON_FUNCTION_CONFLICT',
  'BATON_SECRET_NOT_FOUND',
  'BATON_SECRETS_UNAVAILABLE',
  ...away,
];

export function functionOperations(functions: FunctionsBackend): Operation[] {
  return [...deployment(functions), ...reading(functions), ...secrets(functions)];
}

const deployment = (functions: FunctionsBackend) => [
  operation({
    id: 'deployFunction',
    method: 'PUT',
    path: '/v1/functions/{name}',
    summary: 'Deploys a function',
    description:
      'The body is one ES module whose default export has a `fetch(request, env, context)`. It becomes the current ' +
      'version once it runs; until then, and when it does not, the version before goes on.',
    tag: 'functions',
    scope: 'functions:write',
    params: named,
    query: z.strictObject({
      env: several.meta({
        description: '`KEY=secret`: puts the secret into its environment. Can be repeated',
      }),
      allowNet: several.meta({ description: 'Origin that it may connect to. Can be repeated' }),
    }),
    raw: { mediaTypes: ['application/javascript', 'text/javascript'], limit: MAX_BUNDLE_BYTES },
    answer: functionView,
    errors: deploying,
    run: ({ principal: { tenant }, params: { name }, query, rawBody }) =>
      functions.deploy({
        tenant,
        name,
        code: textOf(rawBody),
        env: checked('env', environment, Object.fromEntries(list(query.env).map(pairOf))),
        allowNet: checked('allowNet', origins, list(query.allowNet)),
      }),
  }),
  operation({
    id: 'rollbackFunction',
    method: 'POST',
    path: '/v1/functions/{name}/rollback',
    summary: 'Deploys an earlier version again',
    tag: 'functions',
    scope: 'functions:write',
    params: named,
    body: z.strictObject({
      version: z.number().int().min(1).optional().meta({ description: 'Default: the one before' }),
    }),
    answer: functionView,
    errors: ['BATON_FUNCTION_NOT_FOUND', ...deploying],
    run: ({ principal: { tenant }, params: { name }, body }) => functions.rollback({ tenant, name, ...body }),
  }),
  operation({
    id: 'deleteFunction',
    method: 'DELETE',
    path: '/v1/functions/{name}',
    summary: 'Deletes a function with all its versions',
    tag: 'functions',
    scope: 'functions:write',
    params: named,
    errors: ['BATON_FUNCTION_NOT_FOUND', 'BATON_FUNCTION_CONFLICT', ...away],
    run: ({ principal: { tenant }, params: { name } }) => functions.remove({ tenant, name }),
  }),
];

const reading = (functions: FunctionsBackend) => [
  operation({
    id: 'listFunctions',
    method: 'GET',
    path: '/v1/functions',
    summary: 'All functions; there are few',
    tag: 'functions',
    scope: 'functions:read',
    answer: z.object({ functions: z.array(functionView) }),
    errors: away,
    run: ({ principal: { tenant } }) => functions.list({ tenant }),
  }),
  operation({
    id: 'getFunction',
    method: 'GET',
    path: '/v1/functions/{name}',
    summary: 'One function with its versions',
    tag: 'functions',
    scope: 'functions:read',
    params: named,
    answer: functionDetails,
    errors: ['BATON_FUNCTION_NOT_FOUND', ...away],
    run: ({ principal: { tenant }, params: { name } }) => functions.show({ tenant, name }),
  }),
  operation({
    id: 'getFunctionLogs',
    method: 'GET',
    path: '/v1/functions/{name}/logs',
    summary: 'What a function wrote on the machine that answers',
    tag: 'functions',
    scope: 'functions:read',
    params: named,
    query: z.strictObject({
      after: z.coerce
        .number()
        .int()
        .min(0)
        .default(0)
        .meta({ description: 'Number of the last line that is known' }),
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .max(MAX_LOG_LINES)
        .default(100)
        .meta({ description: 'The newest ones' }),
      waitMs: z.coerce
        .number()
        .int()
        .min(0)
        .max(MAX_LOG_WAIT_MS)
        .default(0)
        .meta({ description: 'How long to wait for a line when there is none' }),
    }),
    answer: functionLogs,
    errors: ['BATON_FUNCTION_NOT_FOUND', ...away],
    run: ({ principal: { tenant }, params: { name }, query }) => functions.logs({ tenant, name, ...query }),
  }),
];

const secrets = (functions: FunctionsBackend) => [
  operation({
    id: 'setSecret',
    method: 'PUT',
    path: '/v1/secrets/{name}',
    summary: 'Sets a secret; functions that use it start anew with it',
    tag: 'functions',
    scope: 'functions:write',
    params: secret,
    raw: { mediaTypes: ['text/plain'], limit: MAX_SECRET_BYTES },
    answer: secretView,
    errors: ['BATON_SECRETS_UNAVAILABLE', 'BATON_SECRETS_FULL', 'BATON_FUNCTION_CONFLICT', ...away],
    run: ({ principal: { tenant }, params: { name }, rawBody }) =>
      functions.setSecret({ tenant, name, value: textOf(rawBody) }),
  }),
  operation({
    id: 'listSecrets',
    method: 'GET',
    path: '/v1/secrets',
    summary: 'Names of all secrets',
    tag: 'functions',
    scope: 'functions:read',
    answer: secretList,
    errors: away,
    run: ({ principal: { tenant } }) => functions.secrets({ tenant }),
  }),
  operation({
    id: 'deleteSecret',
    method: 'DELETE',
    path: '/v1/secrets/{name}',
    summary: 'Deletes a secret that no function uses',
    tag: 'functions',
    scope: 'functions:write',
    params: secret,
    errors: ['BATON_SECRET_NOT_FOUND', 'BATON_SECRET_IN_USE', 'BATON_FUNCTION_CONFLICT', ...away],
    run: ({ principal: { tenant }, params: { name } }) => functions.removeSecret({ tenant, name }),
  }),
];

function pairOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw invalidRequest({ reason: 'env: expected KEY=secret', field: 'env' });
  return [text.slice(0, at), text.slice(at + 1)];
}

function checked<T>(field: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalidRequest({ reason: `${field}: ${parsed.error.issues[0]!.message}`, field });
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalidRequest({ reason: 'The request body is not UTF-8.' }, error);
  }
}
