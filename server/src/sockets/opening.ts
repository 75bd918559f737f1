// How a socket is opened. A Colyseus client asks for one by joinOrCreate() and is given a seat; any other WebSocket client
// opens one with the upgrade itself, on /v1/socket/{mapping}. Both end in the same room of one seat.
import { type AuthContext, createAuthContext, ErrorCode, matchMaker, ServerError } from '@colyseus/core';
import { internals } from '../colyseus/room-internals.ts';
import { controllerInternals } from '../colyseus/server-internals.ts';
import { BatonError, hostUnreachable, invalidRequest, tokenInvalid } from '../errors.ts';
import { trackOf } from '../migration/index.ts';
import { MAX_NESTING, tooDeep } from '../nesting.ts';
import type { HostRecord } from '../store/index.ts';
import { DEFAULT_TENANT } from '../tenants/index.ts';
import { type Arrival, type PlainClient, ReadyState } from '../transport/index.ts';
import { notOpened, tokenRefused } from './close-codes.ts';
import { Greetings } from './greetings.ts';
import { newId } from './ids.ts';
import { takeSeat } from './plain-seat.ts';
import { AWAY, type Reach } from './reach.ts';
import { otherSpoken, RESUME, refuse } from './refusal.ts';
import { Resuming, type ResumingOptions } from './resuming.ts';
import type { Player, Seat } from './service.ts';
import { SOCKET_ROOM, type SocketRoom } from './socket-room.ts';
import { otherVersion, PLAIN_SPEECH, type Speech } from './speech.ts';
import type { TakenTicket } from './tickets.ts';

/** Plain WebSocket clients open a socket by an upgrade on this path and the mapping's name. */
export const SOCKET_PATH = '/v1/socket/';
/** A token may come as a sub-protocol, which browsers can send along: this, and the token. */
const TOKEN_PROTOCOL = 'baton.token.';
const MAPPING_PATH = /^\/v1\/socket\/([A-Za-z][\w-]{0,63})$/;
const COLYSEUS_OPENINGS = new Set(['joinOrCreate', 'create']);
/** Times an upgrade may be passed on to a host that takes new sockets. */
const MAX_HOPS = 4;

/** What a client that wants a socket brings along. */
export interface Request {
  tenant: string;
  mapping: string;
  token: string | undefined;
}

export interface OpeningOptions extends ResumingOptions {
  host: string;
  /** @throws BATON_MAPPING_NOT_FOUND, BATON_TOKEN_INVALID, … */
  authenticate(request: Request): Promise<Player>;
  /** Whether the name is that of a mapping, of whichever tenant. */
  isMapping(name: string): boolean;
  /** Makes a socket, unless its tenant has all that it may have. @throws BATON_QUOTA_SOCKETS */
  admit<T>(tenant: string, make: () => Promise<T>): Promise<T>;
  /** A promised socket did not open: its token opens it another time. Never rejects. */
  giveBack(ticket: TakenTicket): Promise<void>;
  /** The host on which a new socket is to be; undefined for this one. */
  place(): Promise<HostRecord | undefined>;
  /** Whether this host takes new sockets. */
  accepting(): boolean;
  /** Hands an upgrade over to another host. @returns false when it is still here */
  handOver(arrival: Arrival, host: HostRecord): Promise<boolean>;
  /** A socket is being made for a player whose open function is called next. */
  expect(socketId: string, player: Player): void;
  /** It is not made, or its player is gone. */
  forget(socketId: string): void;
  reach: Reach;
}

export class Opening {
  private readonly options: OpeningOptions;
  private readonly greetings = new Greetings();
  private readonly resuming: Resuming;

  constructor(options: OpeningOptions) {
    this.options = options;
    this.resuming = new Resuming(options);
  }

  // --- Colyseus clients

  /** Every joinOrCreate() on a mapping makes a socket of its own, without looking for a room to join. */
  takeOverMatchmaking(): void {
    const controller = controllerInternals();
    const stock = controller.invokeMethod;
    const isMapping = (name: string) =>
      name === SOCKET_ROOM || (!matchMaker.getRoomClass(name) && this.options.isMapping(name));
    controller.invokeMethod = async (method, roomName, options, auth) => {
      if (method === 'reconnect') {
        const seat = await this.seatOf(roomName, options?.['reconnectionToken']);
        if (seat) return seat;
      }
      if (!isMapping(roomName)) return stock.call(controller, method, roomName, options, auth);
      if (!COLYSEUS_OPENINGS.has(method) || roomName === SOCKET_ROOM) {
        const reason = `a socket on "${roomName}" is opened with joinOrCreate() or create()`;
        throw new ServerError(ErrorCode.MATCHMAKE_INVALID_CRITERIA, reason);
      }
      return this.seat(roomName, options ?? {}, auth);
    };
  }

  private async seat(mapping: string, given: Record<string, unknown>, auth?: AuthContext): Promise<object> {
    const { token, tenant = DEFAULT_TENANT, ...options } = given;
    let player: Player;
    try {
      if (typeof tenant !== 'string') throw invalidRequest({ reason: 'The tenant is not text.' });
      if (token !== undefined && typeof token !== 'string') throw tokenInvalid({ reason: 'it is not text' });
      checkNesting(options);
      player = await this.options.authenticate({ tenant, mapping, token: token ?? auth?.token });
    } catch (error) {
      throw tokenRefused(error);
    }
    const { host } = this.options;
    const there = await this.options.place();
    const args = [player, options, auth?.ip];
    const seat = await this.options.reach.ask(there?.id ?? host, 'open', '', args).catch((error) => {
      throw notOpened(error);
    });
    if (seat === AWAY) throw notOpened(hostUnreachable({ host: there?.id }));
    return seat as Seat;
  }

