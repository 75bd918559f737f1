// What became of a commit that nobody answered. The registry is asked, and the target: only it knows whether it runs
// the room or gave it up. The room stays frozen meanwhile.
import { setTimeout as wait } from 'node:timers/promises';
import { BatonError } from '../../errors.ts';
import type { HostRecord } from '../../store/index.ts';
import type { MoveContext } from './context.ts';
import type { Fence } from './ownership.ts';
import { type Fate, fateSchema, METHODS } from './protocol.ts';

/** Without a word that decides it a frozen room is given up after this long. */
const UNCERTAIN_MS = 10_000;
/** While the registry does not answer: the same once the target is known to be dead, for nobody else runs the room. */
const ORPHANED_MS = 2_000;
/** A target that is alive answers this at once. */
const OUTCOME_TIMEOUT_MS = 1_000;
const ASK_EVERY_MS = 200;

/**
 * Who runs the room: `source` (`unsettled` when the registry has yet to be told), `target`, or `nobody` (`dead` when
 * its connections are this host's to close; otherwise the target may have them).
 */
export type Verdict =
  | { runs: 'source'; unsettled: boolean }
  | { runs: 'target' }
  | { runs: 'nobody'; dead: boolean };

/** @param error with which the commit failed */
export async function askWhoRuns(
  context: MoveContext,
  move: { transferId: string; roomId: string; target: HostRecord },
  error: unknown,
): Promise<Verdict> {
  // the target did not begin, and never will
  if (error instanceof BatonError && error.details['delivered'] === false)
    return { runs: 'source', unsettled: false };
  const until = Date.now() + UNCERTAIN_MS;
  let deadSince: number | undefined;
  for (;;) {
    const fence = await askRegistry(context, move.roomId, move.target.id);
    if (fence === 'kept') return { runs: 'source', unsettled: false };
    if (fence === 'elsewhere') return { runs: 'target' }; // it went on from there
    const fate = await askTarget(context, move);
    if (fate === 'active') return { runs: 'target' };
    if (fate === 'discarded') return { runs: 'source', unsettled: true };
    if (fate === 'dead') {
      // a registry that does not name this host any more saw the switch, even where the target's lease ran out since
      if (fence !== 'undecided') return { runs: 'nobody', dead: true };
      deadSince ??= Date.now();
      if (Date.now() >= deadSince + ORPHANED_MS) return { runs: 'source', unsettled: true };
    }
    if (Date.now() >= until) return fence === 'target' ? { runs: 'target' } : { runs: 'nobody', dead: false };
    await wait(ASK_EVERY_MS);
  }
}

async function askRegistry(context: MoveContext, roomId: string, target: string): Promise<Fence> {
  try {
    return await context.ownership.fence(roomId, target);
  } catch (err) {
    context.log.warn({ roomId, err }, 'a move is uncertain until the store or the target answers');
    return 'undecided';
  }
}

/** @returns undefined when the target does not answer: it may be slow, stopped, or out of reach for a moment */
async function askTarget(
  { handoff, host }: MoveContext,
  { transferId, roomId, target }: { transferId: string; roomId: string; target: HostRecord },
): Promise<Fate | 'dead' | undefined> {
  try {
    const answer = await handoff.call(
      target.handoffPath,
      METHODS.outcome,
      { transferId, from: host, rooms: [roomId] },
      { timeoutMs: OUTCOME_TIMEOUT_MS },
    );
    return fateSchema.parse(answer);
  } catch (error) {
    return isRefused(error) ? 'dead' : undefined;
  }
}

/** Nobody listens at its socket. A connection that merely broke proves nothing: either side may have closed it. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof BatonError) || error.code !== 'BATON_HANDOFF_PEER_GONE') return false;
  return ['ECONNREFUSED', 'ENOENT'].includes(String(error.details['reason']));
}
