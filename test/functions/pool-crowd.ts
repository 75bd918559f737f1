// Two processes that use a pool at the same moment, when only what has to hold in any case can be said.
import type { Ticket, TicketPool, WaitingTicket } from '@baton/functions';
import { ACCEPT_MS, pick, type Step, WAIT_MS } from './any-order.ts';

/** What two processes do at the same moment, of what they know from the moment before. */
export class Crowd {
  clock = 1_000_000;
  /** All sockets there have been, with their players. */
  readonly sockets = new Map<string, string>();
  /** Sockets that were told that they are matched, with their match. */
  readonly matched = new Map<string, string>();
  readonly #claims = new Map<string, { sockets: string[]; linking: boolean }>();
  #line: WaitingTicket[] = [];
  #matches = 0;

  async look(pool: TicketPool): Promise<void> {
    this.#line = await pool.waiting();
  }

  async do(pool: TicketPool, { kind, n, m }: Step): Promise<void> {
    const socketId = pick([...this.sockets.keys()], n);
    const [id, claim] = pick([...this.#claims].slice(-6), n) ?? [];
    if (kind === 'enter') await this.#enter(pool, n, m);
    else if (kind === 'propose') await this.#claim(pool, n, m);
    else if (kind === 'leave' && socketId !== undefined) await pool.leave(socketId);
    else if (kind === 'time out' && socketId !== undefined) await pool.timeOut(socketId);
    else if (kind === 'pass') await pool.due();
    else if (id !== undefined && claim) await this.#decide(pool, kind, id, claim, m);
  }

  async #enter(pool: TicketPool, n: number, m: number): Promise<void> {
    const player = `p${n % 8}`;
    const socketId = `s${String(this.sockets.size).padStart(4, '0')}`;
    this.sockets.set(socketId, player);
    const party = n % 8 < 4 ? { party: { id: `g${n % 2}`, size: 2 } } : {};
    const maxWait = m % 2 === 0 ? WAIT_MS : undefined;
    await pool.enter({
      socketId,
      tenant: 'studio',
      queue: 'duel',
      player: { id: player },
      maxWait,
      ...party,
    });
  }

  async #claim(pool: TicketPool, n: number, m: number): Promise<void> {
    const teams = [[pick(this.#line, n)], [pick(this.#line, m)]];
    if (teams.flat().includes(undefined)) return;
    const asked = n % 3 === 0 ? {} : { asked: true as const };
    const until = this.clock + ACCEPT_MS;
    const id = `m${this.#matches++}`;
    const match = await pool.claim({ id, teams: teams as Ticket[][], state: 'proposed', until, ...asked });
    const sockets = match?.teams.flat().flatMap(({ members }) => members.map((each) => each.socketId));
    if (sockets) this.#claims.set(id, { sockets, linking: match!.linking === true });
  }

  async #decide(
    pool: TicketPool,
    kind: Step['kind'],
    id: string,
    claim: { sockets: string[]; linking: boolean },
    m: number,
  ): Promise<void> {
    if (kind === 'accept') {
      const match = await pool.accept(pick(claim.sockets, m)!, id, this.clock + ACCEPT_MS);
      if (match?.linking) claim.linking = true;
    } else if (kind === 'release') await pool.release(id, []);
    else if (kind === 'miss') await pool.release(id, [pick(claim.sockets, m)!], 'timed-out');
    else if (claim.linking && (await pool.confirm(id)))
      for (const each of claim.sockets) {
        if (this.matched.has(each)) throw new Error(`${each} is in ${this.matched.get(each)} and in ${id}`);
        this.matched.set(each, id);
      }
  }
}
