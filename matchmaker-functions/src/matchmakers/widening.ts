import type { Ticket } from '../match/types.ts';

/** How far apart tickets may be: little at first, more with every second that one waits, and never more than `to`. */
export interface Widening {
  from: number;
  to: number;
  /** Milliseconds until it is as wide as `to`. */
  over: number;
}

/** @throws TypeError when it narrows, or a number is none */
export function checkWidening(name: string, { from, to, over }: Widening): void {
  if (!(from >= 0 && to >= from && over > 0 && Number.isFinite(over)))
    throw new TypeError(
      `${name} is from ${from} to ${to} over ${over} ms; expected 0 <= from <= to, and over > 0`,
    );
}

export function widthFor({ from, to, over }: Widening, { createdAt }: Ticket, now: number): number {
  return from + (to - from) * Math.min(1, Math.max(0, now - createdAt) / over);
}

/** What openskill takes a player for of whom nothing is known. */
const NEWCOMER = 25;

/** The mean of what its players are believed to be, `mu`. */
export function ratingOf({ players }: Ticket): number {
  return players.reduce((sum, { rating }) => sum + (rating?.mu ?? NEWCOMER), 0) / players.length;
}
