import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { appFailed, mappingInvalid } from '../errors.ts';
import { type Mapping, mappingName, mappingSchema } from './schema.ts';

export interface Config {
  mappings: Mapping[];
}

/**
 * Reads the default export of baton.config: `{ mappings: { name: {...} } }`.
 * @throws BATON_APP_FAILED when the file does not load, BATON_MAPPING_INVALID with the field and the reason
 */
export async function loadConfig(path: string): Promise<Config> {
  let exported: unknown;
  try {
    exported = (await import(pathToFileURL(path).href)).default;
  } catch (error) {
    throw appFailed({ path, reason: error instanceof Error ? error.message : String(error) }, error);
  }
  const outer = z
    .strictObject({ mappings: z.record(z.string(), z.unknown()).default({}) })
    .safeParse(exported);
  if (!outer.success) throw mappingInvalid({ mapping: path, reason: reasonOf(outer.error) });
  return { mappings: Object.entries(outer.data.mappings).map(([name, value]) => parseMapping(name, value)) };
}

export function parseMapping(name: string, value: unknown): Mapping {
  const checked = mappingName.safeParse(name);
  if (!checked.success) throw mappingInvalid({ mapping: name, reason: `name: ${reasonOf(checked.error)}` });
  const parsed = mappingSchema.safeParse(value);
  if (!parsed.success) throw mappingInvalid({ mapping: name, reason: reasonOf(parsed.error) });
  return { name, ...parsed.data };
}

function reasonOf(error: z.ZodError): string {
  return error.issues
    .map((issue) => (issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message))
    .join('; ');
}
