// What became of a commit that nobody answered: the registry decides; while it cannot be asked, so does the target's
// death.
import { setTimeout as wait } from 'node:timers/promises';
import { BatonError } from '../../errors.ts';
import type { HostRecord } from '../../store/index.ts';
import type { MoveContext } from './context.ts';

/** Without a word from the registry a frozen room is given up after this long. */
const UNCERTAIN_MS = 10_000;
/** The same once the target is known to be dead: nobody else runs the room, so it need not wait for long. */
const ORPHANED_MS = 2_000;
const ASK_EVERY_MS = 200;

export interface Verdict {
  owner: 'source' | 'target' | 'unknown';
  targetGone: boolean;
}

/**
 * Fences the switch off, or learns that it was made. The room stays frozen meanwhile.
 * @param error with which the commit failed
 */
export async function askWhoOwns(
  context: MoveContext,
  roomId: string,
  target: HostRecord,
  error: unknown,
): Promise<Verdict> {
  let goneAt: number | undefined;
  if (error instanceof BatonError) {
    if (error.code === 'BATON_HANDOFF_PEER_GONE') goneAt = Date.now();
    // the target did not begin, and never will
    if (error.details['delivered'] === false) return { owner: 'source', targetGone: goneAt !== undefined };
  }
  const off = context.handoff.onPeerGone((path) => {
    if (path === target.handoffPath) goneAt ??= Date.now();
  });
  const until = Date.now() + UNCERTAIN_MS;
  const limit = () => (goneAt === undefined ? until : Math.min(until, goneAt + ORPHANED_MS));
  try {
    do {
      try {
        const fenced = await context.ownership.fence(roomId);
        return { owner: fenced === 'kept' ? 'source' : 'target', targetGone: goneAt !== undefined };
      } catch (err) {
        context.log.warn({ roomId, err }, 'a move is uncertain until the store answers');
        await wait(ASK_EVERY_MS);
      }
    } while (Date.now() < limit());
  } finally {
    off();
  }
  return { owner: 'unknown', targetGone: goneAt !== undefined };
}
