import { Baton, type BatonSocket } from '@baton/client';
import type { Said } from './pong.ts';
import { Sequence } from './sequence.ts';

/** What goes over the link: a number that counts up, then the message. */
type Sent = [n: number, ...said: Said | ['hello'] | ['echo', number] | ['echoed', number]];

export interface LinkEvents {
  waiting(): void;
  /** Both pages are there and can speak. */
  ready(peer: string): void;
  said(...said: Said): void;
  /** The opponent is gone, or the socket itself. */
  ended(why: 'peer-left' | 'closed', detail?: string): void;
  /** The network dropped or came back; the link is kept meanwhile. */
  dropped(): void;
  reconnected(): void;
}

/** One hosted socket and its link: opens a socket on the mapping `duel` and talks to whom the service linked it with. */
export class DuelLink {
  readonly incoming = new Sequence();
  disconnects = 0;
  sent = 0;
  /** Round trip to the opponent's page in ms, through the service. */
  roundTrip: number | undefined;
  peer: string | undefined;
  private socket: BatonSocket<Sent> | undefined;
  private greeted = false;
  private readonly events: LinkEvents;

  constructor(events: LinkEvents) {
    this.events = events;
  }

  get socketId(): string | undefined {
    return this.socket?.id;
  }

  async open(playerId: string): Promise<void> {
    const baton = new Baton(location.origin);
    const socket = await baton.open<Sent>('duel', { token: playerId, format: 'json' });
    this.socket = socket;
    socket.on('linked', ([peer]) => this.linked(peer!));
    socket.on('peer-left', () => this.end('peer-left'));
    socket.on('message', (message) => this.receive(message));
    socket.on('error', ({ message }) => this.end('closed', message));
    socket.on('reconnecting', () => {
      this.disconnects++;
      this.events.dropped();
    });
    socket.on('resumed', () => this.events.reconnected());
    socket.on('close', () => this.end('closed'));
    this.events.waiting();
  }

  say(...said: Said): void {
    this.send(...said);
  }

  /** Asks the opponent's page to answer, to measure the round trip. */
  measure(): void {
    if (this.greeted) this.send('echo', performance.now());
  }

  close(): void {
    const { socket } = this;
    this.socket = undefined;
    void socket?.close();
  }

  private linked(peer: string): void {
    this.peer = peer;
    this.send('hello');
    if (this.greeted) this.events.ready(peer);
  }

  private send(...message: Sent extends [number, ...infer Rest] ? Rest : never): void {
    if (this.socket && !this.socket.closed) this.socket.peer.send([++this.sent, ...message] as Sent);
  }

  private receive([n, ...message]: Sent): void {
    this.incoming.add(n);
    if (message[0] === 'hello') {
      this.greeted = true;
      if (this.peer) this.events.ready(this.peer);
    } else if (message[0] === 'echo') this.send('echoed', message[1]);
    else if (message[0] === 'echoed') this.roundTrip = performance.now() - message[1];
    else this.events.said(...message);
  }

  private end(why: 'peer-left' | 'closed', detail?: string): void {
    if (!this.socket) return;
    if (why === 'closed' && !detail) this.disconnects++;
    this.close();
    this.events.ended(why, detail);
  }
}
