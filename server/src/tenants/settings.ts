// What a tenant is: how its players' tokens are verified, what its calls are signed with, how much it may use.
import { z } from 'zod';
import { signingSecret } from '../calls/index.ts';
import { tokenPolicy } from './token-policy.ts';

/** Whose everything at the top level of baton.config is. */
export const DEFAULT_TENANT = 'default';

/** Part of API keys, of keys in the store and of headers. */
export const tenantId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'a lower-case letter, then lower-case letters, digits or -, 32 in all');

const quotas = z.strictObject({
  /** Sockets open at a time, on all hosts. */
  sockets: z.number().int().min(0).max(10_000_000).optional(),
  /** Calls to functions that one host makes at a time. */
  callsAtOnce: z.number().int().min(1).max(10_000).optional(),
  /** Calls to functions that wait on one host. */
  callsWaiting: z.number().int().min(0).max(50_000).optional(),
});

/** A tenant as it is written in baton.config, beside its mappings. */
export const tenantSettings = z.strictObject({
  /** Calls are signed with each of the secrets, the newest first; none: calls are not signed. */
  signing: z.strictObject({ secrets: z.array(signingSecret).min(1).max(4) }).optional(),
  /** How tokens are verified. */
  tokens: tokenPolicy.optional(),
  quotas: quotas.default({}),
});

export type TenantSettings = z.infer<typeof tenantSettings>;
