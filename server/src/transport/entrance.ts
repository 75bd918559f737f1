// The way of an upgrade request into a room: whether it may pass, which host has the room, the handshake, the join.

import type { IncomingMessage } from 'node:http';
import {
  type AuthContext,
  CloseCode,
  connectClientToRoom,
  debugAndPrintError,
  ErrorCode,
  isDevMode,
  matchMaker,
  Protocol,
} from '@colyseus/core';
import { admit, authContextOf, type Request, requestOf } from './admission.ts';
import { ArrivedUpgrade, type Complete } from './arrived-upgrade.ts';
import { BatonClient } from './client.ts';
import { Connection } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import { refusalResponse, switchingProtocols } from './handshake.ts';
import type { Settings } from './options.ts';
import type { Arrival, PendingUpgrade, Upgrade } from './upgrade.ts';

/** Which host has the room of an upgrade: this one, or another one to which it was handed. */
export type Route = (roomId: string, upgrade: PendingUpgrade) => 'local' | Promise<'local' | 'handed'>;

/** Takes upgrades whose path begins with `prefix`; whatever it does with them is synchronous or caught. */
export interface Reception {
  prefix: string;
  take(arrival: Arrival): void;
}

const ROOM_PATH = /\/[a-zA-Z0-9_-]+\/([a-zA-Z0-9_-]+)$/;
/** A connection to no room is for measuring the round trip; it may be silent for this long. */
const PING_ONLY_MS = 1_000;

export interface EntranceOptions {
  endpoint: Endpoint;
  settings: Settings;
  route: Route;
  reception(): Reception | undefined;
  opened(connection: Connection): void;
}

export class Entrance {
  private readonly options: EntranceOptions;

  constructor(options: EntranceOptions) {
    this.options = options;
  }

  /** @param arrived the request, when it arrived here and not at another process */
  receive(upgrade: Upgrade, arrived?: IncomingMessage): void {
    this.answer(upgrade, arrived);
    upgrade.limit(this.options.settings.upgradeTimeout); // most are answered by now
  }

  private answer(upgrade: Upgrade, arrived?: IncomingMessage): void {
    const { record } = upgrade;
    const request = requestOf(record);
    if ('status' in request) {
      upgrade.answer(refusalResponse(request));
      return;
    }
    if (!record.validated) {
      const asked = admit(upgrade, request, this.options.settings, arrived);
      if (asked) {
        asked
          .then((context) => context && this.find(upgrade, request, context))
          .catch((error) => {
            debugAndPrintError(error);
            upgrade.reject(500, 'The upgrade failed.');
          });
        return;
      }
      if (!record.validated) return;
    }
    this.find(upgrade, request);
  }

  /** Asks where the room is, and joins it if it is here. */
  private find(upgrade: Upgrade, request: Request, context?: AuthContext): void {
    const reception = this.options.reception();
    if (reception && request.url.pathname.startsWith(reception.prefix)) {
      reception.take(new ArrivedUpgrade(upgrade, request, this.complete));
      return;
    }
    upgrade.roomId = roomIdOf(request.url.pathname);
    try {
      const where = upgrade.roomId ? this.options.route(upgrade.roomId, upgrade) : 'local';
      if (where === 'local') {
        this.open(upgrade, request, context);
        return;
      }
      where
        .then((answer) => {
          if (answer === 'local') this.open(upgrade, request, context);
          else if (upgrade.pending) upgrade.reject(503, 'The room cannot be reached.');
        })
        .catch((error) => this.unreachable(upgrade, error));
    } catch (error) {
      this.unreachable(upgrade, error as Error);
    }
  }

  private unreachable(upgrade: Upgrade, error: Error): void {
    debugAndPrintError(error);
    upgrade.reject(503, 'The room cannot be reached.');
  }

  /** Completes the handshake. Synchronous as far as the beginning of the room's `_onJoin`. */
  private open(upgrade: Upgrade, request: Request, context?: AuthContext): void {
    const connection = this.complete(upgrade, request, this.chooseProtocol(upgrade.record.url, request));
    if (!connection) return;
    const sessionId = request.url.searchParams.get('sessionId');
    if (!sessionId && !upgrade.roomId) answerPings(connection);
    else this.join(connection, sessionId!, upgrade, request, context).catch(debugAndPrintError);
    connection.resume();
  }

  /** @returns a connection that neither reads nor writes yet; undefined when the upgrade was answered already */
  private readonly complete: Complete = (upgrade, { handshake }, protocol) => {
    const { record } = upgrade;
    const source = upgrade.take();
    if (source === undefined) return undefined;
    const connection = Connection.open(this.options.endpoint, source, record.head);
    connection.remoteAddress = record.remoteAddress;
    connection.protocol = protocol;
    connection.sendResponse(switchingProtocols(handshake.key, protocol));
    this.options.opened(connection);
    return connection;
  };

  private async join(
    connection: Connection,
    sessionId: string,
    upgrade: Upgrade,
    request: Request,
    context = authContextOf(upgrade.record, request),
  ): Promise<void> {
    const client = new BatonClient(sessionId, connection);
    const { searchParams } = request.url;
    const reconnectionToken = searchParams.get('reconnectionToken') ?? undefined;
    const skipHandshake = searchParams.has('skipHandshake');
    try {
      const room = matchMaker.getLocalRoomById(upgrade.roomId);
      await connectClientToRoom(room, client, context, { reconnectionToken, skipHandshake });
    } catch (error: any) {
      debugAndPrintError(error);
      const retry = isDevMode ? CloseCode.MAY_TRY_RECONNECT : CloseCode.FAILED_TO_RECONNECT;
      client.error(error.code ?? ErrorCode.APPLICATION_ERROR, error.message, () =>
        connection.close(reconnectionToken ? retry : CloseCode.WITH_ERROR),
      );
    }
  }

  private chooseProtocol(url: string, { headers, handshake }: Request): string {
    const { protocols } = handshake;
    if (protocols.size === 0) return '';
    const { handleProtocols } = this.options.settings;
    const chosen = handleProtocols
      ? handleProtocols(protocols, { url, headers })
      : (protocols.values().next().value as string);
    return chosen || '';
  }
}

/** Empty when the path names no room. Core would find something under `__proto__` and `constructor`. */
function roomIdOf(path: string): string {
  const id = ROOM_PATH.exec(path)?.[1] ?? '';
  return id in Object.prototype ? '' : id;
}

/** Answers each message of a client that joins no room, so that it can measure the round trip. */
function answerPings(connection: Connection): void {
  const timer = setTimeout(() => connection.close(CloseCode.NORMAL_CLOSURE), PING_ONLY_MS);
  connection.on('message', () => connection.send(new Uint8Array([Protocol.PING])));
  connection.on('close', () => clearTimeout(timer));
}
