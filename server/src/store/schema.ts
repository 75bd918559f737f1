import { z } from 'zod';
import type { BatonError } from '../errors.ts';
import { invalidRequest, ownershipLost } from '../errors.ts';
import { type RoomOwner, storeLimits } from './types.ts';

/** Shapes of what a store takes, checked by both kinds. */
export const key = z.string().min(1).max(storeLimits.keyLength);
export const epoch = z.int().min(1);
export const milliseconds = z.number().min(1).max(Number.MAX_SAFE_INTEGER);
export const version = z.int().min(0);
export const value = z.string().max(storeLimits.valueLength);
export const keys = z.array(key).max(storeLimits.batch);
export const reads = z.array(key).max(storeLimits.reads);
export const changes = z
  .array(
    z.object({
      key,
      expect: version.optional(),
      value: value.optional(),
      ttlMs: milliseconds.optional(),
      check: z.literal(true).optional(),
    }),
  )
  .min(1)
  .max(storeLimits.changes)
  .refine((all) => new Set(all.map((one) => one.key)).size === all.length, 'a key is named twice');
export const moves = z.array(z.object({ roomId: key, from: key, epoch, to: key })).max(storeLimits.batch);

/** Loose: a host of a newer version may tell more about itself. */
export const hostRecord = z.looseObject({
  id: key,
  processId: key,
  pid: z.int(),
  machine: z.string().max(storeLimits.keyLength),
  handoffPath: z.string().max(storeLimits.keyLength),
  state: z.enum(['up', 'standby', 'draining']),
  generation: z.int(),
  rooms: z.int().min(0),
  clients: z.int().min(0),
  startedAt: z.number(),
  load: z.number().optional(),
  memory: z.number().optional(),
  moves: z.int().optional(),
});

/**
 * @param what names the arguments in the error: the method's name
 * @throws BATON_INVALID_REQUEST that names the field
 */
export function check<T>(what: string, schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const at = issue.path.length > 0 ? ` at ${issue.path.join('.')}` : '';
  throw invalidRequest({ reason: `store ${what}: ${issue.message}${at}` });
}

export function ownedByAnother(host: string, owner: RoomOwner): BatonError {
  return ownershipLost({ roomId: owner.roomId, owner: owner.host, epoch: owner.epoch, host });
}
