import { z } from 'zod';

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `"250ms"`, `"60s"`, `"2m"`, `"12h"` or a number of milliseconds. */
export const duration = z.union(
  [
    z.number().int().nonnegative(),
    z
      .string()
      .regex(/^\d{1,9}(ms|s|m|h)$/)
      .transform((text) => {
        const [, amount, unit] = /^(\d+)(\w+)$/.exec(text)!;
        return Number(amount) * UNITS[unit!]!;
      }),
  ],
  { error: 'expected a duration such as "250ms", "60s", "2m" or "12h"' },
);
