import { isGone, type Service, ServiceError } from '../control-api.ts';

/** Sockets whose close was not answered and is tried again; further ones stay open. */
const MAX_UNCLOSED = 10_000;
/** Until it is tried again, doubled each time … */
const CLOSE_RETRY_MS = 1_000;
/** … up to this, unless the service says when. */
const LONGEST_RETRY_MS = 30_000;

interface Why {
  code: number;
  reason: string;
}

/** Closes sockets of players who are out: who is in no pool and still open would wait for ever. */
export class Closes {
  readonly #service: Service;
  readonly #failed: (error: unknown) => void;
  readonly #closing = new Set<Promise<void>>();
  readonly #again = new Map<string, ReturnType<typeof setTimeout>>();
  #stopped = false;

  constructor(service: Service, failed: (error: unknown) => void) {
    this.#service = service;
    this.#failed = failed;
  }

  close(sockets: readonly string[], why: Why): void {
    for (const socketId of sockets) this.#try(socketId, why, 0);
  }

  /** Waits for those under way; nothing is tried again. */
  async finish(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#again.values()) clearTimeout(timer);
    this.#again.clear();
    await Promise.all(this.#closing);
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
    this.#again.set(socketId, timer);
  }
}
