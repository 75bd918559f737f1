// What tenants see of their functions; the control API answers with these.
import { z } from 'zod';

const versionView = z.object({
  version: z.number().int(),
  sha256: z.string().meta({ description: 'Of the bundle, hexadecimal' }),
  bytes: z.number().int(),
  createdAt: z.number().meta({ description: 'Milliseconds since 1970' }),
  env: z.record(z.string(), z.string()).meta({ description: 'Name in the environment → name of the secret' }),
  allowNet: z.array(z.string()).meta({ description: 'Origins it may connect to' }),
});

export const functionView = versionView.extend({
  name: z.string(),
  state: z
    .enum(['running', 'idle', 'down'])
    .meta({ description: 'On the machine that answers; `idle` starts with the next call' }),
  pid: z.number().int().optional(),
});
export type FunctionView = z.infer<typeof functionView>;

export const functionDetails = functionView.extend({
  versions: z.array(versionView).meta({ description: 'The newest first' }),
});
export type FunctionDetails = z.infer<typeof functionDetails>;

export const functionLogs = z.object({
  lines: z.array(
    z.object({
      number: z.number().int(),
      time: z.number().meta({ description: 'Milliseconds since 1970' }),
      level: z.enum(['debug', 'info', 'warn', 'error']),
      text: z.string(),
      version: z.number().int(),
    }),
  ),
});
export type FunctionLogs = z.infer<typeof functionLogs>;

export const secretView = z.object({ name: z.string(), updatedAt: z.number() });
export const secretList = z.object({ secrets: z.array(secretView) });
