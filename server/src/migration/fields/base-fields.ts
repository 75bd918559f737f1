// Which of a room's own properties are the framework's: the room level moves those, everything else is the app's.
import { Room } from '@colyseus/core';
import type { RoomLike } from './types.ts';

/** Set in the framework after construction, or hooks which it wraps on the instance. Colyseus 0.18.17, Room.ts. */
const SET_LATER = [
  '~client', '~state', '~metadata', '_listing', 'presence', 'state', 'roomName', 'roomId', 'inputs', '_inputController', 'plugins', '_autoPlugins',
  'messages', '_simulationInterval', '_autoDisposeTimeout', 'onCreate', 'onAuth', 'onJoin', 'onLeave', 'onDrop', 'onReconnect', 'onDispose',
  'onBeforePatch', 'onBeforeShutdown', 'onUncaughtException', 'onMessage', 'onCacheRoom', 'onRestoreRoom', 'onMigrated', 'isMigrating', 'setTimestep',
  'setFixedTimestep', 'setSimulationInterval',
]; // biome-ignore format: a plain list

/** Own property names of a room which belong to Colyseus (or to Baton's room level) and are not carried as fields. */
export const BASE_FIELDS: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(new Room()),
  ...SET_LATER,
]);

const OWN_SYMBOL = /^baton\b/;
const localFields = new WeakMap<Function, ReadonlySet<string>>();

/** Fields which the class declares as the process's own: `static localFields = ['db']`, parents' included. */
export function localFieldsOf(klass: Function): ReadonlySet<string> {
  let found = localFields.get(klass);
  if (found) return found;
  const all = new Set<string>();
  for (
    let k: any = klass;
    typeof k === 'function' && k !== Function.prototype;
    k = Object.getPrototypeOf(k)
  ) {
    if (Object.hasOwn(k, 'localFields') && Array.isArray(k.localFields))
      for (const f of k.localFields) all.add(String(f));
  }
  found = all;
  localFields.set(klass, found);
  return found;
}

/** The app's own fields of a room: strings first, then symbols; those of the framework and `localFields` left out. */
export function ownFieldKeys(room: RoomLike): (string | symbol)[] {
  const local = localFieldsOf(room.constructor);
  const keys: (string | symbol)[] = [];
  for (const key of Reflect.ownKeys(room)) {
    if (
      typeof key === 'string'
        ? BASE_FIELDS.has(key) || local.has(key)
        : OWN_SYMBOL.test(key.description ?? '')
    )
      continue;
    keys.push(key);
  }
  return keys;
}

const NOT_OF_PLUGIN = new Set<string | symbol>(['room', 'messages', 'pluginName', 'order']);

/** The app's fields of a plugin. */
export function pluginFieldKeys(plugin: object): (string | symbol)[] {
  const local = localFieldsOf(plugin.constructor);
  return Reflect.ownKeys(plugin).filter(
    (key) => !NOT_OF_PLUGIN.has(key) && !(typeof key === 'string' && local.has(key)),
  );
}

/** Every plugin of a room with its key, those which other plugins depend on included. */
export function* pluginsOf(room: RoomLike): Iterable<[string, any]> {
  if (room.plugins) yield* Object.entries(room.plugins);
  if (room._autoPlugins) yield* Object.entries(room._autoPlugins);
}
