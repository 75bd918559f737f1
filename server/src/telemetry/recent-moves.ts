// The moves away from here that were last, for people who watch.

/** Those of one process. */
const MAX_MOVES_KEPT = 200;

export interface MoveSeen {
  /** Unix time in ms of its end. */
  at: number;
  roomId: string;
  from: string;
  to: string;
  /** Absent: it moved. Otherwise it stayed, and why: code of the error catalogue. */
  code?: string;
  clients?: number;
  bytes?: number;
  blackoutMs?: number;
  /** Milliseconds by phase. */
  phases?: Record<string, number>;
}

export class RecentMoves {
  /** How many there were so far. */
  seen = 0;
  private readonly kept: MoveSeen[] = [];

  add(move: MoveSeen): void {
    if (this.kept.length >= MAX_MOVES_KEPT) this.kept.shift();
    this.kept.push(move);
    this.seen++;
  }

  /** The last of those after the first `seen` ones. */
  since(seen: number): MoveSeen[] {
    return this.seen > seen ? this.kept.slice(-Math.min(this.seen - seen, this.kept.length)) : [];
  }
}

/** Of this process. */
export const recentMoves = new RecentMoves();
