import type { Service } from '../control-api.ts';
import type { Answer, FunctionSet, OpenAnswer, ReceiveEvent, SocketEvent } from '../events.ts';
import { memoryPool, type TicketPool } from '../pool/pool.ts';
import { type Entered, type Left, type PooledMatch, PoolFull } from '../pool/types.ts';
import { Closes } from './closes.ts';
import { cancelled, LINK_MS, Links, socketsOf } from './links.ts';
import { CLOSES, readAnswer } from './messages.ts';
import { Rounds } from './rounds.ts';
import type { Match, Matchmaker } from './types.ts';
import { checkWish, fromAttributes, type TicketOf } from './wish.ts';

export interface MatchmakeOptions {
  /** Who searches. Default: a pool in memory, of this process alone. */
  pool?: TicketPool;
  /**
   * The service, so that matches can be made later than in the answer to an open call: what takes its time, is accepted
   * first, or could not be linked and is tried again.
   */
  service?: Service;
  /** What a socket searches for. Default: what its attributes say. */
  ticket?: TicketOf;
  /** Milliseconds until a search that came to nothing is over. Default: never. */
  maxWait?: number;
  /** What then happens to the socket: it is closed with 4080, or told `search-over`. Default: `close`. */
  timedOut?: 'close' | 'tell';
  /** Players have to accept a match before it is made, within so many milliseconds. */
  accept?: { within: number };
  /** The room that linked players get. */
  room?(match: Match): { name: string; options?: Record<string, unknown> };
  /** Matches stay open for others when somebody leaves; for matchmakers that fill them, see `backfill()`. */
  refill?: boolean;
  /** What clients say beside accepting and declining. */
  receive?(event: ReceiveEvent): Answer | Promise<Answer>;
  /** What went wrong outside of calls, and is tried again. Default: console.error. */
  failed?(error: unknown): void;
}

export interface Matchmaking extends Required<Omit<FunctionSet, 'unlinked'>> {
  readonly pool: TicketPool;
  /** Ends the rounds, after those under way. */
  stop(): Promise<void>;
}

/** Without rounds of its own a matchmaker looks at most so often for what is due. */
const LOOK_MS = 1_000;
/** A process that makes the rounds and says nothing for so long is replaced. */
const LEAD_MS = 5_000;
const LONGEST_INTERVAL_MS = 60_000;

/**
 * Makes functions of a matchmaker: who opens a socket searches, who is matched is linked, who closes is out of the pool.
 *
 * @example
 * ```ts
 * const service = controlApi({ url: 'https://play.example', key: process.env['BATON_KEY']! });
 * await defineFunctions(matchmake(skill(), { service, maxWait: 60_000 })).serve({ port: 2580 });
 * ```
 * @throws TypeError when the matchmaker or an option needs a service and there is none
 */
export function matchmake(matchmaker: Matchmaker, options: MatchmakeOptions = {}): Matchmaking {
  const matchmaking = new Process(matchmaker, options);
  return {
    pool: matchmaking.pool,
    open: (event) => matchmaking.open(event),
    receive: (event) => matchmaking.receive(event),
    linked: ({ socketId }) => matchmaking.linked(socketId),
    close: ({ socketId }) => matchmaking.close(socketId),
    stop: () => matchmaking.stop(),
  };
}

/** This process's part: others may have the same pool. */
class Process {
  readonly pool: TicketPool;
  readonly #options: MatchmakeOptions;
  readonly #id = `${Math.random()}`;
  readonly #interval: number;
  readonly #rounds: Rounds;
  readonly #links: Links | undefined;
  readonly #closes: Closes | undefined;
  readonly #asks = new Set<Promise<void>>();
  readonly #failed: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ticking: Promise<void> = Promise.resolve();
  #soon: ReturnType<typeof setTimeout> | undefined;
  #looked = 0;
  #stopped = false;

