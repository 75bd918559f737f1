import type { Room } from '@colyseus/sdk';

/** What a player notices of its connection, from now on; empty when nothing happened. */
export function noticed(room: Room): string[] {
  const list: string[] = [];
  room.onDrop((code) => list.push(`drop ${code}`));
  room.onReconnect(() => list.push('reconnect'));
  room.onLeave((code) => {
    if (code !== 4000) list.push(`leave ${code}`);
  });
  room.onError((code, message) => list.push(`error ${code} ${message}`));
  return list;
}
