import type { Player, Ticket } from '../match/types.ts';

/**
 * `searching`: may be matched once its players are complete; `proposed`: in a match that is yet to be made;
 * `accepted`: the same, and all its players have said yes; `matched`: linked. The last two are over.
 */
export type TicketState = 'searching' | 'proposed' | 'accepted' | 'matched' | 'timed-out' | 'cancelled';

export interface Member {
  socketId: string;
  player: Player;
  /** Has accepted the match that is proposed. */
  accepted?: true;
}

/** A ticket with all that the pool knows of it. */
export interface PooledTicket {
  id: string;
  tenant: string;
  /** Tickets of one queue can meet. */
  queue: string;
  state: TicketState;
  /** Players with their sockets; those who are still to come are not in it. */
  members: Member[];
  /** Players that it needs: 1, or the size of its party. */
  size: number;
  party?: string;
  /** When it began to search, or its party was complete. */
  createdAt: number;
  /** When its search is over. */
  expiresAt?: number;
  attributes: Record<string, unknown>;
  match?: string;
  /** Its match was made by what the open call of this socket was answered. */
  answered?: { socketId: string; answer: object };
  /** The room that its match is to get. */
  room?: { name: string; options?: Record<string, unknown> };
  /** Free places of a running match, by team: such a ticket has the match's id, and its players are in it already. */
  places?: number[];
}

/** A match between its claim and its end. */
export interface PooledMatch {
  id: string;
  queue: string;
  teams: { id: string; members: Member[] }[][];
  /** It is `running`, or its claim runs out then: whoever made it has died, or somebody has not accepted. */
  until: number;
  /** Players are asked whether they accept. */
  asked?: true;
  /** All of them have heard that they are. */
  told?: true;
  /** An open call is answered with it; whether it came to a link is to be seen. */
  answered?: true;
  /** Its players have accepted, or were not asked. */
  linking?: true;
  /** Linked, and kept so that others can take the places of those who leave. */
  running?: true;
  /** Players of each team, when it can be filled again. */
  sizes?: number[];
  /** The running match that these join, and its players once it is full. */
  backfill?: string;
  size?: number;
}

export interface Entering {
  socketId: string;
  tenant: string;
  queue: string;
  player: Player;
  /** Those who name the same party are one ticket once `size` of them have come. */
  party?: { id: string; size: number };
  attributes?: Record<string, unknown>;
  /** Milliseconds after which its search is over. Default: never. */
  maxWait?: number;
}

export interface Entered {
  ticket: PooledTicket;
  /** The socket was here before: its open call is repeated. */
  known: boolean;
  /** What became of the player's sockets of before: one player has one ticket. */
  replaced: Left[];
}

/** A socket that has left the pool. */
export interface Left {
  socketId: string;
  /** The match that is off because of it. */
  broken?: PooledMatch;
}

export interface Claim {
  id: string;
  teams: readonly (readonly Ticket[])[];
  /** `proposed`: yet to be linked, or to be accepted; `matched`: nothing more has to happen. */
  state: 'proposed' | 'matched';
  until: number;
  asked?: true;
  answered?: { socketId: string; answer: object };
  room?: PooledTicket['room'];
  backfill?: string;
  /** Others may take the places of those who leave. */
  refill?: boolean;
}

/** The pool has as many tickets as it may have. */
export class PoolFull extends Error {
  override readonly name = 'PoolFull';
}
