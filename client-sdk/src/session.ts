// A socket's life over its connections: it notices that one is lost, gets another, and goes on where it was.
import { clientError, SocketError } from './errors.ts';
import { CONSENTED, type Dial, Link, LOST } from './link.ts';
import type { Entry, Stream } from './stream.ts';
import { control, PROTOCOL, type ServiceEvent, type Wire } from './wire.ts';

/** The service is told at least so long after a message that it was heard. */
const CONFIRM_MS = 500;
/** First and longest pause before an attempt; each is a random part of twice the one before (full jitter). */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** One attempt. */
const ATTEMPT_MS = 5_000;
/** The service may notice so much later than the client that a connection is lost. */
const NOTICE_MS = 10_000;
/** The answer to a goodbye. */
const GOODBYE_MS = 2_000;
/** Close codes of those in between that go away; a service that closes says so with another one. */
const CUT = new Set([LOST, 1012, 1014]);
const FINAL = new Set(['BATON_RESUME_FAILED', 'BATON_PROTOCOL_UNSUPPORTED', 'BATON_INVALID_URL']);
/** A frame of Colyseus' protocol to which a room answers with the same. */
const PING = Uint8Array.of(18);

export interface SessionOptions {
  stream: Stream;
  WebSocket: Dial['WebSocket'];
  /** Where its socket is, for another connection. */
  url: string;
  secret: string;
  /** How long the service waits for a client that is away; 0 for not at all. */
  resumeMs: number;
  /** After so long without a word the connection is tried; 0 for never. */
  heartbeatMs: number;
}

export interface SessionListener {
  data(data: Wire): void;
  event(event: ServiceEvent): void;
  /** A frame of the room that has the connection. */
  frame(data: Uint8Array): void;
  dropped(code: number): void;
  resumed(event: ServiceEvent): void;
  /** Nothing comes after this. @param why it could not go on */
  ended(code: number, reason: string, why?: SocketError): void;
}

/** What only serves the counting, or leads into a room and out of it, is not counted. */
const UNCOUNTED = new Set(['ack', 'entered', 'left']);

export class Session {
  private readonly options: SessionOptions;
  private readonly listener: SessionListener;
  private link: Link | undefined;
  /** The room has the connection. */
  private lent = false;
  private over = false;
  /** It says goodbye: no other connection follows. */
  private closing: Promise<void> | undefined;
  private heardAt = 0;
  private confirmTimer: ReturnType<typeof setTimeout> | undefined;
  private beatTimer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the pause before the next attempt. */
  private wake: (() => void) | undefined;

  constructor(link: Link, options: SessionOptions, listener: SessionListener) {
    this.options = options;
    this.listener = listener;
    options.stream.flow((data) => link.send(data));
    link.send(control({ ack: 0 })); // it is waited for as long as the mapping says
    globalThis.addEventListener?.('online', this.online);
    this.use(link);
  }

  send(parts: readonly Wire[]): Entry {
    return this.options.stream.send(parts);
  }

  /** The game has got so many messages, or all. */
  given(count: number | undefined): void {
    this.options.stream.give(count);
    if (this.link) this.confirmSoon();
  }

  /** The client enters the room in which it has this seat; what is sent from here on waits until it is back. */
  enter(seat: string): void {
    const { stream } = this.options;
    stream.stop();
    this.confirm();
    this.link?.send(control({ enter: seat }));
  }

  /** The connection is the room's. */
  lend(): void {
    this.lent = true;
  }

  /** A frame for the room. */
  sendFrame(data: Uint8Array): void {
    this.link?.send(data);
  }

  /** It is the socket's again. */
  giveBack(): void {
    const { link } = this;
    this.lent = false;
    if (!link) return;
    link.send(control({ back: true }));
    this.options.stream.flow((data) => link.send(data));
    this.confirm();
  }

  /** Says goodbye, and ends. */
  close(code: number): Promise<void> {
    if (!this.over) this.closing ??= this.sayGoodbye(code);
    return this.closing ?? Promise.resolve();
  }

