import type { Room } from '@colyseus/sdk';
import { Emitter } from './emitter.ts';
import { clientError, SocketError } from './errors.ts';
import { check, decode, encode, type Format } from './format.ts';
import type { Link } from './link.ts';
import { Requests } from './requests.ts';
import { Session, type SessionOptions } from './session.ts';
import type { StandardSchema } from './standard-schema.ts';
import { loadRoomClass, type Offer, Visit } from './visit.ts';
import { control, type ServiceEvent, type Wire } from './wire.ts';

/** What is sent and heard without `format` and `schema`. */
export type Data = string | Uint8Array;

export interface SendOptions {
  /** Not sent any more once so many ms have passed without a connection: then the event `error`, BATON_SEND_TIMEOUT. */
  timeout?: number;
  /** Sent only if it goes out at once: there is a connection, and not much waits for it. */
  volatile?: boolean;
}

export interface RequestOptions<Answer = unknown> {
  /** How long the answer may take, in ms; default 15,000. */
  timeout?: number;
  /** Gives up waiting for the answer. */
  signal?: AbortSignal;
  /** What the answer is to be. */
  schema?: StandardSchema<Answer>;
}

export type SocketEvents<Message = Data> = {
  /** The socket has peers now: their socket ids. */
  linked: (peers: readonly string[]) => void;
  /** A message of a peer, of a function or of the control API; bytes come as Uint8Array. */
  message: (data: Message) => void;
  /** A peer has lost its connection, and may come back; what is sent to it waits. */
  'peer-drop': (peer: string) => void;
  /** It has come back. */
  'peer-back': (peer: string) => void;
  /** A peer is gone for good. */
  'peer-left': (peer: string) => void;
  /** The socket runs on another host now. For those who want to know: nothing is to be done. */
  migrated: (info: { moves: number }) => void;
  /**
   * The peers have a room, and this client is in it, on the connection that it has. The socket goes on when the room is
   * left (`onLeave`): what peers sent meanwhile comes then.
   */
  room: (room: Room) => void;
  /** The connection is lost, another one is sought; what is sent waits. */
  reconnecting: () => void;
  /** There is one: nothing was lost. */
  resumed: () => void;
  /** Something did not work; the socket is still open unless `close` follows. */
  error: (error: SocketError) => void;
  /** The socket is closed; nothing comes after this. */
  close: (code: number, reason: string) => void;
};

export interface SocketOptions extends SessionOptions {
  format: Format;
  schema?: StandardSchema | undefined;
}

const CONSENTED = 4000;
const REQUEST_MS = 15_000;
/** Bytes that may wait when something volatile is sent. */
const VOLATILE_BYTES = 64 * 1024;
/** Messages that wait for a `for await` loop. */
const MAX_UNREAD = 1024;

/** One player's connection to a mapping, open until it is closed or lost for good. Made by `Baton.open()`. */
export class BatonSocket<Message = Data> extends Emitter<SocketEvents<Message>> {
  /** Stays the same while the socket moves between hosts, and while its connections come and go. */
  readonly id: string;
  /** Who the token says the player is. */
  readonly playerId: string;
  private readonly options: SocketOptions;
  private readonly session: Session;
  private readonly requests = new Requests();
  private forward: string;
  private linkedTo: string[] = [];
  private visit: Visit | undefined;
  /** The room that is to be entered next, and the one whose door the client stands at. */
  private offer: Offer | undefined;
  private entering: Offer | undefined;
  /** The service knows that it stands there. */
  private knocked = false;
  private roomClass: Awaited<ReturnType<typeof loadRoomClass>> | undefined;
  private tail: Promise<void> | undefined;
  private state: 'open' | 'reconnecting' | 'closed' = 'open';

  /** @internal */
  constructor(link: Link, begun: ServiceEvent, options: SocketOptions) {
    super();
    this.id = begun['socketId'] as string;
    this.playerId = begun['playerId'] as string;
    this.forward = begun['forward'] as string;
    this.options = options;
    this.session = new Session(link, options, {
      data: (data) => this.heard(data),
      event: (event) => this.told(event),
      frame: (data) => this.framed(data),
      dropped: (code) => this.dropped(code),
      resumed: (event) => this.resumed(event),
      ended: (code, reason, why) => this.end(code, reason, why),
    });
  }

