// Messages published to topics that a room subscribed to, handled exactly once although the room moves. Both hosts
// are subscribed during a move, so each message comes to both; which of them handles it is decided by a cut:
//
// 1. From its subscription on, the shell keeps what comes. It is subscribed before the source hears that it is ready.
// 2. The source handles messages until it freezes; what comes after that it keeps.
// 3. With the freeze the source publishes a cut. A store sends every subscriber all messages in one order, whatever
//    their topics, so that "before the cut" means the same to both hosts.
// 4. The source hands over what it kept up to the cut and unsubscribes. The target handles that, then what itself
//    kept since the cut, then what comes.
//
// When the room stays, the source handles what it kept. When the cut or the hand-over is lost (the source died, the
// store broke off), the target goes by the time: it handles what came to it after the freeze and was not handed over.
import { debugAndPrintError } from '@colyseus/core';

/** A message for one subscription of a room: the `n`-th that its onCreate() made to the topic. */
export interface Letter {
  subscription: string;
  message: unknown;
}

/** Letters kept at most; the oldest give way. */
const LIMIT = 10_000;
/** How long the source waits for the cut, and the target for cut and hand-over before it goes by the time. */
const CUT_PATIENCE_MS = 1_500;
const PATIENCE_MS = 3_000;

type Callback = (message: unknown) => unknown;

export class Mailbox {
  private open = false;
  private readonly callbacks = new Map<string, Callback>();
  private letters: (Letter & { at: number })[] = [];
  /** How many of `letters` came before the cut. */
  private cutAt: number | undefined;
  private handedOver: Letter[] | undefined;
  private changed: (() => void)[] = [];
  private readonly subscribing = new Set<Promise<unknown>>();
  private readonly run: (callback: Callback, message: unknown) => void;

  /** @param run calls a callback with a message */
  constructor(run: (callback: Callback, message: unknown) => void) {
    this.run = run;
  }

  /** @returns what to subscribe with */
  add(topic: string, callback: Callback): Callback {
    let n = 0;
    while (this.callbacks.has(`${topic} ${n}`)) n++;
    const subscription = `${topic} ${n}`;
    this.callbacks.set(subscription, callback);
    return (message) => {
      if (this.open) this.run(callback, message);
      else this.keep({ subscription, message, at: now() });
    };
  }

  remove(topic: string, callback: Callback): void {
    for (const [subscription, known] of this.callbacks) {
      if (known === callback && subscription.startsWith(`${topic} `)) this.callbacks.delete(subscription);
    }
  }

  /** Counts a subscription as under way until the store has it. */
  follow(subscribed: Promise<unknown>): void {
    this.subscribing.add(subscribed);
    const done = () => this.subscribing.delete(subscribed);
    subscribed.then(done, done);
  }

  /** Resolves when the store has all subscriptions made so far. */
  async ready(): Promise<void> {
    await Promise.allSettled(this.subscribing);
  }

  /** True while messages go straight to the room. */
  get settled(): boolean {
    return this.open;
  }

  /** The room freezes, or is a shell: from now on messages are kept. */
  close(): void {
    this.open = false;
    this.letters = [];
    this.cutAt = undefined;
    this.handedOver = undefined;
  }

  /** The room runs, or goes on: what was kept comes first. */
  reopen(): void {
    if (this.open) return;
    this.open = true;
    for (const letter of this.letters.splice(0)) this.handle(letter);
  }

  cut(): void {
    this.cutAt ??= this.letters.length;
    this.wake();
  }

  /** The source's part: what came between freeze and cut. */
  async upToCut(): Promise<Letter[]> {
    await this.until(CUT_PATIENCE_MS, () => this.cutAt !== undefined);
    return this.letters.slice(0, this.cutAt).map(({ subscription, message }) => ({ subscription, message }));
  }

  /** What the source hands over. */
  take(letters: Letter[]): void {
    this.handedOver = letters;
    this.wake();
  }

  /** The target's part. @param frozenAt µs on the machine's monotonic clock */
  async arrive(frozenAt: number): Promise<void> {
    await this.until(PATIENCE_MS, () => this.cutAt !== undefined && this.handedOver !== undefined);
    const exact = this.cutAt !== undefined && this.handedOver !== undefined;
    const first = this.handedOver ?? [];
    this.letters = exact
      ? this.letters.slice(this.cutAt)
      : without(
          this.letters.filter(({ at }) => at >= frozenAt),
          first,
        );
    for (const letter of first) this.handle(letter);
    this.handedOver = undefined;
    this.reopen();
  }

  private keep(letter: Letter & { at: number }): void {
    this.letters.push(letter);
    if (this.letters.length <= LIMIT) return;
    this.letters.shift();
    if (this.cutAt) this.cutAt--;
  }

  private handle({ subscription, message }: Letter): void {
    const callback = this.callbacks.get(subscription);
    if (!callback) return;
    try {
      this.run(callback, message);
    } catch (error) {
      debugAndPrintError(error as Error);
    }
  }

  private wake(): void {
    for (const wake of this.changed.splice(0)) wake();
  }

  private async until(ms: number, done: () => boolean): Promise<void> {
    const end = Date.now() + ms;
    while (!done() && Date.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - Date.now());
        this.changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

const now = () => Number(process.hrtime.bigint() / 1000n);

/** `letters` less those that are in `others`, each as often as it is there. */
function without<T extends Letter>(letters: T[], others: Letter[]): T[] {
  const left = new Map<string, number>();
  const keyOf = ({ subscription, message }: Letter) => `${subscription} ${JSON.stringify(message)}`;
  for (const other of others) left.set(keyOf(other), (left.get(keyOf(other)) ?? 0) + 1);
  return letters.filter((letter) => {
    const n = left.get(keyOf(letter)) ?? 0;
    if (n > 0) left.set(keyOf(letter), n - 1);
    return n === 0;
  });
}
