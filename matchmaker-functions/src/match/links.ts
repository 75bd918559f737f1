import { isGone, type Service, ServiceError, type Wish } from '../control-api.ts';
import type { TicketPool } from '../pool/pool.ts';
import type { PooledMatch } from '../pool/types.ts';
import type { MatchMessage } from './messages.ts';

/** Until a match is linked or its players are back in line; then another process sees to it. */
export const LINK_MS = 30_000;
/** Matches that are linked at the same time. */
const LINKS_AT_ONCE = 64;

/** How sockets are that can be linked, once they do not wait for others any more. */
const STILL_HERE = ['open', 'opening', 'waiting'];

export const socketsOf = ({ teams }: Pick<PooledMatch, 'teams'>): string[] =>
  teams.flat().flatMap(({ members }) => members.map(({ socketId }) => socketId));

/** Makes links of claimed matches. What cannot be linked goes back to the pool, without those who are gone. */
export class Links {
  readonly #service: Service;
  readonly #pool: TicketPool;
  /** Called when players are back in line, and with what went wrong beside players who left. */
  readonly #released: (error?: unknown) => void;
  readonly #waiting: PooledMatch[] = [];
  readonly #making = new Set<Promise<void>>();

  constructor(service: Service, pool: TicketPool, released: (error?: unknown) => void) {
    this.#service = service;
    this.#pool = pool;
    this.#released = released;
  }

  make(match: PooledMatch): void {
    if (this.#making.size >= LINKS_AT_ONCE) {
      this.#waiting.push(match);
      return;
    }
    const made = this.#make(match)
      .catch(this.#released)
      .finally(() => {
        this.#making.delete(made);
        const next = this.#waiting.shift();
        if (next) this.make(next);
      });
    this.#making.add(made);
  }

  /** Waits for those under way. */
  async finish(): Promise<void> {
    while (this.#making.size > 0) await Promise.all(this.#making);
  }

  /** A match whose link may or may not be there: its open answer may have got lost, or its process has died. */
  async settle(match: PooledMatch, error?: unknown): Promise<void> {
    const sockets = socketsOf(match);
    const found = await Promise.all(sockets.map((socketId) => this.#service.socket(socketId)));
    const wanted = new Set(sockets);
    const together = found.every(
      (socket) =>
        socket?.status === 'linked' &&
        (match.backfill !== undefined || socket.peers.every((peer) => wanted.has(peer))),
    );
    if (together) {
      await this.#confirm(match);
      return;
    }
    const out = sockets.filter((_, i) => !STILL_HERE.includes(found[i]?.status ?? 'gone'));
    await this.#freed(
      match,
      sockets.filter((_, i) => found[i]?.status === 'waiting'),
    );
    if (!(await this.#pool.release(match.id, out))) return;
    if (match.asked)
      await this.tell(
        sockets.filter((id) => !out.includes(id)),
        cancelled(match, 'failed'),
      );
    const expected = error instanceof ServiceError && error.code.startsWith('BATON_LINK_');
    this.#released(expected || out.length > 0 ? undefined : error);
  }

  /** @returns who is not there any more, and whether others did not hear it either */
  async tell(
    sockets: readonly string[],
    message: MatchMessage,
  ): Promise<{ gone: string[]; unheard: boolean }> {
    const sent = await Promise.allSettled(sockets.map((socketId) => this.#service.send(socketId, message)));
    const errors = sent.map((result) => (result.status === 'rejected' ? result.reason : undefined));
    const failure = errors.find((error) => error !== undefined && !isGone(error));
    if (failure !== undefined) this.#released(failure);
    return { gone: sockets.filter((_, i) => isGone(errors[i])), unheard: failure !== undefined };
  }

  async #make(match: PooledMatch): Promise<void> {
    const sockets = socketsOf(match);
    let status: string;
    try {
      if (match.sizes || match.backfill !== undefined) status = await this.#asGroup(match, sockets);
      else ({ status } = await this.#service.link(sockets[0]!, wishFor(sockets.slice(1))));
    } catch (error) {
      await this.settle(match, error);
      return;
    }
    // Somebody is not open yet: whether the link comes about is seen when the time of the claim is over.
    if (status === 'linked') await this.#confirm(match);
    else if (status !== 'waiting') await this.settle(match);
  }

  /** A group has free places when somebody has left, for those who fill the match. */
  async #asGroup(match: PooledMatch, sockets: readonly string[]): Promise<string> {
    const size = match.size ?? sockets.length;
    const wish = { group: match.backfill ?? match.id, size };
    const joined = await Promise.allSettled(sockets.map((socketId) => this.#service.link(socketId, wish)));
    const failed = joined.find((each) => each.status === 'rejected');
    if (failed) {
      await this.#unlink(sockets.filter((_, i) => joined[i]!.status === 'fulfilled'));
      throw failed.reason;
    }
    // all but the last one had to wait
    const together = joined.some((each) => each.status === 'fulfilled' && each.value.status === 'linked');
    return together ? 'linked' : 'waiting';
  }

  /** Takes back the waiting of sockets, unless they are in another match already. */
  async #freed(match: PooledMatch, sockets: readonly string[]): Promise<void> {
    const tickets = await Promise.all(sockets.map((socketId) => this.#pool.get(socketId)));
    await this.#unlink(sockets.filter((_, i) => tickets[i]?.match === match.id));
  }

  async #confirm(match: PooledMatch): Promise<void> {
    // Somebody has left meanwhile: the others search already.
    if (!(await this.#pool.confirm(match.id))) await this.#unlink(socketsOf(match));
  }

  async #unlink(sockets: readonly string[]): Promise<void> {
    await Promise.allSettled(sockets.map((socketId) => this.#service.unlink(socketId)));
  }
}

export function wishFor(peers: string[]): Extract<Wish, { peer: string } | { peers: string[] }> {
  return peers.length === 1 ? { peer: peers[0]! } : { peers };
}

export function cancelled(
  { id }: PooledMatch,
  reason: Extract<MatchMessage, { event: 'match-cancelled' }>['reason'],
): MatchMessage {
  return { event: 'match-cancelled', match: id, reason };
}
