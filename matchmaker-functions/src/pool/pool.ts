import type { Ticket } from '../match/types.ts';
import { Draft } from './draft.ts';
import { type Listed, MemoryRecords, type Records } from './records.ts';
import {
  giveBack,
  join,
  MATCHED_KEPT_MS,
  matched,
  matchKey,
  out,
  partyKey,
  playerKey,
  search,
  socketKey,
  takePlaces,
  ticketKey,
  ticketKeys,
  vacate,
} from './steps.ts';
import {
  type Claim,
  type Entered,
  type Entering,
  type Left,
  type Member,
  type PooledMatch,
  type PooledTicket,
  PoolFull,
} from './types.ts';

export interface PoolOptions {
  /** Tickets that search or are in a match that is yet to be made, at most; and as many that are over. Default: 100,000. */
  capacity?: number;
  /** Milliseconds. Default: Date.now. Processes that share a pool have clocks that differ by a second at most. */
  now?: () => number;
}

/** A ticket that may be matched; its players have these sockets, in the same order. */
export interface WaitingTicket extends Ticket {
  queue: string;
  sockets: readonly string[];
}

const CAPACITY = 100_000;
/** Attempts at a step whose records change meanwhile. */
const TRIES = 100;
/** Matches and tickets looked at in one go when their time has come. */
const DUE_AT_ONCE = 100;

const LEADER = 'leader';

/** A pool in this process's memory. */
export function memoryPool(options: PoolOptions = {}): TicketPool {
  return new TicketPool(new MemoryRecords(), options);
}

/**
 * Who searches, and what becomes of them. A player has one ticket, a ticket is in one match; whatever happens at the
 * same time, in however many processes, comes one after the other.
 */
export class TicketPool {
  readonly now: () => number;
  readonly #records: Records;
  readonly #capacity: number;

  constructor(records: Records, { capacity = CAPACITY, now = Date.now }: PoolOptions = {}) {
    if (!Number.isSafeInteger(capacity) || capacity < 1)
      throw new TypeError(`capacity is ${capacity}; expected a whole number from 1`);
    this.#records = records;
    this.#capacity = capacity;
    this.now = now;
  }

  /**
   * A player searches from now on. The newest socket of a player counts: what an older one was in is over for it.
   * @throws PoolFull
   */
  async enter(entering: Entering): Promise<Entered> {
    const replaced: Left[] = [];
    for (let i = 0; i < TRIES; i++) {
      const entered = await this.#step((draft) => this.#enter(draft, entering));
      if (!('older' in entered)) {
        await this.#forgetOldest();
        return { ...entered, replaced };
      }
      replaced.push((await this.leave(entered.older)) ?? { socketId: entered.older });
    }
    throw new Error(`player ${entering.player.id} opens sockets faster than they can be taken in`);
  }

