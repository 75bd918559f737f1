// Does a shell fit the room that is to come into it?
import type { Room } from '@colyseus/core';
import { handlersMismatch, schemaMismatch } from '../../errors.ts';
import { ClassRegistry, checkAgainstShell, type MovabilityReport } from '../fields/index.ts';
import { encoderOf } from '../room/capture.ts';
import { handlerSignature } from '../room/handlers.ts';
import { pairTimers } from '../room/restore-time.ts';
import { reflectionHash } from '../schema/index.ts';
import type { Shell } from './arrivals.ts';
import type { MoveContext } from './context.ts';
import type { PrepareMessage } from './protocol.ts';

/**
 * @returns also names of timers that the room's onCreate() made there, but not here
 * @throws BATON_SCHEMA_MISMATCH, BATON_HANDLERS_MISMATCH, BATON_ROOM_IMMOVABLE
 */
export function fitShell(
  context: MoveContext,
  message: PrepareMessage,
  wanted: PrepareMessage['rooms'][number],
  room: Room,
): { shell: Shell; missingTimers: string[] } {
  const { roomId, roomName } = wanted;
  const encoder = encoderOf(room);
  const reflection = encoder && reflectionHash(encoder);
  if (reflection !== wanted.reflection) {
    throw schemaMismatch({
      roomName,
      host: context.host,
      reason: 'its fields or types differ from those clients know',
    });
  }
  const handlers = handlerSignature(room);
  if (handlers !== wanted.handlers) {
    throw handlersMismatch({
      roomName,
      host: context.host,
      reason: `[${wanted.handlers}] there, [${handlers}] here; register all handlers in onCreate() or as \`messages\``,
    });
  }
  const classes = ClassRegistry.of(room);
  const sameCode = message.generation === context.generation;
  const problems = checkAgainstShell(wanted.report as MovabilityReport, room, { classes, sameCode });
  if (problems.length > 0) throw context.immovable(roomId, problems);
  const found = pairTimers(room, wanted.timers, sameCode);
  return {
    shell: { room, classes, sameCode, undivert: () => {}, ahead: undefined },
    missingTimers: wanted.timers.map(({ name }) => name).filter((name) => !found.has(name)),
  };
}
