/** A rating as openskill has it: what is believed, and how uncertain that is. */
export interface Rating {
  mu: number;
  sigma: number;
}

export interface Player {
  id: string;
  rating?: Rating;
  /** Round trips to regions in milliseconds. */
  latency?: Readonly<Record<string, number>>;
  /** What the player is willing to play, best first. */
  roles?: readonly string[];
}

/** Who wants to play: one player, or a party that stays together. */
export interface Ticket {
  /** Unique in its pool; for players of the service the id of the (first) socket. */
  id: string;
  /** One or more; all different. */
  players: readonly Player[];
  /** When it began to search, in milliseconds on the clock of `now`. */
  createdAt: number;
  attributes: Readonly<Record<string, unknown>>;
}

/** Tickets that play together. A ticket is in one team, and in one match of a round. */
export interface Match {
  teams: readonly (readonly Ticket[])[];
  region?: string;
  /** Roles of players by their ids, where the matchmaker gives roles. */
  roles?: Readonly<Record<string, string>>;
  /** The running match that they join, when this fills its free places. */
  backfill?: string;
}

/** Decides who plays whom. Pure: the same tickets and time give the same matches. */
export interface Matchmaker {
  /** Milliseconds between rounds. Default 1,000; 0: a round whenever a ticket comes. */
  readonly interval?: number;
  /**
   * One round.
   * @param waiting all that search, longest waiting first
   * @param now     milliseconds, on the clock of `createdAt`
   */
  match(waiting: readonly Ticket[], now: number): readonly Match[];
}
