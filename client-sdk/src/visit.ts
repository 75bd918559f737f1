// The room of linked sockets, on the connection of one of them. `@colyseus/sdk` is loaded when there is a room to enter,
// so that games without rooms do not carry it.
import type { Room } from '@colyseus/sdk';

/** What the service says when the peers have got a room. */
export interface Offer {
  name: string;
  roomId: string;
  /** The seat in it. */
  sessionId: string;
}

/** First byte of Colyseus' frames, less its modifiers. */
const CODE = 0x1f;
const JOIN_ROOM = 10;
const LEAVE_ROOM = 12;
const LEAVE = Uint8Array.of(LEAVE_ROOM);

type RoomClass = new (name: string) => Room;

/** @throws when there is no such package in the bundle */
export const loadRoomClass = async (): Promise<RoomClass> =>
  (await import('@colyseus/sdk')).Room as RoomClass;

export class Visit {
  readonly room: Room;
  readonly offer: Offer;
  /** The room has let the client in. */
  inside = false;
  private attached = false;

  /** @param send sends a frame to the room */
  constructor(RoomOf: RoomClass, offer: Offer, send: (frame: Uint8Array) => void) {
    this.offer = offer;
    const room = new RoomOf(offer.name);
    this.room = room;
    room.roomId = offer.roomId;
    room.sessionId = offer.sessionId;
    const sendIf = (frame: Uint8Array) => {
      if (this.attached) send(frame);
    };
    const isOpen = () => this.attached;
    const connection = {
      get isOpen() {
        return isOpen();
      },
      events: {},
      send: sendIf,
      sendUnreliable: sendIf,
      close: () => sendIf(LEAVE),
      reconnect: () => {}, // the socket does that
    };
    room.connection = connection as unknown as Room['connection'];
    room.reconnection.minUptime = 0;
  }

  /** The connection is the room's. */
  attach(): void {
    this.attached = true;
  }

  /** A frame of the room. @returns whether the client is in the room by it */
  frame(data: Uint8Array): boolean {
    const enters = !this.inside && (data[0]! & CODE) === JOIN_ROOM;
    if (!this.inside && !enters) return false;
    this.room['onMessageCallback']({ data } as unknown as MessageEvent);
    this.inside = true;
    return enters;
  }

  /** The connection is lost; the room may hold the seat. */
  drop(code: number): void {
    this.attached = false;
    if (!this.inside) return;
    this.room.onDrop.invoke(code, '');
    this.room['handleReconnection'](code, '');
  }

  /** The client has left. */
  end(code: number, reason: string): void {
    this.attached = false;
    if (this.inside) this.room.onLeave.invoke(code, reason);
    this.inside = false;
  }
}
