import type { OpenAnswer } from '../events.ts';
import { groupBy } from '../group-by.ts';
import type { TicketPool, WaitingTicket } from '../pool/pool.ts';
import type { PooledMatch } from '../pool/types.ts';
import { LINK_MS, wishFor } from './links.ts';
import type { Match, Matchmaker, Ticket } from './types.ts';
import { MAX_PLAYERS } from './wish.ts';

/** An open call was answered with a match; so long its link may take before somebody looks whether it came about. */
const ANSWER_MS = 10_000;

/** Steps of the pool that do not wait for each other. */
const CLAIMS_AT_ONCE = 64;

export interface RoundOptions {
  pool: TicketPool;
  matchmaker: Matchmaker;
  room?(match: Match): { name: string; options?: Record<string, unknown> };
  /** Matches can be linked later; without it only those that an open call is answered with. */
  linkLater?: (match: PooledMatch) => void;
  /** Milliseconds in which players have to accept. */
  within?: number;
  refill?: boolean;
  failed(error: unknown): void;
}

/** Asks the matchmaker, claims what it says, and sees that it is linked. One round at a time. */
export class Rounds {
  readonly #options: RoundOptions;
  /** Open calls that wait for what the next round says, by ticket. */
  readonly #asking = new Map<string, Asking>();
  #current: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(options: RoundOptions) {
    this.#options = options;
  }

  /** The answer to the open call of a socket that is in the pool: its match, if there is one at once. */
  async answer(ticketId: string, socketId: string): Promise<OpenAnswer> {
    const asking: Asking = { socketId, answer: {} };
    this.#asking.set(ticketId, asking);
    try {
      await this.run();
      return asking.answer;
    } finally {
      if (this.#asking.get(ticketId) === asking) this.#asking.delete(ticketId);
    }
  }

  /** A round that begins after this call; all who ask for one meanwhile share it. */
  run(): Promise<void> {
    this.#next ??= this.#current = this.#current
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#round();
      });
    return this.#next;
  }

  /** Waits for the one under way. */
  async finish(): Promise<void> {
    await this.#current.catch(() => {});
  }

  async #round(): Promise<void> {
    const { pool, matchmaker } = this.#options;
    for (const tickets of groupBy(await pool.waiting(), ({ queue }) => queue).values()) {
      const byId = new Map(tickets.map((ticket) => [ticket.id, ticket]));
      const matches = matchmaker.match(tickets, pool.now()).filter((match) => {
        const wrong = whatIsWrong(match, byId);
        if (wrong) this.#options.failed(new Error(`the matchmaker's match is not made: ${wrong}`));
        return !wrong;
      });
      for (let i = 0; i < matches.length; i += CLAIMS_AT_ONCE)
        await Promise.all(matches.slice(i, i + CLAIMS_AT_ONCE).map((match) => this.#claim(match, byId)));
    }
  }

  async #claim(match: Match, tickets: ReadonlyMap<string, WaitingTicket>): Promise<void> {
    const { pool, linkLater, within, refill, room } = this.#options;
    const ids = match.teams.flat().map(({ id }) => id);
    const asking = ids.map((id) => this.#asking.get(id)).findLast((each) => each !== undefined);
    if (!asking && !linkLater) return;
    const places = room?.(match);
    const now = pool.now();
    const claim = {
      ...{ id: crypto.randomUUID(), teams: match.teams },
      ...(places ? { room: places } : {}),
      ...(match.backfill === undefined ? {} : { backfill: match.backfill }),
    };
    if (asking) {
      const peers = ids.flatMap((id) => tickets.get(id)!.sockets).filter((id) => id !== asking.socketId);
      const answer: OpenAnswer = { ...wishFor(peers), ...(places ? { room: places } : {}) };
      const state = linkLater ? 'proposed' : 'matched';
      const answered = { socketId: asking.socketId, answer };
      if (await pool.claim({ ...claim, state, until: now + ANSWER_MS, answered })) asking.answer = answer;
      return;
    }
    const until = now + (within ?? LINK_MS);
    const claimed = await pool.claim({
      ...{ ...claim, state: 'proposed', until },
      ...(within === undefined ? {} : { asked: true }),
      ...(refill ? { refill } : {}),
    });
    if (claimed) linkLater!(claimed);
  }
}

interface Asking {
  socketId: string;
  answer: OpenAnswer;
}

/** Why a match is not to be made, whatever the matchmaker says. */
function whatIsWrong({ teams, backfill }: Match, waiting: ReadonlyMap<string, Ticket>): string | undefined {
  const tickets = teams.flat().map(({ id }) => waiting.get(id));
  if (tickets.some((ticket) => ticket === undefined)) return 'a ticket that does not wait';
  const found = tickets as Ticket[];
  const players = found.flatMap((ticket) => ticket.players.map(({ id }) => id));
  if (new Set(found).size !== found.length) return 'a ticket twice';
  if (found.some(({ attributes }) => attributes['places'] !== undefined)) return 'a running match in a team';
  const already = backfill === undefined ? [] : (waiting.get(backfill)?.players.map(({ id }) => id) ?? []);
  const all = [...players, ...already];
  if (new Set(all).size !== all.length) return 'a player twice';
  if (all.length > MAX_PLAYERS) return `${all.length} players, and ${MAX_PLAYERS} can be linked`;
  if (all.length < 2) return 'a player alone';
  return undefined;
}
