// A room between its freeze and the answer of the target: frozen, then thawed, released to the target, or lost.
import { serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { type Client, matchMaker } from '@colyseus/core';
import { BatonError } from '../../errors.ts';
import type { HostRecord } from '../../store/index.ts';
import type { BatonClient } from '../../transport/index.ts';
import { captureRoom, encoderOf, freezeRoom } from '../room/capture.ts';
import { discardRoom, divertMethods, thawRoom } from '../room/shell.ts';
import { type MoveContext, shuttingDown } from './context.ts';
import type { Departure } from './departure.ts';
import { inspectAgain } from './inspection.ts';
import type { Attempt } from './preparation.ts';
import { METHODS, nowMicros } from './protocol.ts';

/** Colyseus' MAY_TRY_RECONNECT. */
const LOST_CLOSE_CODE = 4010;

/**
 * Freezes rooms that rest, in one go: of a group all of these, or none.
 * @param groups by room id
 * @returns as `again` those that have to come to rest once more; what is in neither has failed
 */
export function freezeAll(
  context: MoveContext,
  attempt: Attempt,
  resting: Departure[],
  groups: ReadonlyMap<string, string[]>,
): { frozen: Departure[]; again: Departure[] } {
  let frozen: Departure[] = [];
  const again: Departure[] = [];
  const failed = new Set<string>();
  for (const departure of resting) {
    try {
      inspectAgain(context, departure, attempt.target.id);
      freeze(context, attempt.transferId, departure);
      frozen.push(departure);
    } catch (error) {
      failed.add(departure.roomId);
      if (departure.state === 'frozen') thaw(context, departure);
      if (error instanceof BatonError && error.code === 'BATON_CONNECTION_GONE') {
        // the last patch told us that a client is gone: once it has left, the room rests again
        departure.advance('quiescing');
        departure.forgetConnections();
        again.push(departure);
      } else {
        attempt.fail(departure, error);
      }
    }
  }
  if (failed.size > 0) {
    frozen = frozen.filter((departure) => {
      if (!groups.get(departure.roomId)!.some((roomId) => failed.has(roomId))) return true;
      thaw(context, departure);
      departure.advance('quiescing');
      departure.forgetConnections();
      again.push(departure);
      return false;
    });
  }
  return { frozen, again };
}

/** Synchronous: from here to the target's activation is the blackout. */
function freeze(context: MoveContext, transferId: string, departure: Departure): void {
  const { room } = departure;
  departure.advance('frozen');
  departure.frozenAt = nowMicros();
  departure.phases.quiesce = (departure.frozenAt - departure.since) / 1000 - departure.phases.prepare;
  freezeRoom(room);
  context.gates.presence.expectCut(transferId, room);
  for (const client of room.clients as Iterable<Client>) {
    departure.connections.push(context.transport.detach(client as unknown as BatonClient));
    departure.detached.push(client as unknown as BatonClient);
    departure.sessions.push(client.sessionId);
  }
  const { ahead } = departure;
  const usable = ahead && ahead.encoder === encoderOf(room);
  departure.bytes = serialize(captureRoom(room, usable ? ahead.source : undefined));
  departure.checksum = crc32(departure.bytes);
  departure.executed = context.gates.presence.executed(room.roomId);
  departure.divert(
    divertMethods(room, async (method, args) => {
      await departure.settled;
      if (departure.state === 'released' && shuttingDown()) return undefined;
      return matchMaker.remoteRoomCall(departure.roomId, method as never, args);
    }),
  );
  context.gates.presence.divert(departure.roomId, (call) => departure.hold(call));
  departure.phases.freeze = (nowMicros() - departure.frozenAt) / 1000;
}

/** The room goes on here. */
export function thaw(context: MoveContext, departure: Departure): void {
  departure.undivert();
  context.gates.presence.undivert(departure.roomId);
  for (const client of departure.detached) context.transport.reattach(client);
  thawRoom(departure.room);
  for (const call of departure.takeCalls()) context.gates.presence.inject(departure.roomId, call);
}

/** The target has the room. */
export function release(context: MoveContext, departure: Departure, target: HostRecord): void {
  const { roomId, room } = departure;
  departure.advance('released');
  context.ownership.give(roomId);
  departure.undivert();
  const handOver = context.gates.presence.handOver(room);
  handOver?.then((letters) => context.tell(target.handoffPath, METHODS.letters, { roomId, letters }));
  discardRoom(room, context.gates);
  for (const client of departure.detached) context.transport.forget(client);
}

/**
 * The room is gone from here.
 * @param closing its clients are told to come again; otherwise only this host's hold on them ends, because the
 *   target may have them
 */
export function lose(context: MoveContext, departure: Departure, closing: boolean): void {
  const { roomId } = departure;
  departure.advance('lost');
  departure.undivert();
  context.ownership.give(roomId);
  const clients = [...departure.detached];
  discardRoom(departure.room, context.gates);
  context.gates.presence.drop(roomId);
  for (const client of clients) {
    if (closing) {
      context.transport.reattach(client);
      client.leave(LOST_CLOSE_CODE);
    } else context.transport.forget(client);
  }
}
