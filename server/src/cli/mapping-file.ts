import { z } from 'zod';
import { mappingInvalid } from '../errors.ts';
import { mappingName, mappingSchema } from '../mappings/index.ts';
import { readYaml } from './yaml-file.ts';

const fileSchema = z.strictObject({ mappings: z.record(mappingName, mappingSchema) });

/**
 * A file with mappings: `mappings: { name: {...} }`.
 * @param file path, or `-` for standard input
 * @returns mappings by name, as they are written there
 * @throws BATON_INVALID_OPTION when it cannot be read, BATON_MAPPING_INVALID with every line and field that is wrong
 */
export async function readMappingFile(file: string): Promise<[name: string, mapping: object][]> {
  const { written } = await readYaml(file, fileSchema, (reason) =>
    mappingInvalid({ mapping: file === '-' ? 'standard input' : file, reason }),
  );
  return Object.entries((written as { mappings: Record<string, object> }).mappings);
}
