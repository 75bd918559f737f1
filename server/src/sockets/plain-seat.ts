// The seat of a plain client. Colyseus' own way to a seat ends with a message that such a client does not know, and looks
// after reservations and logins that there are none of.
import { ClientState, CloseCode, ErrorCode, ServerError } from '@colyseus/core';
import { internals, type RoomClient } from '../colyseus/room-internals.ts';
import type { PlainClient } from '../transport/index.ts';
import { newId } from './ids.ts';
import type { SocketRoom } from './socket-room.ts';

/**
 * The client is the room's at once; its messages are when this resolves.
 * @throws what the room's onJoin() throws
 */
export async function takeSeat(room: SocketRoom, client: PlainClient, options: unknown): Promise<void> {
  const inner = internals(room);
  const { ref } = client;
  client.reconnectionToken = newId();
  client.auth = { playerId: room.playerId };
  clearTimeout(inner._autoDisposeTimeout);
  inner._autoDisposeTimeout = undefined;
  const leaves = (): void => {
    client.state = ClientState.LEAVING;
  };
  ref.speaker = room;
  ref.onleave = leaves;
  ref.once('close', leaves);
  room.clients.push(client as never);
  inner._events.emit('join', client); // it is counted; whether it stays or not, its leaving is, too
  try {
    await room.onJoin(client as never, options);
    if ((client.state as ClientState) === ClientState.LEAVING)
      throw new ServerError(ErrorCode.MATCHMAKE_UNHANDLED, 'the client has left');
  } catch (error) {
    await inner._onLeave(client, CloseCode.WITH_ERROR);
    throw error;
  }
  client.state = ClientState.JOINED;
  client._enqueuedMessages = undefined;
  ref.off('close', leaves);
  ref.onleave = (code) => void inner._onLeave(client, code);
  ref.once('close', ref.onleave);
  const hear = inner._onMessage as (
    this: SocketRoom,
    client: RoomClient,
    frame: Buffer,
    isBinary: boolean,
  ) => void;
  ref.on('message', (frame: Buffer, isBinary: boolean) => hear.call(room, client as never, frame, isBinary));
}
