import type { Log } from '../telemetry/index.ts';

/** The reason when it was closed here: nothing to tell anybody. */
export const CLOSED = 'closed';

/** Whether a store can be used now, told to whoever wants to know. */
export class Availability {
  readonly #log: Log;
  readonly #url: string;
  readonly #listeners = new Set<(up: boolean) => void>();
  #up = false;

  /** @param url how the store is named in the log; must not hold a password */
  constructor(url: string, log: Log) {
    this.#url = url;
    this.#log = log;
  }

  get up(): boolean {
    return this.#up;
  }

  /** @param reason why it is down, for the log */
  set(up: boolean, reason?: string): void {
    if (up === this.#up) return;
    this.#up = up;
    if (up) this.#log.info({ store: this.#url }, 'store connected');
    else if (reason !== CLOSED)
      this.#log.warn(
        { store: this.#url, reason },
        'store away; rooms go on, moves are refused until it is back',
      );
    for (const listener of [...this.#listeners]) {
      try {
        listener(up);
      } catch (error) {
        this.#log.error({ err: error }, 'a listener of the store connection failed');
      }
    }
  }

  onChange(listener: (up: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
