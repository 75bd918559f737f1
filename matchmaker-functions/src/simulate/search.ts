import type { Match, Player, Ticket } from '../match/types.ts';

/** One ticket from its arrival to its end. */
export interface Search {
  readonly ticket: Ticket;
  /** `turned-away`: its function has rejected it, or closed its socket before it played. */
  outcome: 'matched' | 'abandoned' | 'turned-away' | 'waiting';
  /** Milliseconds, on the clock of the ticket's `createdAt`. */
  endedAt: number;
  match?: PlayedMatch;
}

export interface PlayedMatch {
  /** From 1, in the order of the rounds. */
  readonly number: number;
  readonly at: number;
  readonly match: Match;
  /** Players of its teams. */
  readonly teams: readonly (readonly Player[])[];
  /** Difference of the best and the worst rating; undefined when nobody has one. */
  readonly spread?: number;
  /** How likely its better side wins; undefined with one team, and of those who join a running match. */
  readonly fairness?: number;
}