  /** Socket ids of the peers it is linked with. */
  get peers(): readonly string[] {
    return [...this.linkedTo];
  }

  /** The peers alone. */
  get peer(): { send(data: Message, options?: SendOptions): boolean } {
    return {
      send: (data, options) => {
        if (this.forward === 'endpoint') throw clientError('BATON_NOT_FORWARDED');
        return this.send(data, options);
      },
    };
  }

  /** The room that the client is in. */
  get room(): Room | undefined {
    return this.visit?.inside ? this.visit.room : undefined;
  }

  /** Whether it has a connection at present. */
  get connected(): boolean {
    return this.state === 'open';
  }

  get closed(): boolean {
    return this.state === 'closed';
  }

  /** Bytes that the service has not confirmed yet. */
  get bufferedAmount(): number {
    return this.options.stream.bufferedAmount;
  }

  /**
   * Sends to the peers, to the mapping's function, or to both, as its `forward` says. It arrives once and in order; while
   * there is no connection, and while the client is in a room, it waits.
   * @returns false when something volatile was not sent
   * @throws SocketError BATON_CLOSED, BATON_SEND_BUFFER_FULL, BATON_MESSAGE_INVALID
   */
  send(data: Message, { timeout, volatile = false }: SendOptions = {}): boolean {
    this.assertOpen();
    const { stream, format } = this.options;
    if (volatile && (!stream.flowing || stream.bufferedAmount > VOLATILE_BYTES)) return false;
    const entry = this.session.send([encode(format, data)]);
    if (timeout !== undefined && !stream.flowing)
      setTimeout(() => {
        if (stream.withdraw(entry) && !this.closed)
          this.emit('error', clientError('BATON_SEND_TIMEOUT', { ms: timeout }));
      }, timeout);
    return true;
  }

  /**
   * Asks the mapping's function: one call of `receive`, whose answer's `send`, text or bytes this resolves with;
   * undefined when it says nothing. There is one answer, also when the socket moves or changes its connection.
   * @throws SocketError with the service's code (BATON_CALL_FAILED, BATON_RECEIVE_MISSING, …), BATON_REQUEST_TIMEOUT,
   *   BATON_CLOSED, BATON_SEND_BUFFER_FULL; the signal's reason
   */
  async request<Answer = Message>(data: Message, options: RequestOptions<Answer> = {}): Promise<Answer> {
    this.assertOpen();
    const { timeout = REQUEST_MS, signal, schema } = options;
    const wire = encode(this.options.format, data);
    const answer = await this.requests.make(
      (id) => {
        const entry = this.session.send([control({ request: id }), wire]);
        return () => void this.options.stream.withdraw(entry);
      },
      timeout,
      signal,
    );
    return (await check(schema, answer)) as Answer;
  }

  /** Resolves when the socket is closed, and the room that it is in is left; its peers hear that it left. */
  async close(): Promise<void> {
    await this.session.close(CONSENTED);
  }

  /** Messages as they come, until the socket is closed. Throws BATON_EVENTS_LOST when 1,024 of them wait. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, void> {
    const unread: Message[] = [];
    let lost = 0;
    let wake = () => {};
    const offs = [
      this.on('message', (data) => {
        if (lost === 0 && unread.length < MAX_UNREAD) unread.push(data);
        else lost++; // there is a gap: nothing behind it
        wake();
      }),
      this.on('close', () => wake()),
    ];
    try {
      for (;;) {
        while (unread.length > 0) yield unread.shift()!;
        if (lost > 0) throw clientError('BATON_EVENTS_LOST', { count: lost, name: 'message' });
        if (this.closed) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      for (const off of offs) off();
    }
  }

  protected override eventsLost(name: keyof SocketEvents, count: number): void {
    this.emit('error', clientError('BATON_EVENTS_LOST', { count, name }));
  }

  private assertOpen(): void {
    if (this.closed) throw clientError('BATON_CLOSED');
  }

  // --- what comes

  private heard(data: Wire): void {
    const { format, schema } = this.options;
    const decoded = () => decode(format, data);
    if (this.requests.take(decoded)) return;
    this.inOrder(
      () => check(schema, decoded()),
      (message) => this.emit('message', message as never),
    );
  }

  /** A schema may take its time; messages stay in order all the same. */
  private inOrder(make: () => unknown, then: (made: unknown) => void): void {
    const failed = (error: unknown) => this.emit('error', error as SocketError);
    const { stream } = this.options;
    const count = stream.heard; // this one is the last of them
    if (!this.tail) {
      try {
        const made = make();
        if (!(made instanceof Promise)) {
          then(made);
          return;
        }
        stream.give(count - 1);
        this.tail = made.then(then, failed);
      } catch (error) {
        failed(error);
        return;
      }
    } else this.tail = this.tail.then(make).then(then, failed);
    const { tail } = this;
    void tail.then(() => {
      const last = this.tail === tail;
      if (last) this.tail = undefined;
      this.session.given(last ? undefined : count);
    });
  }

