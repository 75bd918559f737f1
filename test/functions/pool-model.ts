// A model of a pool: what it has to say, one step after the other.
import type { Claim, Ticket, TicketPool } from '@baton/functions';
import { expect } from '@jest/globals';
import { ACCEPT_MS, KEPT_MS, type kinds, LIVE, pick, type State, WAIT_MS } from './any-order.ts';

interface Searcher {
  player: string;
  createdAt: number;
  expiresAt: number;
  state: State;
  overAt: number;
  accepted?: true;
}

interface Proposal {
  sockets: readonly string[];
  asked: boolean;
  linking: boolean;
  until: number;
}

/** What a pool has to say, and the pool. */
export class Model {
  clock = 1_000_000;
  readonly searchers = new Map<string, Searcher>();
  readonly proposals = new Map<string, Proposal>();
  readonly everMatched = new Set<string>();
  #matches = 0;
  declare pool: TicketPool;

  readonly steps: Record<(typeof kinds)[number], (n: number, m: number) => Promise<void>> = {
    enter: async (n, m) => {
      const player = `p${n % 8}`;
      const socketId = `s${String(this.searchers.size).padStart(4, '0')}`;
      const maxWait = m % 2 === 0 ? WAIT_MS : undefined;
      const older = this.#inState(...LIVE).filter((id) => this.searchers.get(id)!.player === player);
      const entering = { socketId, tenant: 'studio', queue: 'duel', player: { id: player }, maxWait };
      const { known, replaced } = await this.pool.enter(entering);
      expect([known, replaced.map((left) => left.socketId)]).toEqual([false, older]);
      for (const id of older) this.#left(id);
      const expiresAt = this.clock + (maxWait ?? Infinity);
      const times = { createdAt: this.clock, expiresAt, overAt: Infinity };
      this.searchers.set(socketId, { player, state: 'searching', ...times });
    },
    leave: async (n) => {
      const id = pick([...this.searchers.keys()], n) ?? 'nobody';
      const left = await this.pool.leave(id);
      if (!this.#inState(...LIVE).includes(id)) expect(left).toBeUndefined();
      else {
        const [broken] = this.#proposalOf(id);
        expect([left!.socketId, left!.broken?.id]).toEqual([id, broken]);
        this.#left(id);
      }
    },
    propose: async (n, m) => {
      // now and then somebody whose ticket is not to be had, or the same one twice
      const from = m % 5 === 0 ? [...this.searchers.keys()] : this.waiting();
      const ids = [pick(from, n), pick(from, m % 7 === 0 ? n : n + 1 + (m % Math.max(1, from.length - 1)))];
      if (ids.includes(undefined)) return;
      const tickets = (ids as string[]).map((id): Ticket => {
        const { player, createdAt } = this.searchers.get(id)!;
        return { id, players: [{ id: player }], createdAt, attributes: {} };
      });
      const id = `m${this.#matches++}`;
      const asked = n % 4 !== 0;
      const claim: Claim = {
        id,
        teams: tickets.map((each) => [each]),
        state: 'proposed',
        until: this.clock + ACCEPT_MS,
      };
      const match = await this.pool.claim(asked ? { ...claim, asked } : claim);
      const free = ids[0] !== ids[1] && ids.every((each) => this.searchers.get(each!)!.state === 'searching');
      expect(match?.id).toBe(free ? id : undefined);
      if (!free) return;
      for (const each of ids) this.searchers.get(each!)!.state = 'proposed';
      this.proposals.set(id, { sockets: ids as string[], asked, linking: !asked, until: claim.until });
    },
    accept: async (n, m) => {
      const [id, proposal] = pick([...this.proposals], n) ?? [];
      const socketId = pick(m % 5 === 0 ? [...this.searchers.keys()] : (proposal?.sockets ?? []), m);
      if (id === undefined || socketId === undefined) return;
      const until = this.clock + ACCEPT_MS;
      const match = await this.pool.accept(socketId, id, until);
      const { asked, sockets } = proposal!;
      const counts = asked && sockets.includes(socketId) && proposal!.until > this.clock;
      expect(match?.id).toBe(counts ? id : undefined);
      const searcher = this.searchers.get(socketId)!;
      const again = proposal!.linking || searcher.accepted;
      if (counts && !again) Object.assign(searcher, { accepted: true, state: 'accepted' });
      const all = sockets.every((each) => this.searchers.get(each)!.state === 'accepted');
      expect(match?.linking).toBe(counts && !again && all ? true : undefined);
      if (counts && !again && all) Object.assign(proposal!, { linking: true, until });
    },
    match: async (n) => {
      const [id, proposal] = pick(
        this.#proposalsWhere(({ linking }) => linking),
        n,
      ) ?? ['none'];
      expect(await this.pool.confirm(id)).toBe(proposal !== undefined);
      if (!proposal) return;
      for (const each of proposal.sockets) {
        // nobody is in two matches
        expect(this.everMatched).not.toContain(each);
        this.everMatched.add(each);
        this.searchers.get(each)!.state = 'matched';
      }
      this.proposals.delete(id);
      expect(await this.pool.confirm(id)).toBe(false);
    },
    release: async (n) => {
      const [id, proposal] = pick([...this.proposals], n) ?? ['none'];
      expect(await this.pool.release(id, [])).toBe(proposal !== undefined);
      if (proposal) this.#off(id, [], 'cancelled');
    },
    miss: async (n) => {
      const [id, proposal] =
        pick(
          this.#proposalsWhere(({ linking }) => !linking),
          n,
        ) ?? [];
      if (id === undefined) return;
      this.clock = Math.max(this.clock, proposal!.until);
      await this.#due();
      const gone = proposal!.sockets.filter((each) => this.searchers.get(each)!.state !== 'accepted');
      const back = proposal!.sockets.filter((each) => !gone.includes(each));
      expect(await this.pool.accept(gone[0]!, id, this.clock + ACCEPT_MS)).toBeUndefined();
      expect(await this.pool.release(id, gone, 'timed-out')).toBe(true);
      this.#off(id, gone, 'timed-out');
      // first in line: before everybody who came later
      const line = (await this.pool.waiting()).map((ticket) => ticket.id);
      for (const each of back) {
        const behind = line.slice(line.indexOf(each) + 1);
        expect(line).toContain(each);
        expect(line.filter((other) => other > each)).toEqual(behind);
      }
    },
    'time out': async () => {
      this.clock += WAIT_MS;
      for (const id of await this.#due()) {
        expect(await this.pool.timeOut(id)).toEqual([id]);
        this.#over(id, 'timed-out');
        expect(await this.pool.timeOut(id)).toEqual([]);
      }
    },
    pass: async () => {
      this.clock += KEPT_MS;
      await this.#due();
    },
  };

  waiting(): string[] {
    return this.#inState('searching').sort();
  }

  /** @returns tickets whose search is over */
  async #due(): Promise<string[]> {
    const { tickets, matches } = await this.pool.due();
    const late = this.#inState('searching').filter((id) => this.searchers.get(id)!.expiresAt <= this.clock);
    expect(tickets.map(({ id }) => id).sort()).toEqual(late.sort());
    const lost = this.#proposalsWhere(({ until }) => until <= this.clock).map(([id]) => id);
    expect(matches.map(({ id }) => id).sort()).toEqual(lost.sort());
    for (const each of this.searchers.values())
      if (each.overAt + KEPT_MS <= this.clock) Object.assign(each, { state: 'gone', overAt: Infinity });
    return late;
  }

  #inState(...states: State[]): string[] {
    return [...this.searchers].filter(([, { state }]) => states.includes(state)).map(([id]) => id);
  }

  #proposalsWhere(suits: (proposal: Proposal) => boolean): [string, Proposal][] {
    return [...this.proposals].filter(([, proposal]) => suits(proposal));
  }

  #proposalOf(socketId: string): [string?] {
    const [found] = this.#proposalsWhere(({ sockets }) => sockets.includes(socketId));
    return found ? [found[0]] : [];
  }

  #left(socketId: string): void {
    const [id] = this.#proposalOf(socketId);
    if (id === undefined) this.#over(socketId, 'cancelled');
    else this.#off(id, [socketId], 'cancelled');
  }

  #off(id: string, gone: readonly string[], state: 'cancelled' | 'timed-out'): void {
    for (const each of this.proposals.get(id)!.sockets) {
      if (gone.includes(each)) this.#over(each, state);
      else Object.assign(this.searchers.get(each)!, { state: 'searching', accepted: undefined });
    }
    this.proposals.delete(id);
  }

  #over(socketId: string, state: 'cancelled' | 'timed-out'): void {
    Object.assign(this.searchers.get(socketId)!, { state, overAt: this.clock });
  }
}
