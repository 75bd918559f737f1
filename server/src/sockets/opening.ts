// How a plain Colyseus client opens a socket: every joinOrCreate() on a mapping makes a socket of its own, without
// looking for a room to join and without waiting for others who open one on the same mapping.
import { type AuthContext, ErrorCode, matchMaker, ServerError } from '@colyseus/core';
import { controllerInternals } from '../colyseus/server-internals.ts';
import { SocketRoom } from './socket-room.ts';

const OPENING = new Set(['joinOrCreate', 'create']);

/** @param isMapping whether rooms of this name are hosted sockets */
export function openDirectly(isMapping: (roomName: string) => boolean): void {
  const controller = controllerInternals();
  const stock = controller.invokeMethod;
  controller.invokeMethod = async function (method, roomName, options, auth) {
    if (!isMapping(roomName)) return stock.call(this, method, roomName, options, auth);
    if (!OPENING.has(method)) {
      const reason = `a socket on "${roomName}" is opened with joinOrCreate() or create()`;
      throw new ServerError(ErrorCode.MATCHMAKE_INVALID_CRITERIA, reason);
    }
    return open(roomName, options ?? {}, auth);
  };
}

async function open(mapping: string, options: Record<string, unknown>, auth?: AuthContext): Promise<unknown> {
  const player = await SocketRoom.onAuth(auth?.token as string, options, auth as AuthContext);
  const row = await matchMaker.createRoom(mapping, {}); // the token goes no further
  return matchMaker.reserveSeatFor(row, withoutToken(options), player);
}

/** What the client sent along, without its secret. */
export function withoutToken(options: unknown): Record<string, unknown> {
  if (options === null || typeof options !== 'object') return {};
  const { token: _token, ...rest } = options as Record<string, unknown>;
  return rest;
}
