import { z } from 'zod';
import { invalidOption } from '../errors.ts';

/** Longer is felt by players. */
export const MAX_COALESCE_MS = 10;

/** What the supervisor tells a host process in the environment variable BATON_HOST, as JSON. */
export const settingsSchema = z.object({
  /** Absolute path of the app. */
  app: z.string().min(1),
  /** Descriptor of the listening socket, inherited. */
  listenFd: z.number().int().nonnegative(),
  port: z.number().int().min(0).max(65_535),
  store: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('redis'), url: z.string(), prefix: z.string().optional() }),
    z.object({ kind: z.literal('embedded'), path: z.string() }),
  ]),
  /** Directory of this service's sockets, mode 0700. */
  runtimeDir: z.string().min(1),
  generation: z.number().int().nonnegative(),
  /** It takes no rooms before it is told to serve. */
  standby: z.boolean(),
  controlToken: z.string().min(16),
  metricsToken: z.string().min(16).optional(),
  /** Absolute path of baton.config, when there is one. */
  mappings: z.string().optional(),
  /** Tenants that do not say how tokens are verified take any as the name of its player. */
  development: z.boolean(),
  /** DNS name under which endpoints are asked whether they want calls. */
  origin: z.string().min(1),
  /** CIDR ranges where functions may be although they are not public. */
  allowEndpoints: z.array(z.string()),
  /** CIDR ranges of proxies that say where clients are. */
  trustProxy: z.array(z.string()),
  /** Milliseconds by which messages may come later while there are many; 0 for not at all. */
  coalesce: z.number().int().min(0).max(MAX_COALESCE_MS),
});

export type HostSettings = z.infer<typeof settingsSchema>;

/** @throws BATON_INVALID_OPTION */
export function readSettings(json: string | undefined): HostSettings {
  let value: unknown;
  try {
    value = JSON.parse(json ?? '');
  } catch {
    throw invalidOption({ option: 'BATON_HOST', reason: 'not JSON; hosts are started by `baton start`' });
  }
  const parsed = settingsSchema.safeParse(value);
  if (!parsed.success)
    throw invalidOption({ option: 'BATON_HOST', reason: parsed.error.issues[0]?.message ?? 'invalid' });
  return parsed.data;
}
