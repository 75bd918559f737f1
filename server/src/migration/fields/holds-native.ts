// Is an instance a wrapper around something of the process (a database client, a logger) or a part of the game?
import { infoOf } from './class-info.ts';
import { isDeclaredMovable } from './class-registry.ts';
import type { RoomLike } from './types.ts';
import { eachHeld } from './walk.ts';

const LOOK_AT = 500;

/**
 * @returns the name of what it holds (`Socket`) when `v` has something native inside and knows nothing of the room: no
 *   client, schema instance, view or timer of it. Such an object is the process's: the target's own takes its place.
 *   `''` otherwise. Looks at 500 objects at most.
 */
export function holdsNative(v: object, room: RoomLike): string {
  let native = '';
  const seen = new Set<unknown>([v]);
  const queue: object[] = [v];
  for (let i = 0; i < queue.length && i < LOOK_AT; i++) {
    let ofRoom = false;
    eachHeld(queue[i], infoOf(queue[i]!), (held) => {
      if (typeof held !== 'object' || held === null || seen.has(held)) return;
      seen.add(held);
      if (held === room || held === room.clock || held === room.clients) {
        ofRoom = true;
        return;
      }
      const info = infoOf(held);
      if (
        info.kind === 'schema' ||
        info.kind === 'client' ||
        info.kind === 'stateview' ||
        info.kind === 'rewind'
      )
        ofRoom = true;
      else if (info.kind === 'native') native ||= info.what;
      else if (!(info.ctor && isDeclaredMovable(info.ctor, room))) queue.push(held);
    });
    if (ofRoom) return '';
  }
  return native;
}
