import fs from 'node:fs/promises';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { invalidOption } from '../errors.ts';

/** Bytes of one file. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;

/**
 * Reads a file in YAML, or in JSON, which is YAML too.
 * @param file    path, or `-` for standard input
 * @param invalid makes the error of every line and field that is wrong
 * @returns what is written there, and what the schema makes of it
 * @throws BATON_INVALID_OPTION when it cannot be read
 */
export async function readYaml<T extends z.ZodType>(
  file: string,
  schema: T,
  invalid: (reason: string) => Error,
): Promise<{ written: unknown; parsed: z.output<T> }> {
  const lines = new LineCounter();
  const document = parseDocument(await read(file), { lineCounter: lines, prettyErrors: false });
  const place = (offset = 0) => `line ${lines.linePos(offset).line}`;
  if (document.errors.length > 0)
    throw invalid(document.errors.map(({ pos, message }) => `${place(pos[0])}: ${message}`).join('; '));
  const written: unknown = document.toJS();
  const result = schema.safeParse(written);
  if (result.success) return { written, parsed: result.data };
  const offsetOf = (path: PropertyKey[]): number | undefined => {
    for (let depth = path.length; depth >= 0; depth--) {
      const node = document.getIn(path.slice(0, depth), true);
      if (isNode(node) && node.range) return node.range[0];
    }
    return undefined;
  };
  const reasons = result.error.issues.map(({ path, message }) => {
    const field = path.length === 0 ? '' : `${path.join('.')}: `;
    return `${place(offsetOf(path))}: ${field}${message}`;
  });
  throw invalid(reasons.join('; '));
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
