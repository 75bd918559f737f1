import { Client, type Room } from '@colyseus/sdk';
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

/** One hosted socket and its link: asks for a socket on the mapping `duel` and relays to whom the service linked it with. */
export class DuelLink {
  readonly incoming = new Sequence();
  disconnects = 0;
  sent = 0;
  /** Round trip to the opponent's page in ms, through the service. */
  roundTrip: number | undefined;
  peer: string | undefined;
  private room: Room | undefined;
  private greeted = false;
  private readonly events: LinkEvents;

  constructor(events: LinkEvents) {
    this.events = events;
  }

  get socketId(): string | undefined {
    return this.room?.roomId;
  }

  async open(playerId: string): Promise<void> {
    const client = new Client(`${location.protocol}//${location.host}`);
    const room: Room = await client.joinOrCreate('duel', { token: playerId });
    this.room = room;
    room.onMessage('linked', ({ peers }: { peers: string[] }) => this.linked(peers[0]!));
    room.onMessage('peer-left', () => this.end('peer-left'));
    room.onMessage('data', (message: Sent) => this.receive(message));
    room.onMessage('error', ({ message }: { message: string }) => this.end('closed', message));
    room.onMessage('*', (type, message) => console.debug(`${type}`, message));
    room.onDrop(() => {
      this.disconnects++;
      this.events.dropped();
    });
    room.onReconnect(() => this.events.reconnected());
    room.onLeave(() => this.end('closed'));
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
    const { room } = this;
    this.room = undefined;
    room?.removeAllListeners();
    void room?.leave();
  }

  private linked(peer: string): void {
    this.peer = peer;
    this.send('hello');
    if (this.greeted) this.events.ready(peer);
  }

  private send(...message: Sent extends [number, ...infer Rest] ? Rest : never): void {
    if (this.room) this.room.send('data', [++this.sent, ...message]);
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
    if (!this.room) return;
    if (why === 'closed' && !detail) this.disconnects++;
    this.close();
    this.events.ended(why, detail);
  }
}
