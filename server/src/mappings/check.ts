// Checks of one mapping, wherever it comes from.
import type { z } from 'zod';
import type { AddressGuard } from '../calls/index.ts';
import { BatonError, endpointForbidden, mappingInvalid } from '../errors.ts';
import { type Mapping, mappingName, mappingSchema } from './schema.ts';

/** Bytes of one mapping, as JSON. */
export const MAX_MAPPING_BYTES = 32 * 1024;

/** @throws BATON_MAPPING_INVALID with every field that is wrong, and why */
export function parseMapping(tenant: string, name: string, content: unknown, version = 0): Mapping {
  const checked = mappingName.safeParse(name);
  if (!checked.success) throw mappingInvalid({ mapping: name, reason: `name: ${reasonOf(checked.error)}` });
  const bytes = Buffer.byteLength(JSON.stringify(content) ?? '');
  if (bytes > MAX_MAPPING_BYTES)
    throw mappingInvalid({ mapping: name, reason: `it has ${bytes} bytes; at most ${MAX_MAPPING_BYTES}` });
  const parsed = mappingSchema.safeParse(content);
  if (!parsed.success) throw mappingInvalid({ mapping: name, reason: reasonOf(parsed.error) });
  return { ...parsed.data, tenant, name, version };
}

/**
 * Every URL of a mapping, wherever it stands.
 * @throws BATON_ENDPOINT_FORBIDDEN
 */
export function checkEndpoints(mapping: Mapping, guard: AddressGuard): void {
  const { name } = mapping;
  for (const { url, field } of urlsIn(mapping)) {
    try {
      guard.checkUrl(url);
    } catch (error) {
      if (!(error instanceof BatonError)) throw error;
      const { url, reason } = error.details;
      throw endpointForbidden({
        url,
        mapping: name,
        field,
        reason: `${reason} (${field} of mapping ${name})`,
      });
    }
  }
}

/** Where the functions of a mapping are; those that the service hosts itself are no addresses. */
export function urlsIn(fields: object, path: string[] = []): { url: string; field: string }[] {
  return Object.entries(fields).flatMap(([key, value]) => {
    const field = [...path, key];
    if (value !== null && typeof value === 'object') return urlsIn(value, field);
    if (key !== 'url' || typeof value !== 'string' || value.startsWith('function:')) return [];
    return [{ url: value, field: field.join('.') }];
  });
}

export function reasonOf(error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      const message =
        issue.code === 'invalid_key' ? issue.issues.map((inner) => inner.message).join() : issue.message;
      return issue.path.length > 0 ? `${issue.path.join('.')}: ${message}` : message;
    })
    .join('; ');
}