  /** A socket has closed, or does not search any more. @returns undefined when it was in nothing */
  leave(socketId: string, state: 'cancelled' | 'timed-out' = 'cancelled'): Promise<Left | undefined> {
    return this.#step(async (draft) => {
      const ticket = await this.#ticketOf(draft, socketId);
      if (!ticket || isOver(ticket)) return undefined;
      const match =
        ticket.match === undefined ? undefined : await draft.one<PooledMatch>(matchKey(ticket.match));
      if (match && !match.running) await giveBack(draft, match, new Set([socketId]), state);
      else {
        await out(draft, ticket, [socketId], state);
        if (match) await vacate(draft, match, socketId);
      }
      return { socketId, ...(match && !match.running ? { broken: match } : {}) };
    });
  }

  async get(socketId: string): Promise<PooledTicket | undefined> {
    return this.#ticketOf(new Draft(this.#records, this.now()), socketId);
  }

  /** Those that may be matched, longest waiting first. */
  async waiting(): Promise<WaitingTicket[]> {
    const listed = await this.#records.list('waiting', Number.MAX_SAFE_INTEGER, this.#capacity);
    return listed.map(({ value }) => {
      const { id, queue, members, createdAt, attributes, places } = JSON.parse(value) as PooledTicket;
      const players = members.map(({ player }) => player);
      const sockets = members.map(({ socketId }) => socketId);
      const more = places ? { places } : {};
      return { id, queue, players, sockets, createdAt, attributes: { ...attributes, ...more } };
    });
  }

  /** How many tickets may be matched. */
  async size(): Promise<number> {
    return this.#records.size('waiting');
  }

  /** Takes all tickets of a match, or none: `undefined` when one of them is not to be had any more. */
  claim(claim: Claim): Promise<PooledMatch | undefined> {
    return this.#step(async (draft) => {
      const found = await draft.all<PooledTicket>(claim.teams.flat().map(({ id }) => ticketKey(id)));
      const tickets = new Map(found.map((ticket) => [ticket?.id, ticket]));
      const asThey = (ticket: Ticket) => sameTicket(tickets.get(ticket.id), ticket);
      if (tickets.size !== claim.teams.flat().length || !claim.teams.flat().every(asThey)) return undefined;
      const queue = found[0]!.queue;
      const { id, until, asked, answered, backfill, refill } = claim;
      const teams = claim.teams.map((team) =>
        team.map((t) => ({ id: t.id, members: tickets.get(t.id)!.members })),
      );
      const match: PooledMatch = {
        ...{ id, queue, teams, until },
        ...(asked ? { asked } : { linking: true }),
        ...(answered ? { answered: true } : {}),
        ...(backfill === undefined ? {} : { backfill }),
        ...(refill
          ? { sizes: teams.map((team) => team.reduce((n, { members }) => n + members.length, 0)) }
          : {}),
      };
      if (backfill !== undefined) {
        const size = await takePlaces(draft, backfill, claim);
        if (size === undefined) return undefined;
        match.size = size;
      }
      for (const ticket of found as PooledTicket[]) {
        const { room } = claim;
        Object.assign(ticket, { match: id }, answered ? { answered } : {}, room ? { room } : {});
        if (claim.state === 'matched') matched(draft, ticket);
        else draft.put(ticketKey(ticket.id), { ...ticket, state: 'proposed' }, { live: 0 });
      }
      if (claim.state === 'proposed') draft.put(matchKey(id), match, { due: until });
      return match;
    });
  }

  /**
   * A player accepts. @returns the match, `linking` when this was the last one who had to; undefined when it is off
   * @param until of its link, when all have accepted
   */
  accept(socketId: string, matchId: string, until: number): Promise<PooledMatch | undefined> {
    return this.#step(async (draft) => {
      const ticket = await this.#ticketOf(draft, socketId);
      const match = await draft.one<PooledMatch>(matchKey(matchId));
      const member = ticket?.members.find((each) => each.socketId === socketId);
      if (ticket?.match !== matchId || !match?.asked || match.until <= this.now() || !member)
        return undefined;
      // said twice
      if (match.linking || member.accepted) return { ...match, linking: undefined };
      member.accepted = true;
      if (ticket.members.every(({ accepted }) => accepted)) ticket.state = 'accepted';
      draft.put(ticketKey(ticket.id), ticket, { live: 0 });
      const all = await draft.all<PooledTicket>(ticketKeys(match));
      if (!all.every((each) => each?.state === 'accepted')) return match;
      const agreed: PooledMatch = { ...match, linking: true, until };
      draft.put(matchKey(matchId), agreed, { due: until });
      return agreed;
    });
  }

  /** All players of a match have been asked: who does not accept it from now on has missed it. */
  told(matchId: string): Promise<void> {
    return this.#step(async (draft) => {
      const match = await draft.one<PooledMatch>(matchKey(matchId));
      if (!match?.asked || match.running) return;
      draft.put(matchKey(matchId), { ...match, told: true }, { due: match.until });
    });
  }

  /** The match is linked. @returns false when it is off: its sockets are to be unlinked */
  confirm(matchId: string): Promise<boolean> {
    return this.#step(async (draft) => {
      const match = await draft.one<PooledMatch>(matchKey(matchId));
      if (!match || match.running) return match !== undefined;
      for (const ticket of await draft.all<PooledTicket>(ticketKeys(match)))
        matched(draft, { ...ticket!, match: match.backfill ?? matchId });
      draft.remove(matchKey(matchId));
      const now = this.now();
      if (match.sizes) {
        const kept = { ...match, running: true, until: now + MATCHED_KEPT_MS };
        draft.put(matchKey(matchId), kept, { due: kept.until, done: now });
      }
      if (match.backfill !== undefined) await join(draft, match, match.backfill);
      return true;
    });
  }

  /**
   * The match is off: its players search on, in the place in line that they had; those who are gone do not.
   * @returns false when it was off already
   */
  release(
    matchId: string,
    gone: readonly string[],
    state: 'cancelled' | 'timed-out' = 'cancelled',
  ): Promise<boolean> {
    return this.#step(async (draft) => {
      const match = await draft.one<PooledMatch>(matchKey(matchId));
      if (!match || match.running) return false;
      await giveBack(draft, match, new Set(gone), state);
      return true;
    });
  }

  /** Gives a claim more time. @returns false when somebody else has done so, or it is off */
  extend(match: PooledMatch, until: number): Promise<boolean> {
    return this.#step(async (draft) => {
      const now = await draft.one<PooledMatch>(matchKey(match.id));
      if (!now || now.running || now.until !== match.until) return false;
      draft.put(matchKey(match.id), { ...now, until }, { due: until });
      return true;
    });
  }

  /**
   * Tickets whose search is over and matches whose claim has run out; what nobody has to know of any more is dropped.
   * @returns `more`: there may be others, once these are seen to
   */
  async due(): Promise<{ tickets: PooledTicket[]; matches: PooledMatch[]; more: boolean }> {
    const tickets: PooledTicket[] = [];
    const matches: PooledMatch[] = [];
    const over: Listed[] = [];
    const all = await this.#records.list('due', this.now(), DUE_AT_ONCE);
    for (const listed of all) {
      const record = JSON.parse(listed.value) as PooledTicket | PooledMatch;
      if ('state' in record && record.state === 'searching') tickets.push(record);
      else if ('state' in record || record.running) over.push(listed);
      else matches.push(record);
    }
    await Promise.all(over.map((listed) => this.#forget(listed)));
    return { tickets, matches, more: all.length === DUE_AT_ONCE };
  }

  /** The wait of a ticket is over. @returns the sockets that do not search any more; none when it was matched meanwhile */
  timeOut(ticketId: string): Promise<string[]> {
    return this.#step(async (draft) => {
      const ticket = await draft.one<PooledTicket>(ticketKey(ticketId));
      if (ticket?.state !== 'searching' || (ticket.expiresAt ?? Infinity) > this.now()) return [];
      const sockets = ticket.members.map(({ socketId }) => socketId);
      await out(draft, ticket, sockets, 'timed-out');
      return sockets;
    });
  }

  /** Whether this process makes the rounds; it does so for `ms`, and has to ask again before that is over. */
  lead(process: string, ms: number): Promise<boolean> {
    return this.#step(async (draft) => {
      const leader = await draft.one<{ process: string; until: number }>(LEADER);
      const now = this.now();
      if (leader && leader.process !== process && leader.until > now) return false;
      draft.put(LEADER, { process, until: now + ms });
      return true;
    });
  }

  async #step<T>(decide: (draft: Draft) => Promise<T>): Promise<T> {
    for (let i = 0; i < TRIES; i++) {
      const draft = new Draft(this.#records, this.now());
      const decided = await decide(draft);
      const outcome = await draft.commit(this.#capacity);
      if (outcome === 'done') return decided;
      if (outcome === 'full') throw new PoolFull(`there are ${this.#capacity} tickets already`);
    }
    throw new Error('the pool changes faster than it can be read');
  }

  async #ticketOf(draft: Draft, socketId: string): Promise<PooledTicket | undefined> {
    const id = await draft.one<string>(socketKey(socketId));
    return id === undefined ? undefined : draft.one<PooledTicket>(ticketKey(id));
  }

  async #enter(
    draft: Draft,
    { socketId, tenant, queue, player, party, attributes = {}, maxWait }: Entering,
  ): Promise<{ ticket: PooledTicket; known: boolean } | { older: string }> {
    const [before, older, gathering] = await draft.all<string>([
      socketKey(socketId),
      playerKey(tenant, player.id),
      partyKey(queue, party?.id ?? ''),
    ]);
    const id = before ?? (party && gathering) ?? socketId;
    const ticket = await draft.one<PooledTicket>(ticketKey(id));
    if (ticket && before !== undefined) return { ticket, known: true };
    if (older !== undefined && older !== socketId) return { older };
    const now = this.now();
    const member: Member = { socketId, player };
    const joined: PooledTicket = ticket
      ? { ...ticket, members: [...ticket.members, member] }
      : {
          ...{ id, tenant, queue, state: 'searching', members: [member], size: party?.size ?? 1 },
          ...(party ? { party: party.id } : {}),
          ...{ createdAt: now, attributes },
        };
    if (maxWait !== undefined) joined.expiresAt = now + maxWait;
    joined.createdAt = now;
    draft.put(socketKey(socketId), joined.id);
    draft.put(playerKey(tenant, player.id), socketId);
    await search(draft, joined);
    return { ticket: joined, known: false };
  }

  async #forgetOldest(): Promise<void> {
    const excess = (await this.#records.size('done')) - this.#capacity;
    if (excess <= 0) return;
    for (const listed of await this.#records.list('done', Number.MAX_SAFE_INTEGER, excess))
      await this.#forget(listed);
  }

  /** Drops what is over, unless it has changed since it was listed. */
  #forget({ key, value }: Listed): Promise<void> {
    return this.#step(async (draft) => {
      const record = await draft.one<PooledTicket | PooledMatch>(key);
      if (!record || JSON.stringify(record) !== value) return;
      draft.remove(key);
      if (!('state' in record)) {
        draft.remove(ticketKey(record.id));
        return;
      }
      for (const { socketId, player } of record.members) {
        draft.remove(socketKey(socketId));
        const newest = playerKey(record.tenant, player.id);
        if ((await draft.one<string>(newest)) === socketId) draft.remove(newest);
      }
    });
  }
}

const isOver = ({ state }: PooledTicket) => state === 'timed-out' || state === 'cancelled';

/** The ticket still searches, with the same players. */
function sameTicket(now: PooledTicket | undefined, then: Ticket): boolean {
  if (now?.state !== 'searching' || now.members.length !== now.size) return false;
  return now.members.every(({ player }, i) => player.id === then.players[i]?.id);
}
