import type { Room } from '@colyseus/sdk';
import { Emitter } from './emitter.ts';
import { SocketError } from './errors.ts';
import { type Offer, Visit } from './visit.ts';

/** What can be sent: text, bytes, or any value that msgpack carries. */
export type Data = unknown;

export type SocketEvents<Message = Data> = {
  /** The socket has peers now: their socket ids. */
  linked: (peers: readonly string[]) => void;
  /** A message of a peer; bytes come as Uint8Array. */
  message: (data: Message) => void;
  /** A peer has lost its connection, and may come back; what is sent to it waits. */
  'peer-drop': (peer: string) => void;
  /** It has come back. */
  'peer-back': (peer: string) => void;
  /** A peer is gone for good. */
  'peer-left': (peer: string) => void;
  /**
   * The peers have a room, and this client is in it, on the connection that it has. The socket goes on when the room is
   * left (`onLeave`): what peers sent meanwhile comes then.
   */
  room: (room: Room) => void;
  /** Something did not work; the socket is still open unless `close` follows. */
  error: (error: SocketError) => void;
  /** The socket is closed; nothing comes after this. */
  close: (code: number, reason: string) => void;
};

/** Message type under which peers' data travels; any Colyseus client can speak it. */
const TYPE = 'data';
const CONSENTED = 4000;
/** Messages to the peers that wait while the client is in a room. */
const MAX_WAITING = 256;

/** One player's connection to a mapping, open until it is closed or lost. Made by `open()`. */
export class BatonSocket<Message = Data> extends Emitter<SocketEvents<Message>> {
  /** Stays the same while the socket moves between hosts. */
  readonly id: string;
  private readonly own: Room;
  private linkedTo: string[] = [];
  private visit: Visit | undefined;
  private inside = false;
  private waiting: Message[] = [];
  private ended = false;

  /** @internal */
  constructor(room: Room) {
    super();
    this.own = room;
    this.id = room.roomId;
    room.onMessage('linked', ({ peers }: { peers: string[] }) => {
      this.linkedTo = peers;
      this.emit('linked', this.peers);
    });
    room.onMessage('peer-drop', ({ peer }: { peer: string }) => this.emit('peer-drop', peer));
    room.onMessage('peer-back', ({ peer }: { peer: string }) => this.emit('peer-back', peer));
    room.onMessage('peer-left', ({ peer }: { peer: string }) => {
      this.linkedTo = this.linkedTo.filter((id) => id !== peer);
      this.emit('peer-left', peer);
    });
    room.onMessage('error', ({ code, message }: { code: string; message: string }) =>
      this.emit('error', new SocketError(code, message)),
    );
    room.onMessage('room', (offer: Offer) => this.enter(offer));
    room.onMessage(TYPE, (data: Message) => this.emit('message', data as never));
    room.onMessage('*', () => {}); // other types are for those who use the room directly
    room.onLeave((code, reason) => this.end(code, reason ?? ''));
  }

  /** Socket ids of the peers it is linked with. */
  get peers(): readonly string[] {
    return [...this.linkedTo];
  }

  /** The room that the client is in. */
  get room(): Room | undefined {
    return this.inside ? this.visit?.room : undefined;
  }

  get closed(): boolean {
    return this.ended;
  }

  /**
   * Sends to the peers. Before they are there messages wait if the socket was told to wait for someone; else the
   * service answers with the error BATON_NOT_LINKED. While the client is in a room up to 256 wait until it is back.
   * @throws SocketError BATON_CLOSED, BATON_IN_ROOM
   */
  send(data: Message): void {
    if (this.ended) throw new SocketError('BATON_CLOSED', 'The socket is closed.');
    if (!this.visit) this.say(data);
    else if (this.waiting.length < MAX_WAITING) this.waiting.push(data);
    else throw new SocketError('BATON_IN_ROOM', `${MAX_WAITING} messages wait until the room is left.`);
  }

  /** Resolves when the socket is closed, and the room that it is in is left; its peers hear that it left. */
  async close(): Promise<void> {
    if (this.ended) return;
    if (this.visit) {
      const left = new Promise((resolve) => this.own.onLeave(resolve));
      this.own.connection.close(CONSENTED);
      await left;
    } else await this.own.leave();
    this.end(CONSENTED, '');
  }

  protected override eventsLost(name: keyof SocketEvents, count: number): void {
    const text = `${count} events "${name}" came before anybody listened, and were not kept.`;
    this.emit('error', new SocketError('BATON_EVENTS_LOST', text));
  }

  private say(data: Message): void {
    if (data instanceof Uint8Array) this.own.sendBytes(TYPE, data);
    else if (data instanceof ArrayBuffer) this.own.sendBytes(TYPE, new Uint8Array(data));
    else this.own.send(TYPE, data);
  }

  private enter(offer: Offer): void {
    this.visit?.withdraw();
    const visit = new Visit(
      this.own,
      offer,
      () => {
        this.inside = true;
        this.emit('room', visit.room);
      },
      () => {
        this.inside = false;
        this.visit = undefined;
        for (const data of this.waiting.splice(0)) this.say(data);
      },
    );
    this.visit = visit;
  }

  private end(code: number, reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.linkedTo = [];
    this.emit('close', code, reason);
  }
}
