// What a game sends and hears, and what of it goes over the wire.
import { clientError } from './errors.ts';
import { issuesOf, type StandardSchema } from './standard-schema.ts';
import { escaped, type Wire } from './wire.ts';

/** `text`: strings and bytes as they are. `json`: anything but bytes as JSON; text that is none is a string. */
export type Format = 'text' | 'json';

/** @throws BATON_MESSAGE_INVALID */
export function encode(format: Format, data: unknown): Wire {
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
  if (ArrayBuffer.isView(data)) {
    const { buffer, byteOffset, byteLength } = data;
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice(); // the game may write to its own on
  }
  if (format === 'json') {
    const text = JSON.stringify(data);
    if (text !== undefined) return escaped(text);
    throw clientError('BATON_MESSAGE_INVALID', { reason: `JSON has no ${typeof data}` });
  }
  if (typeof data === 'string') return escaped(data);
  const reason = `without \`format: 'json'\` or a \`schema\` it is text or bytes, not ${data === null ? 'null' : typeof data}`;
  throw clientError('BATON_MESSAGE_INVALID', { reason });
}

export function decode(format: Format, data: Wire): unknown {
  if (format === 'text' || typeof data !== 'string') return data;
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

/**
 * @returns the value as the schema makes it; a promise where the schema needs one
 * @throws BATON_MESSAGE_INVALID
 */
export function check(schema: StandardSchema | undefined, value: unknown): unknown {
  if (!schema) return value;
  const result = schema['~standard'].validate(value);
  return result instanceof Promise ? result.then(outputOf) : outputOf(result);
}

function outputOf(result: Awaited<ReturnType<StandardSchema['~standard']['validate']>>): unknown {
  const reason = issuesOf(result);
  if (reason !== undefined) throw clientError('BATON_MESSAGE_INVALID', { reason });
  return (result as { value: unknown }).value;
}