  /**
   * The seat of a Colyseus client that comes back to a socket; sockets are not in Colyseus' listings.
   * @returns undefined for what is no socket
   */
  private async seatOf(socketId: string, token: unknown): Promise<Seat | undefined> {
    if (typeof token !== 'string' || (await matchMaker.driver.has(socketId))) return undefined;
    const seat = await this.options.reach.call<Seat | null>(socketId, 'seatOf', [token]).catch((error) => {
      if (error instanceof BatonError && error.status === 404) return undefined;
      throw notOpened(error);
    });
    if (seat === null)
      throw new ServerError(ErrorCode.MATCHMAKE_EXPIRED, 'The token is invalid or has expired.');
    return seat;
  }

  /** A room with a seat on this host, asked for by whichever host the player came to. */
  async reserve(player: Player, options: unknown, remoteAddress?: string): Promise<Seat> {
    const room = await this.make(player, 'colyseus', remoteAddress);
    const sessionId = newId();
    await internals(room)._reserveSeat(sessionId, options, { playerId: player.playerId });
    return { name: player.mapping.name, roomId: room.roomId, sessionId, processId: matchMaker.processId };
  }

  // --- other clients

  /** Never throws. */
  take(arrival: Arrival): void {
    this.receive(arrival).catch((error) => {
      this.options.log.error({ err: error }, 'a socket could not be opened');
      arrival.reject(503, 'The socket could not be opened.');
    });
  }

  private async receive(arrival: Arrival): Promise<void> {
    const mapping = MAPPING_PATH.exec(arrival.address.pathname)?.[1];
    if (!mapping) {
      arrival.reject(404, `The path is ${SOCKET_PATH}{mapping}.`);
      return;
    }
    const socketId = arrival.address.searchParams.get('resume');
    if (socketId !== null) {
      await this.resuming.take(arrival, socketId);
      return;
    }
    if (!this.options.accepting() && arrival.hops < MAX_HOPS) {
      const there = await this.options.place();
      if (there && (await this.options.handOver(arrival, there))) return;
    }
    const protocol = [...arrival.protocols].find((name) => PLAIN_SPEECH.has(name)) ?? '';
    const other = protocol === '' ? otherVersion(arrival.protocols) : undefined;
    if (other) {
      // browsers end a connection for which none of what they offer is chosen
      const stranger = arrival.accept(newId(), other.protocol);
      if (stranger) refuse(stranger, RESUME, otherSpoken(other), this.options.log);
      return;
    }
    const client = arrival.accept(newId(), protocol, true);
    if (client) await this.open(client, mapping, arrival, (protocol || 'baton.raw.v1') as Speech);
  }

  private async open(client: PlainClient, mapping: string, arrival: Arrival, speech: Speech): Promise<void> {
    const newcomer = this.greetings.await(client);
    try {
      const { tenant, token, options } = requestOf(arrival);
      const player = await this.options.authenticate({ tenant, mapping, token });
      const { headers, remoteAddress } = arrival;
      const { ip } = createAuthContext({ headers, token: '', ...(remoteAddress ? { remoteAddress } : {}) });
      const room = await this.make(player, speech, ip);
      if (client.readyState === ReadyState.CLOSED) {
        this.options.forget(room.roomId);
        const { ticket } = player;
        if (ticket) internals(room)._events.once('dispose', () => void this.options.giveBack(ticket));
        room.disconnect(); // nobody would notice later that its client has gone before it was there
        return;
      }
      const seated = trackOf(room).follow('onJoin', takeSeat(room, client, options));
      newcomer.flowTo(room);
      await seated;
    } catch (error) {
      refuse(client, speech, error, this.options.log);
    } finally {
      newcomer.end();
    }
  }

  private async make(player: Player, speech: Speech, remoteAddress?: string): Promise<SocketRoom> {
    try {
      return await this.build(player, speech, remoteAddress);
    } catch (error) {
      if (player.ticket) await this.options.giveBack(player.ticket);
      throw error;
    }
  }

  private build(player: Player, speech: Speech, remoteAddress?: string): Promise<SocketRoom> {
    return this.options.admit(player.mapping.tenant, async () => {
      const socketId = player.socketId ?? newId();
      const made = matchMaker.handleCreateRoom(SOCKET_ROOM, {}, undefined, socketId);
      // by now its owner is being written: both leave for the store together
      if (speech !== 'colyseus') this.options.expect(socketId, player);
      await made.catch((error) => {
        this.options.forget(socketId);
        throw error;
      });
      const room = matchMaker.getLocalRoomById(socketId) as unknown as SocketRoom;
      room.begin(player, speech, remoteAddress);
      return room;
    });
  }
}

/** @throws BATON_INVALID_REQUEST */
function requestOf({ address, protocols, headers }: Arrival): {
  tenant: string;
  token: string | undefined;
  options: unknown;
} {
  const query = address.searchParams;
  const offered = [...protocols].find((name) => name.startsWith(TOKEN_PROTOCOL));
  const bearer = /^Bearer +(\S+)$/i.exec(headers['authorization'] ?? '')?.[1];
  const text = query.get('options');
  let options: unknown = {};
  try {
    if (text) options = JSON.parse(text);
  } catch {
    throw invalidRequest({ reason: 'The query parameter "options" is not JSON.' });
  }
  checkNesting(options);
  return {
    tenant: query.get('tenant') ?? DEFAULT_TENANT,
    token: offered?.slice(TOKEN_PROTOCOL.length) ?? bearer ?? query.get('token') ?? undefined,
    options,
  };
}

/** @throws BATON_INVALID_REQUEST */
function checkNesting(options: unknown): void {
  if (tooDeep(options))
    throw invalidRequest({ reason: `The options are nested more than ${MAX_NESTING} levels deep.` });
}
