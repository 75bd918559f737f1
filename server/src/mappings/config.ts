import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { type AddressGuard, signingSecret } from '../calls/index.ts';
import { appFailed, BatonError, endpointForbidden, mappingInvalid } from '../errors.ts';
import { DEFAULT_TENANT, type Mapping, mappingName, mappingSchema } from './schema.ts';

export interface Config {
  mappings: Mapping[];
  /** Secrets that calls are signed with, the newest first; none: calls are not signed. */
  secrets: string[];
}

const configSchema = z.strictObject({
  mappings: z.record(z.string(), z.unknown()).default({}),
  signing: z.strictObject({ secrets: z.array(signingSecret).min(1).max(4) }).optional(),
});

/**
 * Reads the default export of baton.config: `{ mappings: { name: {...} }, signing }`.
 * @throws BATON_APP_FAILED when the file does not load, BATON_MAPPING_INVALID or BATON_ENDPOINT_FORBIDDEN with
 *   the field and the reason
 */
export async function loadConfig(path: string, guard: AddressGuard): Promise<Config> {
  let exported: unknown;
  try {
    exported = (await import(pathToFileURL(path).href)).default;
  } catch (error) {
    throw appFailed({ path, reason: error instanceof Error ? error.message : String(error) }, error);
  }
  const outer = configSchema.safeParse(exported);
  if (!outer.success) throw mappingInvalid({ mapping: path, reason: reasonOf(outer.error) });
  const mappings = Object.entries(outer.data.mappings).map(([name, value]) => parseMapping(name, value));
  for (const mapping of mappings) checkEndpoints(mapping.name, mapping, guard);
  return { mappings, secrets: outer.data.signing?.secrets ?? [] };
}

export function parseMapping(name: string, value: unknown): Mapping {
  const checked = mappingName.safeParse(name);
  if (!checked.success) throw mappingInvalid({ mapping: name, reason: `name: ${reasonOf(checked.error)}` });
  const parsed = mappingSchema.safeParse(value);
  if (!parsed.success) throw mappingInvalid({ mapping: name, reason: reasonOf(parsed.error) });
  return { tenant: DEFAULT_TENANT, name, version: 1, ...parsed.data };
}

/** Every URL of a mapping, wherever it stands. */
function checkEndpoints(mapping: string, fields: object, guard: AddressGuard, path: string[] = []): void {
  for (const [key, value] of Object.entries(fields)) {
    const field = [...path, key];
    if (value !== null && typeof value === 'object') checkEndpoints(mapping, value, guard, field);
    if (key !== 'url' || typeof value !== 'string' || value.startsWith('function:')) continue;
    try {
      guard.checkUrl(value);
    } catch (error) {
      if (!(error instanceof BatonError)) throw error;
      const { url, reason } = error.details;
      const where = `(${field.join('.')} of mapping ${mapping})`;
      throw endpointForbidden({ url, mapping, field: field.join('.'), reason: `${reason} ${where}` });
    }
  }
}

function reasonOf(error: z.ZodError): string {
  return error.issues
    .map((issue) => (issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message))
    .join('; ');
}
