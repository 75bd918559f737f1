import { z } from 'zod';

/** What the supervisor tells the runner in the environment variable BATON_FUNCTIONS, as JSON. */
export const runnerSettings = z.object({
  store: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('redis'), url: z.string(), prefix: z.string().optional() }),
    z.object({ kind: z.literal('embedded'), path: z.string() }),
  ]),
  /** Directory of this service's sockets, mode 0700. */
  runtimeDir: z.string().min(1),
  /** CIDR ranges that functions may connect to although they are not public. */
  allowEndpoints: z.array(z.string()),
});
export type RunnerSettings = z.infer<typeof runnerSettings>;
