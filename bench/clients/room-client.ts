// Joins a Colyseus room over a LeanClient: matchmaking by HTTP, then the room's handshake.
import { frame, LeanClient } from './lean-client.ts';

export const JOIN_ROOM = 10;
const CODE_MASK = 0x1f;
const JOINED = frame(2, Uint8Array.of(JOIN_ROOM));
const LEAVE = frame(2, Uint8Array.of(12));

interface Seat {
  name: string;
  roomId: string;
  processId: string;
  sessionId: string;
}

/** @param method joinOrCreate, create, joinById. @param room room name, or room id for joinById */
export async function reserveSeat(port: number, method: string, room: string): Promise<Seat> {
  const response = await fetch(`http://127.0.0.1:${port}/matchmake/${method}/${room}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"token":"p"}',
    signal: AbortSignal.timeout(20_000),
  });
  const seat = (await response.json()) as Seat & { error?: string };
  if (!response.ok || !seat.roomId) throw new Error(`${method} ${room}: ${JSON.stringify(seat)}`);
  return seat;
}

/** Resolves when the room has let the client in. */
export async function joinRoom(port: number, seat: Seat): Promise<LeanClient> {
  const client = await LeanClient.open(port, `/${seat.processId}/${seat.roomId}?sessionId=${seat.sessionId}`);
  client.farewell = LEAVE;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the room sent no handshake')), 10_000);
    client.onMessage = (payload) => {
      if ((payload[0]! & CODE_MASK) !== JOIN_ROOM) return;
      clearTimeout(timer);
      client.socket.write(JOINED);
      resolve();
    };
    client.onClose = (code) => reject(new Error(`closed with ${code} while joining`));
  });
  return client;
}
