import WebSocket from 'ws';
import type { Meter } from './measure.ts';
import { Sequence } from './sequence.ts';
import type { BotResult } from './types.ts';

const openMs = 30_000;
const linkMs = 120_000;
const answerMs = 15_000;
const mostFaults = 5;
/** The service speaks in messages that begin with it. */
const EVENT = 0x01;
const NUMBER = 'm'.charCodeAt(0);
const ANSWER = 'a'.charCodeAt(0);
const BYE = 'b';

export interface Seat {
  url: string;
  mapping: string;
  token: string;
}

/**
 * A player on a plain WebSocket, linked with another one: it sends `m <n>` with numbers that count up, answers those of
 * its peer with `a <n>`, and so knows of each what became of it. `b` says that its sender will send no more numbers.
 */
export class SocketBot {
  readonly #socket: WebSocket;
  readonly #meter: Meter;
  readonly #numbers = new Sequence(1);
  readonly #answers = new Sequence(1);
  readonly #sentAt = new Map<number, number>();
  readonly #faults: string[] = [];
  readonly #watching = new Set<() => void>();
  readonly #padding: string;
  #sent = 0;
  #timer: NodeJS.Timeout | undefined;
  #heardAt = 0;
  #gapMs = 0;
  #disconnects = 0;
  #peerSaidBye = false;
  #peerGone = false;
  #leaving = false;
  #closed = false;
  socketId = '';
  linked = false;

