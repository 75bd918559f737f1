// The sockets that are rooms of this process.
import { matchMaker, type Room } from '@colyseus/core';
import { trackOf } from '../migration/index.ts';
import type { HostedSocket } from './service.ts';
import { SocketRoom } from './socket-room.ts';

export class LocalSockets {
  private readonly owned: () => string[];

  /** @param owned ids of the rooms that this host owns */
  constructor(owned: () => string[]) {
    this.owned = owned;
  }

  /** One that runs. */
  get(socketId: string): HostedSocket | undefined {
    const room = matchMaker.getLocalRoomById(socketId) as Room | undefined;
    return room instanceof SocketRoom && trackOf(room).phase === 'live' && !trackOf(room).shell
      ? room
      : undefined;
  }

  /** Whether it is one of them, be it about to move. */
  has(room: HostedSocket): boolean {
    return (matchMaker.getLocalRoomById(room.roomId) as unknown) === room;
  }

  runs(room: HostedSocket): boolean {
    return this.get(room.roomId) === room;
  }

  /** Those that are just leaving this host as well. */
  *all(): Generator<SocketRoom> {
    for (const roomId of this.owned()) {
      const room = matchMaker.getLocalRoomById(roomId) as unknown;
      // its mapping is what a room gets before it has a player
      if (room instanceof SocketRoom && room.mapping) yield room;
    }
  }

  /** How many each tenant has. */
  held(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { mapping } of this.all()) counts.set(mapping.tenant, (counts.get(mapping.tenant) ?? 0) + 1);
    return counts;
  }
}