  /** Events come in order with the messages, too. */
  private inTurn<Name extends keyof SocketEvents<Message>>(
    name: Name,
    ...args: Parameters<SocketEvents<Message>[Name]>
  ): void {
    this.inOrder(
      () => args,
      () => this.emit(name, ...args),
    );
  }

  private told(event: ServiceEvent): void {
    const peer = event['peer'] as string;
    switch (event.event) {
      case 'linked':
        this.linkedTo = event['peers'] as string[];
        this.inTurn('linked', this.peers);
        return;
      case 'peer-drop':
      case 'peer-back':
        this.inTurn(event.event, peer);
        return;
      case 'peer-left':
        this.linkedTo = this.linkedTo.filter((id) => id !== peer);
        this.inTurn('peer-left', peer);
        return;
      case 'migrated':
        this.inTurn('migrated', { moves: event['moves'] as number });
        return;
      case 'forward':
        this.forward = event['forward'] as string;
        return;
      case 'error':
        this.inTurn('error', new SocketError(event['code'] as string, event['message'] as string));
        return;
      case 'reply':
        this.requests.replied(event);
        return;
      case 'room':
        this.offer = event as unknown as Offer;
        void this.enter();
        return;
      case 'entered':
        this.entered();
        return;
      case 'left':
        this.left(event['code'] as number, event['reason'] as string);
    }
  }

  private dropped(code: number): void {
    this.state = 'reconnecting';
    this.knocked = false;
    this.visit?.drop(code);
    this.inTurn('reconnecting');
  }

  private resumed(event: ServiceEvent): void {
    this.state = 'open';
    this.forward = event['forward'] as string;
    const { visit } = this;
    if (visit && event['room'] === visit.offer.roomId) this.entering = visit.offer;
    else if (visit) {
      this.visit = undefined;
      this.entering = undefined;
      visit.end(1006, '');
    }
    this.knock();
    this.inTurn('resumed');
  }

  private end(code: number, reason: string, why: SocketError | undefined): void {
    if (this.closed) return;
    this.state = 'closed';
    this.linkedTo = [];
    this.visit?.end(code, reason);
    this.visit = undefined;
    this.requests.end();
    if (why) this.inTurn('error', why);
    this.inTurn('close', code, reason);
  }

  // --- the room of its link

  /** Goes to the room that was offered last, unless it is at another one's door. */
  private async enter(): Promise<void> {
    if (this.entering || this.visit) return;
    const offer = this.offer!;
    this.entering = offer;
    try {
      this.roomClass ??= await loadRoomClass();
    } catch (error) {
      this.entering = undefined;
      this.inTurn('error', clientError('BATON_ROOM_SDK', { reason: String(error) }, { cause: error }));
      return;
    }
    this.entering = this.offer!; // there may be a later one
    this.offer = undefined;
    this.knock();
  }

  private knock(): void {
    const { entering } = this;
    if (!entering || !this.roomClass || this.knocked || !this.connected) return;
    this.knocked = true;
    this.session.enter(entering.sessionId);
  }

  /** From the next frame on the connection is the room's. */
  private entered(): void {
    const offer = this.entering;
    if (!offer) return;
    this.visit ??= new Visit(this.roomClass!, offer, (frame) => this.session.sendFrame(frame));
    this.visit.attach();
    this.session.lend();
  }

  private framed(data: Uint8Array): void {
    const { visit } = this;
    if (visit?.frame(data)) this.emit('room', visit.room);
  }

  private left(code: number, reason: string): void {
    const { visit } = this;
    this.visit = undefined;
    this.entering = undefined;
    this.knocked = false;
    this.session.giveBack();
    visit?.end(code, reason);
    if (this.offer) void this.enter();
  }
}