  private constructor({ url, mapping, token }: Seat, bytes: number, meter: Meter) {
    const address = new URL(`/v1/socket/${mapping}`, url.replace(/^http/, 'ws'));
    this.#padding = ` ${'.'.repeat(Math.max(0, bytes - 10))}`;
    this.#meter = meter;
    this.#socket = new WebSocket(address, 'baton.v1', {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: openMs,
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    this.#socket.on('message', (data: Buffer) => this.#hear(data));
    this.#socket.on('error', (error) => this.#fault(error.message));
    this.#socket.on('open', () => {
      this.#meter.clients++;
      this.#socket.once('close', () => void this.#meter.clients--);
    });
    this.#socket.on('close', (code, reason) => {
      this.#closed = true;
      if (!this.#leaving) this.#lost(`closed (${code} ${reason})`);
      this.#stir();
    });
  }

  /** @throws Error when it does not open */
  static async open(seat: Seat, bytes: number, meter: Meter): Promise<SocketBot> {
    const bot = new SocketBot(seat, bytes, meter);
    await bot.#until(() => bot.socketId !== '' || bot.#closed, openMs);
    if (bot.socketId !== '') return bot;
    bot.#leaving = true;
    bot.#socket.terminate();
    throw new Error(
      `a socket on mapping "${seat.mapping}" did not open: ${bot.#faults[0] ?? `nothing within ${openMs} ms`}`,
    );
  }

  /** @returns whether it has got a peer by then */
  async meet(signal?: AbortSignal): Promise<boolean> {
    await this.#until(() => this.linked || this.#closed || signal?.aborted === true, linkMs, signal);
    return this.linked;
  }

  start(hz: number): void {
    if (hz === 0) return;
    this.#heardAt = performance.now();
    // Bots that were started together do not speak together.
    this.#timer = setTimeout(
      () => {
        this.#timer = setInterval(() => this.#say(), 1000 / hz);
        this.#say();
      },
      (Math.random() * 1000) / hz,
    );
  }

  /** Whether its peer is on its way out, or gone. */
  get parting(): boolean {
    return this.#peerSaidBye || this.#peerGone || this.#closed;
  }

  /** Reads nothing until `resume()`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  /** Resolves once the peer says that it sends no more numbers, or is gone. */
  async parted(signal: AbortSignal): Promise<void> {
    await this.#until(() => this.parting || signal.aborted, Infinity, signal);
  }

  /** Says no more numbers, and waits for the answers to those it has said. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer);
    this.resume();
    if (this.#sent === 0 && this.linked) this.#say();
    await this.#until(() => this.#answers.received >= this.#sent || this.#closed || this.#peerGone, answerMs);
  }

  /** Leaves so that nothing is on its way: whoever said `b` first leaves first. */
  async leave(): Promise<BotResult> {
    const first = !this.#peerSaidBye;
    await this.settle();
    if (this.linked && !this.#closed && !this.#peerGone) {
      this.#socket.send(BYE);
      await this.#until(() => this.#closed || this.#peerGone || (first && this.#peerSaidBye), answerMs);
    }
    this.#answers.end(this.#peerGone && !this.#peerSaidBye ? this.#answers.highest : this.#sent);
    this.close();
    return this.result();
  }

  /** Is gone without a word. */
  drop(): BotResult {
    clearTimeout(this.#timer);
    this.#leaving = true;
    this.#socket.terminate();
    return this.result();
  }

  /** After `settle()`, of one whose peer stays to the end: what is not answered by now is lost. */
  end(): BotResult {
    if (this.#peerGone) this.#lost('its peer has left');
    this.#answers.end(this.#sent);
    return this.result();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#leaving = true;
    this.#socket.close(1000);
  }

  result(): BotResult {
    const [numbers, answers] = [this.#numbers, this.#answers];
    return {
      // What the peer has sent is known by what comes in order; the peer counts it, too.
      sent: this.#sent + numbers.sent,
      received: numbers.received + answers.received,
      lost: numbers.lost + answers.lost,
      duplicated: numbers.duplicated + answers.duplicated,
      reordered: numbers.reordered + answers.reordered,
      disconnects: this.#disconnects,
      stateMismatches: 0,
      gapMs: this.#gapMs,
      faults: this.#faults,
    };
  }

  #say(): void {
    const n = ++this.#sent;
    this.#sentAt.set(n, performance.now());
    this.#meter.sent++;
    this.#socket.send(`m${n}${this.#padding}`);
  }

  #hear(data: Buffer): void {
    const now = performance.now();
    if (data[0] === EVENT) this.#event(JSON.parse(data.toString('utf8', 1)));
    else if (data[0] === NUMBER || data[0] === ANSWER) {
      if (this.#heardAt > 0) this.#gapMs = Math.max(this.#gapMs, now - this.#heardAt);
      this.#heardAt = now;
      this.#meter.received++;
      const n = Number.parseInt(data.toString('latin1', 1, 12), 10);
      if (data[0] === NUMBER) this.#answer(n);
      else this.#answered(n, now);
    } else this.#peerSaidBye = true;
    if (this.#watching.size > 0) this.#stir();
  }

  #answer(n: number): void {
    this.#numbers.accept(n);
    if (!this.#closed) this.#socket.send(`a${n}`);
  }

  #answered(n: number, now: number): void {
    this.#answers.accept(n);
    const sentAt = this.#sentAt.get(n);
    if (sentAt === undefined) return;
    this.#sentAt.delete(n);
    this.#meter.roundTrip(now - sentAt);
  }

  #event({ event, ...said }: { event: string; socketId?: string; code?: string; message?: string }): void {
    if (event === 'open') this.socketId = said.socketId!;
    if (event === 'linked') this.linked = true;
    // What was on its way when the peer left has nobody to go to.
    if (event === 'error' && !(this.#peerGone && said.code === 'BATON_NOT_LINKED'))
      this.#lost(`was told ${said.code}: ${said.message}`);
    if (event === 'peer-left') {
      this.#peerGone = true;
      clearTimeout(this.#timer);
    }
  }

  #lost(what: string): void {
    this.#disconnects++;
    this.#fault(what);
  }

  #fault(text: string): void {
    if (this.#faults.length < mostFaults) this.#faults.push(`${this.socketId || 'a socket'}: ${text}`);
  }

  #stir(): void {
    for (const look of this.#watching) look();
  }

  async #until(met: () => boolean, ms: number, signal?: AbortSignal): Promise<void> {
    if (met()) return;
    await new Promise<void>((resolve) => {
      const timer = ms === Infinity ? undefined : setTimeout(done, ms);
      const look = () => met() && done();
      this.#watching.add(look);
      signal?.addEventListener('abort', done, { once: true });
      const watching = this.#watching;
      function done() {
        clearTimeout(timer);
        watching.delete(look);
        signal?.removeEventListener('abort', done);
        resolve();
      }
    });
  }
}
