import { isGone, type Service, ServiceError } from '../control-api.ts';

/** Sockets whose close was not answered and is tried again; further ones stay open. */
const MAX_UNCLOSED = 10_000;
/** Until it is tried again, doubled each time … */
const CLOSE_RETRY_MS = 1_000;
/** … up to this, unless the service says when. */
const LONGEST_RETRY_MS = 30_000;
/** Closes that are made at the same time when the process stops. */
const LAST_CLOSES_AT_ONCE = 64;

interface Why {
  code: number;
  reason: string;
}

/** Closes sockets of players who are out: who is in no pool and still open would wait for ever. */
export class Closes {
  readonly #service: Service;
  readonly #failed: (error: unknown) => void;
  readonly #closing = new Set<Promise<void>>();
  /** Those that wait to be tried again. */
  readonly #again = new Map<string, { why: Why; timer: ReturnType<typeof setTimeout> }>();
  #stopped = false;

  constructor(service: Service, failed: (error: unknown) => void) {
    this.#service = service;
    this.#failed = failed;
  }

  close(sockets: readonly string[], why: Why): void {
    for (const socketId of sockets) this.#try(socketId, why, 0);
  }

  /**
   * Waits for those under way, and makes those that wait to be tried again, each once: after this nobody will. While the
   * service does not take any they stay open.
   */
  async finish(): Promise<void> {
    await Promise.all(this.#closing);
    this.#stopped = true;
    const left = [...this.#again];
    this.#again.clear();
    for (const [, { timer }] of left) clearTimeout(timer);
    while (left.length > 0) {
      const some = left.splice(0, LAST_CLOSES_AT_ONCE);
      const open = await Promise.all(some.map(([socketId, { why }]) => this.#lastTry(socketId, why)));
      const failures = open.filter((error) => error !== undefined);
      // it is away: nobody is to wait for it once for each of them
      const given = failures.length === some.length ? left.splice(0).length : 0;
      if (failures.length > 0)
        this.#failed(new Error(`${failures.length + given} sockets stay open`, { cause: failures[0] }));
    }
  }

  #try(socketId: string, why: Why, tried: number): void {
    this.#again.delete(socketId);
    const closing = this.#service
      .close(socketId, why.code, why.reason)
      .catch((error) => {
        if (!isGone(error)) this.#later(socketId, why, tried, error);
      })
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** @returns why it stays open */
  async #lastTry(socketId: string, { code, reason }: Why): Promise<unknown> {
    try {
      await this.#service.close(socketId, code, reason);
    } catch (error) {
      if (!isGone(error)) return error;
    }
    return undefined;
  }

  #later(socketId: string, why: Why, tried: number, error: unknown): void {
    if (tried === 0) this.#failed(error);
    if (this.#stopped) return;
    if (this.#again.size >= MAX_UNCLOSED) {
      this.#failed(new Error(`${socketId} stays open: ${MAX_UNCLOSED} others are to be closed yet`));
      return;
    }
    const wanted = error instanceof ServiceError ? (error.retryAfter ?? 0) : 0;
    const pause = Math.max(wanted, Math.min(LONGEST_RETRY_MS, CLOSE_RETRY_MS * 2 ** tried));
    const timer = setTimeout(() => this.#try(socketId, why, tried + 1), pause);
    timer.unref?.();
    this.#again.set(socketId, { why, timer });
  }
}
