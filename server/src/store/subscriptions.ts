import type { Log } from '../telemetry/index.ts';

/** Who in this process listens to which topic. */
export class Subscriptions {
  readonly #listeners = new Map<string, Function[]>();
  readonly #abandoned = new Set<string>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  topics(): Iterable<string> {
    return this.#listeners.keys();
  }

  /** A listener may be added more than once and is then called as often. */
  add(topic: string, listener: Function): void {
    const listeners = this.#listeners.get(topic);
    // A new array each time: `deliver` may be going through the old one.
    this.#listeners.set(topic, listeners ? [...listeners, listener] : [listener]);
  }

  /**
   * @param listener absent = all of the topic's
   * @returns whether nobody listens to the topic any more
   */
  remove(topic: string, listener?: Function): boolean {
    const listeners = this.#listeners.get(topic) ?? [];
    const at = listener ? listeners.lastIndexOf(listener) : -1;
    const rest = listener ? listeners.filter((_, index) => index !== at) : [];
    if (rest.length > 0) this.#listeners.set(topic, rest);
    else this.#listeners.delete(topic);
    return rest.length === 0;
  }

  /** Notes that the store could not be told that nobody listens any more. */
  abandon(topic: string): void {
    this.#abandoned.add(topic);
  }

  /** Topics the store still has to be told of, each once. */
  takeAbandoned(): string[] {
    const topics = [...this.#abandoned].filter((topic) => !this.#listeners.has(topic));
    this.#abandoned.clear();
    return topics;
  }

  /** Calls each listener with the message; one that throws does not keep it from the others. */
  deliver(topic: string, json: string): void {
    const listeners = this.#listeners.get(topic);
    if (!listeners) return;
    let message: unknown;
    try {
      message = JSON.parse(json);
    } catch {
      this.#log.warn({ topic }, 'presence: a message is not JSON; ignored it');
      return;
    }
    for (const listener of listeners) {
      try {
        listener(message);
      } catch (error) {
        this.#log.error({ err: error, topic }, 'presence: a subscriber failed');
      }
    }
  }
}
