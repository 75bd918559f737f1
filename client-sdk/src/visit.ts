import { Room } from '@colyseus/sdk';

/** What the service says when the peers have got a room. */
export interface Offer {
  name: string;
  roomId: string;
  sessionId: string;
}

/** First byte of Colyseus' frames, less its modifiers. */
const CODE = 0x1f;
const JOIN_ROOM = 10;
const LEAVE_ROOM = 12;
/** The service's way of saying that the client is out of the room: this frame, close code and reason. */
const REASON_AT = 3;
/** The answer: from here on the client speaks to its socket again. */
const BACK = Uint8Array.of(LEAVE_ROOM, 1);
const ENTER = 'enter';

/**
 * A room on the connection of a socket. From `enter` on the client says nothing to its socket; the service speaks for
 * the socket until the room's first frame, and again behind its last one.
 */
export class Visit {
  readonly room: Room;
  private inside = false;
  private over = false;
  /** Gives the connection back before the room is there: the socket has been offered another one. */
  readonly withdraw: () => void;

  /**
   * @param socket the socket's own room
   * @param entered the room is there
   * @param left the connection is the socket's again
   */
  constructor(socket: Room, { name, roomId, sessionId }: Offer, entered: () => void, left: () => void) {
    const { connection } = socket;
    const { events } = connection;
    const { onmessage, onclose } = events;
    const room = new Room(name);
    this.room = room;
    room.roomId = roomId;
    room.sessionId = sessionId;
    room.reconnection.enabled = false;
    room.connection = Object.create(connection, {
      isOpen: { get: () => !this.over && connection.isOpen },
      send: { value: (data: Uint8Array) => this.over || connection.send(data) },
      sendUnreliable: { value: (data: Uint8Array) => this.over || connection.send(data) },
      close: { value: () => this.over || connection.send(Uint8Array.of(LEAVE_ROOM)) },
    });
    this.withdraw = () => {
      this.over = true;
      events.onmessage = onmessage;
      events.onclose = onclose;
    };
    const end = (code: number, reason: string) => {
      if (this.over) return;
      this.withdraw();
      if (this.inside) room.onLeave.invoke(code, reason);
      left();
    };
    events.onmessage = (event: MessageEvent) => {
      const frame = new Uint8Array(event.data);
      const code = frame[0]! & CODE;
      if (code === LEAVE_ROOM) {
        connection.send(BACK);
        end((frame[1]! << 8) | frame[2]!, new TextDecoder().decode(frame.subarray(REASON_AT)));
      } else if (this.inside || code === JOIN_ROOM) {
        room['onMessageCallback'](event);
        if (this.inside) return;
        this.inside = true;
        entered();
      } else onmessage?.(event);
    };
    events.onclose = (event: CloseEvent) => {
      end(event.code, event.reason);
      onclose?.(event);
    };
    socket.send(ENTER, roomId);
  }
}
