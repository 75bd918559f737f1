// baton.config: the tenants of a service and their mappings, as far as they are declared in a file.
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { AddressGuard } from '../calls/index.ts';
import { appFailed, mappingInvalid, tokenPolicyMissing } from '../errors.ts';
import { DEFAULT_TENANT, tenantId, tenantSettings } from '../tenants/index.ts';
import { checkEndpoints, parseMapping, reasonOf } from './check.ts';

/** What a file says of one tenant: plain JSON that was checked. */
export interface DeclaredTenant {
  id: string;
  settings: { signing?: unknown; tokens?: unknown };
  /** By name. */
  mappings: Map<string, unknown>;
}

const settings = tenantSettings.shape;
const mappings = z.record(z.string(), z.unknown()).default({});
const configSchema = z.strictObject({
  ...settings,
  mappings,
  tenants: z.record(tenantId, z.strictObject({ ...settings, mappings })).default({}),
});

export interface LoadOptions {
  guard: AddressGuard;
  /** Tenants need no way to verify tokens. */
  development: boolean;
}

/**
 * Reads the default export of baton.config: `{ signing, tokens, quotas, mappings: { name: {...} } }` of the default
 * tenant, and `tenants: { name: {...} }` with the same of others.
 * @throws BATON_APP_FAILED when the file does not load, BATON_MAPPING_INVALID or BATON_ENDPOINT_FORBIDDEN with
 *   the field and the reason, BATON_TOKEN_POLICY_MISSING outside development
 */
export async function loadConfig(path: string, options: LoadOptions): Promise<DeclaredTenant[]> {
  let exported: unknown;
  try {
    exported = (await import(pathToFileURL(path).href)).default;
  } catch (error) {
    throw appFailed({ path, reason: error instanceof Error ? error.message : String(error) }, error);
  }
  const outer = configSchema.safeParse(exported);
  if (!outer.success) throw mappingInvalid({ mapping: path, reason: reasonOf(outer.error) });
  if (DEFAULT_TENANT in outer.data.tenants)
    throw mappingInvalid({
      mapping: path,
      reason: `tenants.${DEFAULT_TENANT}: what it has is at the top level`,
    });
  // as it was written: the file is what is kept, each release reads it its own way
  const { tenants = {}, ...own } = exported as { tenants?: object };
  return Object.entries({ [DEFAULT_TENANT]: own, ...tenants }).map(([id, given]) => {
    const tenant = declared(id, plain(given));
    check(tenant, path, options);
    return tenant;
  });
}

function declared(id: string, given: { mappings?: object }): DeclaredTenant {
  const { mappings = {}, ...settings } = given;
  return { id, settings, mappings: new Map(Object.entries(mappings)) };
}

function check({ id, settings, mappings }: DeclaredTenant, path: string, options: LoadOptions): void {
  for (const [name, content] of mappings) checkEndpoints(parseMapping(id, name, content), options.guard);
  if (mappings.size > 0 && settings.tokens === undefined && !options.development)
    throw tokenPolicyMissing({
      tenant: id,
      where: id === DEFAULT_TENANT ? `to ${path}` : `to it in ${path}`,
    });
}

/** Without what JSON does not know, such as fields that are undefined. */
const plain = (value: object): object => JSON.parse(JSON.stringify(value));
