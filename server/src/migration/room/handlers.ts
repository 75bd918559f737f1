// Which messages a room handles, in a form two hosts can compare.
import type { Room } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';

/** `type:count` of every registered message type, sorted. */
export function handlerSignature(room: Room): string {
  return Object.entries(internals(room).onMessageEvents.events)
    .filter(([, handlers]) => handlers && handlers.length > 0)
    .map(([type, handlers]) => `${type}:${handlers!.length}`)
    .sort()
    .join();
}
