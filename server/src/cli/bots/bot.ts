import type { Client, Room } from '@colyseus/sdk';
import type { Meter } from './measure.ts';
import { stateDifference } from './same-state.ts';
import { Sequence } from './sequence.ts';
import type { BotResult } from './types.ts';

const answerMs = 10_000;
const mostFaults = 5;
const mostJoins = 20;

function unanswered(roomName: string): string {
  return `Room "${roomName}" does not answer "ping-n" with "pong-n" and "state?" with "state!": docs/bots.md says how.`;
}

/** The room's answer to `state?`: its state, and the last `tick-n` it sent to this client. */
interface StateAnswer {
  n: number;
  json: string;
  ticks?: number;
}

/**
 * One player. The room has to answer `ping-n` n with `pong-n` n, to send `tick-n` with numbers that count up,
 * and to answer `state?` n with `state!` right after a `broadcastPatch()`.
 */
export class Bot {
  readonly room: Room;
  readonly #pongs = new Sequence(1);
  readonly #ticks = new Sequence();
  readonly #faults: string[] = [];
  readonly #meter: Meter;
  readonly #sentAt = new Map<number, number>();
  readonly #waiting = new Map<number, (answer: StateAnswer) => void>();
  readonly #onPong = new Set<() => void>();
  #pings = 0;
  #checks = 0;
  #mismatches = 0;
  #disconnects = 0;
  #leaving = false;
  #heardAt = 0;
  #gapMs = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(room: Room, meter: Meter) {
    this.room = room;
    this.#meter = meter;
    meter.clients++;
    room.onMessage('pong-n', (n: number) => {
      this.#heard();
      this.#pongs.accept(n);
      this.#measure(n);
      for (const wake of this.#onPong) wake();
    });
    room.onMessage('tick-n', (n: number) => {
      this.#heard();
      this.#ticks.accept(n);
    });
    room.onMessage('state!', (answer: StateAnswer) => {
      this.#heard();
      this.#compare(answer);
      this.#waiting.get(answer.n)?.(answer);
    });
    room.onMessage('*', () => this.#heard());
    room.onStateChange(() => this.#heard());
    room.onDrop((code, reason) => this.#lost('dropped', code, reason));
    room.onLeave((code, reason) => this.#lost('made to leave', code, reason));
    room.onError((code, reason) => this.#lost('got an error', code, reason));
  }

  /**
   * Joins and makes sure that the room answers as bots need and that the first state is right. A client that
   * joins between a change of an array and the patch with it gets that change twice from Colyseus, on any
   * transport: such a bot joins again, so that what differs later differs because of a move.
   * @throws when the room does not answer
   */
  static async join(client: Client, roomName: string, meter: Meter): Promise<Bot> {
    for (let attempt = 1; ; attempt++) {
      const bot = new Bot(await client.joinOrCreate(roomName), meter);
      bot.#ping();
      await bot.#until(() => bot.#pongs.highest >= 1, answerMs);
      const answers = bot.#pongs.highest >= 1 && (await bot.#askState()) !== undefined;
      if (answers && bot.#mismatches === 0) return bot;
      await bot.#leave();
      if (!answers) throw new Error(unanswered(roomName));
      if (attempt === mostJoins) throw new Error(`The first state is wrong at every join: ${bot.#faults[0]}`);
    }
  }

  start(hz: number): void {
    this.#heardAt = performance.now();
    this.#timer = setInterval(() => this.#ping(), 1000 / hz);
  }

  /** @returns whether the state equals the server's */
  async check(): Promise<boolean> {
    const before = this.#mismatches;
    const answer = await this.#askState();
    if (!answer) {
      this.#mismatches++;
      this.#fault('no answer to "state?"');
    }
    return this.#mismatches === before;
  }

  /** Stops, and waits for what is under way. */
  async settle(): Promise<void> {
    clearInterval(this.#timer);
    await this.#until(() => this.#pongs.received >= this.#pings, answerMs);
  }

  /** After `settle()`: compares a last time, and leaves. */
  async finish(): Promise<BotResult> {
    this.#heard();
    const answer = await this.#askState();
    if (!answer) this.#fault('no answer to "state?"');
    this.#pongs.end(this.#pings);
    if (answer?.ticks !== undefined) this.#ticks.end(answer.ticks);
    const result = this.#result();
    await this.#leave();
    return result;
  }

  async #leave(): Promise<void> {
    this.#leaving = true;
    await Promise.race([this.room.leave(), timeout(answerMs)]);
    this.#meter.clients--;
  }

  #ping(): void {
    const n = ++this.#pings;
    this.#sentAt.set(n, performance.now());
    this.#meter.sent++;
    this.room.send('ping-n', n);
  }

  #measure(n: number): void {
    const sentAt = this.#sentAt.get(n);
    if (sentAt === undefined) return;
    this.#sentAt.delete(n);
    this.#meter.roundTrip(performance.now() - sentAt);
  }

  async #askState(): Promise<StateAnswer | undefined> {
    const n = ++this.#checks;
    const answered = new Promise<StateAnswer>((resolve) => this.#waiting.set(n, resolve));
    this.room.send('state?', n);
    const answer = await Promise.race([answered, timeout(answerMs)]);
    this.#waiting.delete(n);
    return answer;
  }

  #compare({ json }: StateAnswer): void {
    const state: { toJSON?(): unknown } | undefined = this.room.state;
    const difference = stateDifference(state?.toJSON?.() ?? state, JSON.parse(json));
    if (difference === undefined) return;
    this.#mismatches++;
    this.#fault(difference);
  }

  #heard(): void {
    this.#meter.received++;
    const now = performance.now();
    if (this.#heardAt > 0) this.#gapMs = Math.max(this.#gapMs, now - this.#heardAt);
    if (this.#heardAt > 0) this.#heardAt = now;
  }

  #lost(what: string, code: number, reason = ''): void {
    if (this.#leaving) return;
    this.#disconnects++;
    this.#fault(`${what} (${code}${reason ? ` ${reason}` : ''})`);
  }

  #fault(text: string): void {
    if (this.#faults.length < mostFaults) this.#faults.push(`${this.room.sessionId}: ${text}`);
  }

  /** Resolves when a pong makes `done` true, or after `ms`. */
  async #until(done: () => boolean, ms: number): Promise<void> {
    if (done()) return;
    let wake = () => {};
    const reached = new Promise<void>((resolve) => {
      wake = () => done() && resolve();
    });
    this.#onPong.add(wake);
    await Promise.race([reached, timeout(ms)]);
    this.#onPong.delete(wake);
  }

  #result(): BotResult {
    const sum = (pick: (sequence: Sequence) => number) => pick(this.#pongs) + pick(this.#ticks);
    return {
      sent: this.#pings + this.#ticks.sent,
      received: sum(({ received }) => received),
      lost: sum(({ lost }) => lost),
      duplicated: sum(({ duplicated }) => duplicated),
      reordered: sum(({ reordered }) => reordered),
      disconnects: this.#disconnects,
      stateMismatches: this.#mismatches,
      gapMs: this.#gapMs,
      faults: this.#faults,
    };
  }
}

function timeout(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}
