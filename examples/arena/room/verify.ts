import type { Client, Room } from '@colyseus/core';

/**
 * Answers `state?` n with `state!`: the state right after everything in it was sent to the clients, so that the
 * client can compare what it decoded. `baton bots` asks for it.
 * @param ticks the last `tick-n` this client was sent
 */
export function answerState(room: Room, client: Client, n: unknown, ticks: number): void {
  if (typeof n !== 'number') return;
  room.broadcastPatch();
  client.send('state!', { n, json: JSON.stringify(room.state), ticks });
}
