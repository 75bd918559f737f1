// All of a room's own fields, its plugins' included, in one go.
import { Room } from '@colyseus/core';
import { ownFieldKeys, pluginFieldKeys, pluginsOf } from './base-fields.ts';
import { fingerprint } from './fingerprint.ts';
import type { FieldPickler } from './pickler.ts';
import { keyOf } from './symbols.ts';
import type { PickledField, RoomLike } from './types.ts';
import type { FieldUnpickler } from './unpickler.ts';

/** Plain; survives v8.serialize. The values refer to the pickler's `nodes`, which travel beside it. */
export interface FieldsRecord {
  own: PickledField[];
  /** Key of the plugin → its fields. */
  plugins: [string, PickledField[]][];
}

/** Fingerprint of the source of the room's class chain: equal numbers, equal room code. */
export function codeOf(room: RoomLike): number {
  let code = 0;
  for (
    let k: any = room.constructor;
    typeof k === 'function' && k !== Room && k !== Function.prototype;
    k = Object.getPrototypeOf(k)
  )
    code = (Math.imul(code, 31) + fingerprint(k)) >>> 0;
  return code;
}

const pluginPath = (room: RoomLike, key: string): string =>
  room.plugins && Object.hasOwn(room.plugins, key) ? `room.plugins.${key}` : `room._autoPlugins["${key}"]`;

export function captureFields(pickler: FieldPickler, room: RoomLike): FieldsRecord {
  const own = pickler.pickleFields(room, ownFieldKeys(room), 'room');
  const plugins: FieldsRecord['plugins'] = [];
  for (const [key, plugin] of pluginsOf(room))
    plugins.push([key, pickler.pickleFields(plugin, pluginFieldKeys(plugin), pluginPath(room, key))]);
  return { own, plugins };
}

/**
 * Pours the fields into a room which this process built. Fields that only the target has are removed when both run the same
 * code; when the code differs they are what is new and stay. Does not call `unpickler.finish()`: more may follow.
 */
export function restoreFields(unpickler: FieldUnpickler, room: RoomLike, record: FieldsRecord): void {
  if (unpickler.sameCode) dropOthers(room, ownFieldKeys(room), record.own);
  unpickler.unpickleFields(room, record.own, 'room');
  const plugins = new Map(pluginsOf(room));
  for (const [key, fields] of record.plugins) {
    const plugin = plugins.get(key);
    if (plugin === undefined) continue;
    if (unpickler.sameCode) dropOthers(plugin, pluginFieldKeys(plugin), fields);
    unpickler.unpickleFields(plugin, fields, pluginPath(room, key));
  }
}

function dropOthers(holder: any, keys: readonly (string | symbol)[], fields: readonly PickledField[]): void {
  const wanted = new Set<unknown>(fields.map(([name]) => keyOf(name, holder)));
  for (const key of keys) if (!wanted.has(key)) Reflect.deleteProperty(holder, key);
}