  private async sayGoodbye(code: number): Promise<void> {
    const { link } = this;
    clearTimeout(this.beatTimer);
    if (link) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, GOODBYE_MS);
        link.take({
          ...this.heard,
          closed: () => {
            clearTimeout(timer);
            this.link = undefined;
            resolve();
          },
        });
        link.close(code);
      });
    }
    this.end(code, '');
  }

  // --- one connection

  private use(link: Link): void {
    this.link = link;
    this.heardAt = Date.now();
    link.take({ ...this.heard, closed: (code, reason) => this.closed(link, code, reason) });
    this.armBeat();
  }

  private readonly heard = {
    data: (data: Wire) => {
      this.heardAt = Date.now();
      if (this.lent && typeof data !== 'string') this.listener.frame(data);
      else {
        this.count(data);
        this.listener.data(data);
      }
    },
    event: (event: ServiceEvent) => {
      this.heardAt = Date.now();
      if (event.event === 'ack') this.options.stream.confirm(event['count'] as number);
      else {
        if (!UNCOUNTED.has(event.event)) this.count('');
        this.listener.event(event);
      }
    },
  };

  private count(data: Wire): void {
    this.options.stream.hear(data);
    this.confirmSoon();
  }

  private confirmSoon(): void {
    const { stream } = this.options;
    if (stream.due) this.confirm();
    else if (stream.owes) this.confirmTimer ??= setTimeout(() => this.confirm(), CONFIRM_MS);
  }

  private confirm(): void {
    clearTimeout(this.confirmTimer);
    this.confirmTimer = undefined;
    const { stream } = this.options;
    if (this.link && !this.lent && stream.owes) this.link.send(control({ ack: stream.tell() }));
  }

  private armBeat(): void {
    clearTimeout(this.beatTimer);
    const { heartbeatMs } = this.options;
    if (heartbeatMs > 0) this.beatTimer = setTimeout(() => this.beat(), heartbeatMs);
  }

  /** A network that is gone without a word is noticed by silence. */
  private beat(): void {
    const { link } = this;
    if (!link) return;
    const { heartbeatMs, stream } = this.options;
    if (Date.now() - this.heardAt < heartbeatMs) {
      this.armBeat();
      return;
    }
    const asked = Date.now();
    link.send(this.lent ? PING : control({ ack: stream.tell(), ask: true }));
    this.beatTimer = setTimeout(() => {
      if (this.heardAt >= asked) this.armBeat();
      else this.lose(link);
    }, heartbeatMs / 2);
  }

  private lose(link: Link): void {
    if (link !== this.link) return;
    link.drop();
    this.closed(link, LOST, '');
  }

  private closed(link: Link, code: number, reason: string): void {
    if (link !== this.link) return;
    clearTimeout(this.beatTimer);
    clearTimeout(this.confirmTimer);
    this.confirmTimer = undefined;
    this.link = undefined;
    this.lent = false;
    this.options.stream.stop();
    if (this.closing || !CUT.has(code) || this.options.resumeMs === 0) {
      this.end(code, reason);
      return;
    }
    this.listener.dropped(code);
    if (!this.over) void this.reconnect(); // it may have been closed over it
  }

  // --- another one

  private async reconnect(): Promise<void> {
    const { resumeMs } = this.options;
    const until = Date.now() + resumeMs + NOTICE_MS;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      await this.pause(Math.min(Math.random() * pause, Math.max(0, until - Date.now())));
      if (this.over) return;
      try {
        const { link, begun } = await this.dial();
        if (this.over) link.close();
        else this.goOn(link, begun);
        return;
      } catch (error) {
        if (this.over) return;
        const final = error instanceof SocketError && FINAL.has(error.code);
        if (!final && Date.now() < until) continue;
        const why = final ? error : clientError('BATON_CONNECTION_LOST', { ms: resumeMs }, { cause: error });
        this.end(final ? (error.status ?? LOST) : LOST, why.code, why);
        return;
      }
    }
  }

  private dial(): Promise<{ link: Link; begun: ServiceEvent }> {
    const { WebSocket, url, secret, stream } = this.options;
    return Link.dial({
      WebSocket,
      url: `${url}&received=${stream.tellAll()}`,
      protocols: [PROTOCOL, `baton.secret.${secret}`],
      expects: 'resumed',
      timeoutMs: ATTEMPT_MS,
    });
  }

  private goOn(link: Link, begun: ServiceEvent): void {
    const { stream } = this.options;
    if (!stream.resume((data) => link.send(data), begun['received'] as number)) {
      link.close();
      const why = new SocketError(
        'BATON_RESUME_FAILED',
        'The service counted other messages than the client. Open another socket.',
      );
      this.end(LOST, why.code, why);
      return;
    }
    this.link = link;
    this.listener.resumed(begun);
    if (!this.over && !this.closing) this.use(link);
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private readonly online = () => this.wake?.();

  private end(code: number, reason: string, why?: SocketError): void {
    if (this.over) return;
    this.over = true;
    this.link?.drop(CONSENTED); // whoever was to answer the goodbye did not
    this.link = undefined;
    this.options.stream.stop();
    clearTimeout(this.beatTimer);
    clearTimeout(this.confirmTimer);
    globalThis.removeEventListener?.('online', this.online);
    this.wake?.();
    this.listener.ended(code, reason, why);
  }
}
