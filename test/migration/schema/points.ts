// States that unit tests move without rooms.
import { Encoder, Schema, type } from '@colyseus/schema';
import type { StateSnapshot } from '../../../server/src/migration/schema/index.ts';
import { StateCapture, StateRestore } from '../../../server/src/migration/schema/index.ts';
import { travel } from './world.ts';

export type Any = any;

export class Point extends Schema {
  @type('number') declare x: number;
  @type('number') declare y: number;
}

export const at = (x: number, y = 0): Point => new Point().assign({ x, y });

/** Encodes and forgets, as a patch does. */
export function patch(encoder: Encoder): Buffer {
  const bytes = Buffer.from(encoder.encode());
  encoder.discardChanges();
  return bytes;
}

export interface Moved {
  state: Any;
  encoder: Encoder;
  restore: StateRestore;
}

export function pour(snapshot: StateSnapshot, rootClass: Function, existing?: object): Moved {
  const restore = new StateRestore(travel(snapshot), rootClass, existing);
  const encoder = new Encoder(restore.root as Schema);
  restore.settle(encoder);
  return { state: restore.root, encoder, restore };
}

export const moveState = (encoder: Encoder, existing?: object): Moved =>
  pour(new StateCapture(encoder).finish(), encoder.state.constructor, existing);
