/** What clients hear while they search: one JSON text each. */
export type MatchMessage =
  /** Accept or decline it within so many milliseconds, `{ "accept": "<match>" }` or `{ "decline": "<match>" }`. */
  | { event: 'match-found'; match: string; players: number; within: number }
  /** It is off; the search goes on, in the old place in line. */
  | { event: 'match-cancelled'; match: string; reason: 'declined' | 'not-accepted' | 'left' | 'failed' }
  /** The search is over. */
  | { event: 'search-over' };

/** With these codes sockets close. */
export const CLOSES = {
  /** The player searches on another socket now. */
  replaced: { code: 4090, reason: 'searching elsewhere' },
  /** There was no match within `maxWait`. */
  timedOut: { code: 4080, reason: 'no match in time' },
  /** A match was declined, or not accepted in time. */
  notAccepted: { code: 4081, reason: 'match not accepted' },
  /** The pool is full. */
  full: { code: 4053, reason: 'too many players search' },
} as const;

/** The client's answer to `match-found`, if that is what it is. */
export function readAnswer(text: string): { match: string; accepts: boolean } | undefined {
  if (text.length > 512 || !text.startsWith('{')) return undefined;
  try {
    const { accept, decline } = JSON.parse(text) as { accept?: unknown; decline?: unknown };
    const match = accept ?? decline;
    return typeof match === 'string' ? { match, accepts: accept !== undefined } : undefined;
  } catch {
    return undefined;
  }
}
