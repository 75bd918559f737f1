// What calls, answers and failures say, as v8-serialised values. Only peers of our own user are ever deserialised.

import { deserialize, serialize } from 'node:v8';
import { BatonError, handoffFailed, handoffProtocol } from '../errors.ts';

/** @throws handoffProtocol when the value holds something that cannot be cloned (functions, sockets) */
export function encode(value: unknown): Buffer {
  try {
    return serialize(value);
  } catch (error) {
    throw handoffProtocol({ reason: `its payload cannot be serialised: ${(error as Error).message}` }, error);
  }
}

/** @throws handoffProtocol */
export function decode(body: Buffer): unknown {
  try {
    return deserialize(body);
  } catch (error) {
    throw handoffProtocol({ reason: 'its payload cannot be deserialised' }, error);
  }
}

/** @throws handoffProtocol */
export function decodeCall(body: Buffer): { method: string; payload: unknown } {
  const value = decode(body);
  if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== 'string') {
    throw handoffProtocol({ reason: 'a call without a method' });
  }
  return { method: value[0], payload: value[1] };
}

/** Errors of the catalogue travel as they are; of others only the first line of their text does. */
export function encodeFailure(error: unknown, method: string): Buffer {
  const known = error instanceof BatonError ? error : handoffFailed({ method, reason: firstLine(error) });
  const json = known.toJSON();
  try {
    return serialize(json);
  } catch {
    return serialize({ ...json, details: {} });
  }
}

export function decodeFailure(body: Buffer): BatonError {
  const value = decode(body) as ReturnType<BatonError['toJSON']> | null | undefined;
  if (
    typeof value?.code !== 'string' ||
    typeof value.status !== 'number' ||
    typeof value.message !== 'string'
  ) {
    return handoffProtocol({ reason: 'a failure that names no error' });
  }
  return BatonError.fromJSON(value);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split('\n')[0] ?? '').slice(0, 300) || 'unknown error';
}
