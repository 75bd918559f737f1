// Sending most of a large state while its room runs: slices of a few milliseconds, the room's own work in between.
import { serialize } from 'node:v8';
import { rootOf } from '../../colyseus/schema-internals.ts';
import { encoderOf } from '../room/capture.ts';
import { PreCopySource } from '../schema/index.ts';
import type { Departure } from './departure.ts';

/** States with fewer instances are captured within a millisecond; sending them ahead would only cost. */
const MIN_INSTANCES = 200;
/** After the full copy: passes over what changed meanwhile. More would chase a state that changes all the time. */
const MORE_PASSES = 2;
const SLICE_MS = 2;

/** @param send delivers one slice; called without bytes at the end */
export async function preCopy(
  departure: Departure,
  send: (bytes?: Uint8Array) => Promise<unknown>,
): Promise<void> {
  const encoder = encoderOf(departure.room);
  if (!encoder || rootOf(encoder).nextUniqueId < MIN_INSTANCES) return;
  const source = new PreCopySource(encoder);
  departure.ahead = { source, encoder };
  for (let pass = 0; pass <= MORE_PASSES; pass++) {
    let sent = 0;
    for (let slice = source.slice(SLICE_MS); slice; slice = source.slice(SLICE_MS)) {
      await send(serialize(slice)); // the answer comes in a later turn: the room has run in between
      sent++;
    }
    if (sent <= 1 && pass > 0) break;
  }
  await send();
}
