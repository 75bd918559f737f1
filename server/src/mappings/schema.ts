import { z } from 'zod';

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000 };

/** `"250ms"`, `"60s"`, `"2m"` or a number of milliseconds. */
const duration = z.union([
  z.number().int().nonnegative(),
  z
    .string()
    .regex(/^\d+(ms|s|m)$/, 'expected a duration such as "250ms", "60s" or "2m"')
    .transform((text) => {
      const [, amount, unit] = /^(\d+)(ms|s|m)$/.exec(text)!;
      return Number(amount) * UNITS[unit!]!;
    }),
]);

export const endpointSchema = z.strictObject({
  /** Absolute http or https URL of the function. */
  url: z.url({ protocol: /^https?$/ }),
  /** How long the function may take, all attempts together; default 5 s. */
  timeout: duration.pipe(z.number().min(1).max(60_000)).default(5_000),
  /** Attempts after the first one, when it was not reached or answered 5xx or 429. */
  retries: z.number().int().min(0).max(5).default(2),
  /** Also repeats a call that was sent and not answered: the function may have run. */
  retryTimeouts: z.boolean().default(false),
});

/** One function mapping as it is written in baton.config. */
export const mappingSchema = z.strictObject({
  /** Runs when a socket opens; answers with the peer's socket id, or with nothing to wait to be found. */
  open: endpointSchema,
  /** Runs when a socket has closed. */
  close: endpointSchema.optional(),
  /** How long a socket waits for a peer that is not open yet. */
  waitTimeout: duration.pipe(z.number().max(3_600_000)).default(60_000),
  /** What happens to the one whose peer left. */
  onPeerLeave: z.enum(['close', 'wait', 'keep']).default('keep'),
  /** Messages a client may send within a second; past it its socket is closed. */
  maxMessagesPerSecond: z.number().int().min(1).max(1_000_000).default(2_000),
  /** Where a message goes. */
  forward: z.literal('peers').default('peers'),
});

export interface Mapping extends z.infer<typeof mappingSchema> {
  tenant: string;
  name: string;
  /** Grows with each change of it. */
  version: number;
}

/** The tenant of what is not declared for another one. */
export const DEFAULT_TENANT = 'default';

/** Names are used as Colyseus room names. */
export const mappingName = z
  .string()
  .regex(/^[A-Za-z][\w-]{0,63}$/, 'a letter, then letters, digits, _ or -');
