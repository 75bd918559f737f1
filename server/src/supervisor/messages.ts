import { z } from 'zod';
import type { DrainResult, Refusal, ReloadResult } from '../control/index.ts';

export interface ErrorJson {
  code: string;
  status: number;
  message: string;
  details?: Record<string, unknown>;
}

const error = z.object({
  code: z.string(),
  status: z.number(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});
const answer = { id: z.number(), result: z.unknown().optional(), error: error.optional() };

/**
 * Host → supervisor. `checks`: the host answers `check` requests; `beats`: it answers `ping`. `drained`: an operator
 * had it give its rooms away, and it takes no new ones; some may have stayed. `functions`: it needs the process that runs
 * them.
 */
export const fromHost = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ready'),
    hostId: z.string(),
    processId: z.string(),
    checks: z.boolean().optional(),
    beats: z.boolean().optional(),
  }),
  z.object({ type: z.literal('failed'), error }),
  z.object({ type: z.literal('pong') }),
  z.object({ type: z.literal('drained') }),
  z.object({ type: z.literal('functions') }),
  z.object({ type: z.literal('reload'), id: z.number(), keepImmovable: z.boolean().optional() }),
  z.object({ type: z.literal('serve-result'), ...answer }),
  z.object({ type: z.literal('drain-result'), ...answer }),
  z.object({ type: z.literal('check-result'), ...answer }),
]);
export type FromHost = z.infer<typeof fromHost>;

/**
 * Supervisor → host. `serve` ends its standby or takes a drain back: the host takes rooms. `leaving` of `stop` names
 * the hosts that end as well, so that no rooms are moved to them. `gone`: the processes of these hosts have ended.
 */
export type ToHost =
  | { type: 'drain'; id: number; deadlineMs: number }
  | { type: 'serve'; id: number }
  | { type: 'ping' }
  | { type: 'check'; id: number }
  | { type: 'gone'; hosts: string[] }
  | { type: 'stop'; deadlineMs: number; leaving: string[] }
  | { type: 'reload-result'; id: number; result?: ReloadResult; error?: ErrorJson };

const refusals = z.array(z.object({ roomId: z.string(), reason: z.string(), code: z.string() }));
const drainResult = z.object({
  host: z.string(),
  rooms: z.number(),
  clients: z.number(),
  moved: z.number(),
  refused: refusals,
  seconds: z.number(),
});

export const parseDrainResult = (value: unknown): DrainResult => drainResult.parse(value);
export const parseRefusals = (value: unknown): Refusal[] => refusals.parse(value);

export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
