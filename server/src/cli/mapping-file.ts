// Files with mappings: `mappings: { name: {...} }`, in YAML or in JSON, which is YAML too.
import fs from 'node:fs/promises';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { invalidOption, mappingInvalid } from '../errors.ts';
import { mappingName, mappingSchema } from '../mappings/index.ts';

/** Bytes of one file. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;

const fileSchema = z.strictObject({ mappings: z.record(mappingName, mappingSchema) });

/**
 * @param file path, or `-` for standard input
 * @returns mappings by name, as they are written there
 * @throws BATON_INVALID_OPTION when it cannot be read, BATON_MAPPING_INVALID with every line and field that is wrong
 */
export async function readMappingFile(file: string): Promise<[name: string, mapping: object][]> {
  const lines = new LineCounter();
  const document = parseDocument(await read(file), { lineCounter: lines, prettyErrors: false });
  const place = (offset = 0) => `line ${lines.linePos(offset).line}`;
  const invalid = (reasons: string[]) =>
    mappingInvalid({ mapping: file === '-' ? 'standard input' : file, reason: reasons.join('; ') });
  if (document.errors.length > 0)
    throw invalid(document.errors.map(({ pos, message }) => `${place(pos[0])}: ${message}`));
  const content: unknown = document.toJS();
  const parsed = fileSchema.safeParse(content);
  if (parsed.success) return Object.entries((content as { mappings: Record<string, object> }).mappings);
  const offsetOf = (path: PropertyKey[]): number | undefined => {
    for (let depth = path.length; depth >= 0; depth--) {
      const node = document.getIn(path.slice(0, depth), true);
      if (isNode(node) && node.range) return node.range[0];
    }
    return undefined;
  };
  throw invalid(
    parsed.error.issues.map(({ path, message }) => {
      const field = path.length === 0 ? '' : `${path.join('.')}: `;
      return `${place(offsetOf(path))}: ${field}${message}`;
    }),
  );
}

async function read(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    const input = file === '-' ? process.stdin : (await fs.open(file)).createReadStream();
    for await (const chunk of input as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_FILE_BYTES) throw new Error(`it is longer than ${MAX_FILE_BYTES} bytes`);
    }
  } catch (error) {
    throw invalidOption({ option: file, reason: error instanceof Error ? error.message : String(error) });
  }
  return Buffer.concat(chunks).toString('utf8');
}
