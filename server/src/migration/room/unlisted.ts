// Rooms that nobody looks for by Colyseus' means: they have neither a row in the listings nor a channel for calls, only
// an owner in the registry.
import { matchMaker, type Room } from '@colyseus/core';

const classes = new WeakSet<object>();

/** Rooms of this class are not listed. Call it before the first one is made. */
export function keepUnlisted(roomClass: object): void {
  classes.add(roomClass);
}

/** @param name of a type of room */
export function isUnlisted(name: string | undefined): boolean {
  const roomClass = name === undefined ? undefined : matchMaker.getRoomClass(name);
  return roomClass !== undefined && classes.has(roomClass);
}

export function isUnlistedRoom(roomId: string | undefined): boolean {
  if (roomId === undefined) return false;
  return isUnlisted((matchMaker.getLocalRoomById(roomId) as Room | undefined)?.roomName);
}