  constructor(matchmaker: Matchmaker, options: MatchmakeOptions) {
    const { service, pool = memoryPool(), accept, refill, room } = options;
    this.#interval = matchmaker.interval ?? LOOK_MS;
    if (!(this.#interval >= 0 && this.#interval <= LONGEST_INTERVAL_MS))
      throw new TypeError(`interval is ${this.#interval} ms; expected 0 to ${LONGEST_INTERVAL_MS}`);
    if (!service && (this.#interval > 0 || accept || refill))
      throw new TypeError(
        'service is missing: matches that are made later than an answer are linked over it',
      );
    this.pool = pool;
    this.#options = options;
    this.#failed = options.failed ?? ((error) => console.error(error));
    this.#links = service && new Links(service, pool, (error) => this.#released(error));
    this.#closes = service && new Closes(service, this.#failed);
    this.#rounds = new Rounds({
      ...{ pool, matchmaker, room, refill, within: accept?.within, failed: this.#failed },
      ...(service ? { linkLater: (match: PooledMatch) => this.#claimed(match) } : {}),
    });
    if (service) this.#schedule();
  }

  async open(event: SocketEvent): Promise<OpenAnswer> {
    const { socketId, playerId, tenant, mapping } = event;
    const wish = await (this.#options.ticket ?? fromAttributes)(event);
    if ('reject' in wish) return wish;
    const { party, attributes, ...about } = checkWish(wish);
    const player = { id: playerId, ...about };
    const queue = JSON.stringify([tenant, mapping]);
    const { maxWait } = this.#options;
    let entered: Entered;
    try {
      entered = await this.pool.enter({ socketId, tenant, queue, player, party, attributes, maxWait });
    } catch (error) {
      if (error instanceof PoolFull) return { reject: CLOSES.full };
      throw error;
    }
    for (const left of entered.replaced) this.#replaced(left);
    if (entered.known && entered.ticket.state !== 'searching') return repeated(entered, socketId);
    // with a service it is a matter of the ticks
    if (!this.#links) await this.#look();
    if (this.#answersAtOnce()) return this.#rounds.answer(entered.ticket.id, socketId);
    if (this.#interval === 0) this.#roundSoon(0);
    return {};
  }

  async receive(event: ReceiveEvent): Promise<Answer> {
    const answer = this.#options.accept && readAnswer(event.text);
    const ticket = answer && (await this.pool.get(event.socketId));
    // Who plays may say such things, too.
    if (!answer || ticket?.state === 'matched') return this.#options.receive?.(event);
    if (answer.accepts) return this.#accepted(event.socketId, answer.match);
    await this.#declined(event.socketId, answer.match);
    return undefined;
  }

  async linked(socketId: string): Promise<Answer> {
    const ticket = await this.pool.get(socketId);
    if (ticket?.state === 'proposed' && ticket.match !== undefined && ticket.answered)
      await this.pool.confirm(ticket.match);
    return ticket?.room && ticket.match !== undefined ? { room: ticket.room } : undefined;
  }

  async close(socketId: string): Promise<void> {
    const left = await this.pool.leave(socketId);
    if (left) await this.#broken(left, 'left');
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#soon);
    await this.#ticking;
    await this.#rounds.finish();
    await Promise.all(this.#asks);
    await this.#links?.finish();
    await this.#closes?.finish();
  }

  #answersAtOnce(): boolean {
    const { accept, refill } = this.#options;
    return this.#interval === 0 && !accept && !refill;
  }

  #claimed(match: PooledMatch): void {
    if (!match.asked) {
      this.#links!.make(match);
      return;
    }
    const ask = this.#ask(match)
      .catch(this.#failed)
      .finally(() => this.#asks.delete(ask));
    this.#asks.add(ask);
  }

  async #ask(match: PooledMatch): Promise<void> {
    const sockets = socketsOf(match);
    const message = { match: match.id, players: sockets.length, within: this.#options.accept!.within };
    const { gone, unheard } = await this.#links!.tell(sockets, { event: 'match-found', ...message });
    if (gone.length > 0) await this.#callOff(match, gone, 'left');
    else if (unheard) await this.#takeBack(match);
    else await this.pool.told(match.id);
  }

  /** Nobody is to be punished for not accepting what he may not have heard of. */
  async #takeBack(match: PooledMatch): Promise<void> {
    if (await this.pool.release(match.id, []))
      await this.#links!.tell(socketsOf(match), cancelled(match, 'failed'));
  }

  async #accepted(socketId: string, matchId: string): Promise<Answer> {
    const match = await this.pool.accept(socketId, matchId, this.pool.now() + LINK_MS);
    if (match?.linking) this.#links!.make(match);
    return match ? undefined : { send: { event: 'match-cancelled', match: matchId, reason: 'not-accepted' } };
  }

  async #declined(socketId: string, matchId: string): Promise<void> {
    const ticket = await this.pool.get(socketId);
    if (ticket?.match !== matchId) return;
    const left = await this.pool.leave(socketId);
    if (!left) return;
    this.#closes?.close([socketId], CLOSES.notAccepted);
    await this.#broken(left, 'declined');
  }

  /** Some are not there any more: the others search on. */
  async #callOff(
    match: PooledMatch,
    gone: readonly string[],
    reason: 'left' | 'not-accepted',
  ): Promise<void> {
    if (!(await this.pool.release(match.id, gone))) return;
    const others = socketsOf(match).filter((socketId) => !gone.includes(socketId));
    await this.#links!.tell(others, cancelled(match, reason));
    this.#roundSoon(0);
  }

  async #broken({ socketId, broken }: Left, reason: 'left' | 'declined'): Promise<void> {
    if (!broken) return;
    const others = socketsOf(broken).filter((each) => each !== socketId);
    if (broken.asked) await this.#links?.tell(others, cancelled(broken, reason));
    this.#roundSoon(0);
  }

  #replaced(left: Left): void {
    this.#closes?.close([left.socketId], CLOSES.replaced);
    void this.#broken(left, 'left').catch(this.#failed);
  }

  /** Players are back in line; when something is wrong with the service, not before it had a moment. */
  #released(error?: unknown): void {
    if (error !== undefined) this.#failed(error);
    this.#roundSoon(LOOK_MS);
  }

  #roundSoon(ms: number): void {
    if ((this.#soon && ms > 0) || this.#stopped || !this.#links || this.#interval > 0) return;
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      this.#rounds.run().catch(this.#failed);
    }, ms);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#ticking = this.#tick().catch(this.#failed);
      void this.#ticking.then(() => this.#schedule());
    }, this.#interval || LOOK_MS);
    this.#timer.unref?.();
  }

  /** One of the processes that share the pool does this for all. */
  async #tick(): Promise<void> {
    if (!(await this.pool.lead(this.#id, Math.max(LEAD_MS, 3 * this.#interval)))) return;
    await this.#look();
    await this.#rounds.run();
  }

  /** Sees to searches and claims whose time is over. */
  async #look(): Promise<void> {
    const now = this.pool.now();
    if (now - this.#looked < LOOK_MS) return;
    this.#looked = now;
    const until = performance.now() + LOOK_MS;
    while ((await this.#lookOnce()) && performance.now() < until);
  }

  /** @returns whether there may be more */
  async #lookOnce(): Promise<boolean> {
    const { tickets, matches, more } = await this.pool.due();
    const timedOut = tickets.map(async ({ id }) => this.#timedOut(await this.pool.timeOut(id)));
    const overdue = matches.map(async (match) => {
      if (await this.pool.extend(match, this.pool.now() + LINK_MS)) await this.#overdue(match);
    });
    for (const result of await Promise.allSettled([...timedOut, ...overdue]))
      if (result.status === 'rejected') this.#failed(result.reason);
    return more;
  }

  #timedOut(sockets: readonly string[]): void {
    if (this.#options.timedOut !== 'tell') this.#closes?.close(sockets, CLOSES.timedOut);
    else void this.#links?.tell(sockets, { event: 'search-over' });
  }

  async #overdue(match: PooledMatch): Promise<void> {
    if (!match.asked || match.linking) {
      await this.#links?.settle(match);
      return;
    }
    if (!match.told) {
      await this.#takeBack(match);
      return;
    }
    const states = await Promise.all(socketsOf(match).map((socketId) => this.pool.get(socketId)));
    const missed = socketsOf(match).filter((socketId, i) => !hasAccepted(states[i], socketId));
    this.#closes?.close(missed, CLOSES.notAccepted);
    await this.#callOff(match, missed, 'not-accepted');
  }
}

type Ticket = Awaited<ReturnType<TicketPool['get']>>;

const hasAccepted = (ticket: Ticket, socketId: string) =>
  ticket?.members.some((member) => member.socketId === socketId && member.accepted) ?? false;

/** What the open call was answered before. */
function repeated({ ticket }: Entered, socketId: string): OpenAnswer {
  if (ticket.state === 'cancelled') return { reject: CLOSES.replaced };
  if (ticket.state === 'timed-out') return { reject: CLOSES.timedOut };
  return ticket.answered?.socketId === socketId ? ticket.answered.answer : {};
}
