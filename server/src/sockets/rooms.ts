// The room that linked sockets get: one of the app's own, made once for each link on the host where they are, and
// entered on the connections they have. While a client is in it, its socket goes on without one.
import { createAuthContext, matchMaker, type Room } from '@colyseus/core';
import { internals, type RoomClient } from '../colyseus/room-internals.ts';
import {
  asBatonError,
  type BatonError,
  roomClassMissing,
  roomFailed,
  roomNotFound,
  roomUnsupported,
} from '../errors.ts';
import { type Migrator, trackOf } from '../migration/index.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { TenantLog } from '../tenants/index.ts';
import { BatonClient, type BatonTransport, type Connection, type Lender } from '../transport/index.ts';
import { CloseCode } from './close-codes.ts';
import { newId } from './ids.ts';
import type { Linking } from './links/index.ts';
import type { HostedSocket, Visit } from './service.ts';
import { SOCKET_ROOM } from './socket-room.ts';
import { entersRooms } from './speech.ts';

/** How long a room that a client wants to enter is looked for. */
const ENTER_MS = 10_000;
const PAUSE_MS = 50;
/** How often it is tried to write down which room a link has. */
const GIVE_TRIES = 10;
const GIVE_PAUSE_MS = 1_000;
/** Core's room is ending. */
const DISPOSING = 2;

export interface LinkRoomsOptions {
  host: string;
  store: Store;
  log: Log;
  tenantLog: TenantLog;
  linking: Linking;
  local(socketId: string): HostedSocket | undefined;
  /** Moves sockets, and what has to stay with them. @throws why they stay */
  move(socketIds: string[], host: string): Promise<void>;
  /** Calls the room of a socket, wherever it is. */
  call(socketId: string, method: 'lost', args: unknown[]): Promise<unknown>;
}

export class LinkRooms implements Lender {
  private readonly options: LinkRoomsOptions;
  /** Links whose room is being made here. */
  private readonly making = new Set<string>();
  private migrator!: Migrator;
  private transport!: BatonTransport;

  constructor(options: LinkRoomsOptions) {
    this.options = options;
  }

  use(migrator: Migrator, transport: BatonTransport): void {
    this.migrator = migrator;
    this.transport = transport;
    transport.visits.lender = this;
  }

  // --- one room for a link

  /** A socket's link is as it is now. If it is to have a room, that is made; if it has one, its members are asked in. */
  due(room: HostedSocket): void {
    const { link } = room;
    if (!link?.room || !room.together) return;
    const members = this.members(room);
    const { id } = link.room;
    if (id === undefined) this.make(room, members);
    else for (const member of members) if (member.link?.room?.id === id) this.invite(member, id);
  }

  private members({ roomId, link }: HostedSocket): HostedSocket[] {
    return [roomId, ...link!.peers].flatMap((id) => this.options.local(id) ?? []);
  }

  private make(room: HostedSocket, members: HostedSocket[]): void {
    const { id: linkId } = room.link!;
    if (this.making.has(linkId)) return;
    this.making.add(linkId);
    const made = this.create(room, members)
      .catch((error) => this.withdraw(room, linkId, members, asBatonError(error)))
      .finally(() => this.making.delete(linkId));
    for (const member of members) stay(member, made);
  }

  private async create(room: HostedSocket, members: HostedSocket[]): Promise<void> {
    const { id: linkId, room: wanted } = room.link!;
    const { name: roomName, options } = wanted!;
    if (members.some(({ speech }) => !entersRooms(speech))) throw roomUnsupported({ roomName });
    if (roomName === SOCKET_ROOM || !matchMaker.getRoomClass(roomName))
      throw roomClassMissing({ host: this.options.host, roomName });
    let made: Room;
    try {
      const { roomId } = await matchMaker.handleCreateRoom(roomName, (options ?? {}) as never);
      made = matchMaker.getLocalRoomById(roomId) as Room;
      await made.setPrivate(true); // it belongs to the link
    } catch (error) {
      throw roomFailed({ roomName, reason: messageOf(error) }, error);
    }
    let chosen: string | undefined;
    try {
      chosen = await this.choose(room, linkId, made.roomId);
    } finally {
      if (chosen !== made.roomId) void made.disconnect();
    }
  }

  private async choose(room: HostedSocket, linkId: string, roomId: string): Promise<string | undefined> {
    for (let i = 1; ; i++) {
      try {
        return await this.options.linking.giveRoom(room, linkId, roomId);
      } catch (error) {
        if (i === GIVE_TRIES) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, GIVE_PAUSE_MS).unref());
    }
  }

  /** There is no such room: the link stays without one. */
  private async withdraw(
    room: HostedSocket,
    linkId: string,
    members: HostedSocket[],
    error: BatonError,
  ): Promise<void> {
    const { log, linking, tenantLog } = this.options;
    tenantLog.failed(room, error, 'the peers get no room');
    await linking
      .withdrawRoom(room, linkId)
      .catch((cause) => log.warn({ socketId: room.roomId, err: cause }, 'the link still wants a room'));
    for (const member of members) tell(member, error);
  }

  /** The room of its link when nobody is in it any more, or on the way: another one may take its place. */
  past(room: HostedSocket): string | undefined {
    const id = room.link?.room?.id;
    if (id === undefined || !room.together) return undefined;
    if (this.members(room).some(({ visit }) => visit && visit.state !== 'offered')) return undefined;
    const there = matchMaker.getLocalRoomById(id) as Room | undefined;
    if (!there) return id;
    const { _internalState, _reservedSeats } = internals(there);
    const used = there.clients.length > 0 || Object.keys(_reservedSeats).length > 0;
    return used && _internalState !== DISPOSING ? undefined : id;
  }

  // --- in

  private invite(member: HostedSocket, roomId: string): void {
    const visits = () => member.visit !== undefined && member.visit.state !== 'offered';
    if (member.invited === roomId || member.gone || visits()) return;
    member.invited = roomId;
    const { name, options } = member.link!.room!;
    const asked = this.reserve(member, roomId, options).then(
      (sessionId) => {
        if (visits()) {
          member.invited = undefined; // once it is back from there
          return;
        }
        member.visit = { roomId, sessionId, state: 'offered' };
        member.say('room', { name, roomId, sessionId, processId: matchMaker.processId });
      },
      (error) => {
        this.options.tenantLog.failed(member, error, 'a peer gets no seat in the room');
        tell(member, asBatonError(error));
      },
    );
    stay(member, asked);
  }

  private async reserve(member: HostedSocket, roomId: string, options: unknown): Promise<string> {
    const sessionId = newId();
    const { playerId } = member;
    const given = await matchMaker.remoteRoomCall(roomId, '_reserveSeat' as never, [
      sessionId,
      options ?? {},
      { playerId },
    ]);
    if (!given) throw roomFailed({ roomName: member.link?.room?.name, reason: 'it is full' });
    return sessionId;
  }

  /** The client has said that it enters the room it was offered. It says nothing more before it is in, or turned away. */
  enter(room: HostedSocket): void {
    this.reach(room).catch((error) => this.turnAway(room, asBatonError(error)));
  }

  /** Goes to the room if that is elsewhere. */
  private async reach(room: HostedSocket): Promise<void> {
    const { host, store, local, log, move } = this.options;
    const { roomId } = room.visit!;
    for (const until = Date.now() + ENTER_MS; Date.now() < until; ) {
      // it may have moved, and goes on from there
      if (!runsHere(room) || room.gone || room.visit?.state !== 'entering') return;
      const where = this.migrator.whereabouts(roomId);
      if (where.at === 'here' && local(room.roomId)) {
        if (internals(where.room)._internalState === DISPOSING) break;
        this.join(room, where.room);
        return;
      }
      if (where.at === 'moving') await where.settled;
      else if (where.at === 'elsewhere') {
        const owner = await store.owner(roomId);
        if (!owner) break;
        if (owner.host !== host)
          await move([room.roomId], owner.host).catch((error) =>
            log.debug({ socketId: room.roomId, err: error }, 'the socket does not get to its room yet'),
          );
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref());
    }
    throw roomNotFound({ roomId });
  }

  /** Begins synchronously: from here on the connection speaks the room's language. */
  private join(room: HostedSocket, there: Room): void {
    const { sessionId } = room.visit!;
    const connection = room.depart();
    const client = this.transport.visits.begin(connection, room.roomId, sessionId);
    const joined = this.takeSeat(room, there, client).catch((error) => {
      if (client.ref !== connection || this.transport.visits.of(room.roomId) !== client) return; // it has left
      const { roomName } = there;
      this.turnAway(room, roomFailed({ roomName, reason: messageOf(error) }, error));
    });
    stay(room, joined);
  }

  private async takeSeat(room: HostedSocket, there: Room, client: BatonClient): Promise<void> {
    const inner = internals(there);
    const { sessionId } = client;
    const { token } = room.visit!;
    const held = token !== undefined && this.holdsSeat(room.visit!);
    if (!held && !inner._reservedSeats[sessionId]) {
      const options = room.link?.room?.options ?? {};
      if (!(await inner._reserveSeat(sessionId, options, { playerId: room.playerId })))
        throw roomFailed({ roomName: there.roomName, reason: 'it is full' });
    }
    const { remoteAddress } = room;
    const context = createAuthContext({
      headers: {},
      token: null,
      ...(remoteAddress ? { remoteAddress } : {}),
    });
    const again = { reconnectionToken: token, skipHandshake: true };
    await inner._onJoin(client, context, held ? (again as { reconnectionToken: string }) : {});
  }

  holdsSeat({ roomId, sessionId, token }: Visit): boolean {
    const there = matchMaker.getLocalRoomById(roomId) as Room | undefined;
    return there !== undefined && internals(there)._reconnections[token ?? '']?.[0] === sessionId;
  }

  /** Its client has come back on another connection. */
  letGo(room: HostedSocket): void {
    const client = this.transport.visits.of(room.roomId);
    if (client) client.ref.terminate();
    else this.orphaned(room, LOST);
  }

  private turnAway(room: HostedSocket, error: BatonError): void {
    if (!this.options.local(room.roomId)) return;
    if (!room.away && room.visit?.state !== 'entering') return; // its client was lost meanwhile, and may try again
    this.options.tenantLog.failed(room, error, 'a peer is not let into the room');
    if (room.away) this.recall(room, CloseCode.roomRefused, error.code);
    else if (!room.gone) room.stayHome(CloseCode.roomRefused, error.code);
    tell(room, error);
  }

  // --- and back

  returned(home: string, client: BatonClient, code: number, reason: string): boolean {
    const room = this.options.local(home);
    if (!room?.away) return false;
    const connection = this.transport.visits.end(client, code);
    room.comeHome(clientOn(room, connection), { code, reason });
    return true;
  }

  lost(home: string, connection: Connection, code: number, token?: string): void {
    const room = this.options.local(home);
    if (room?.away) room.comeHome(clientOn(room, connection), { code, reason: '', token });
    else if (!room) {
      this.options
        .call(home, 'lost', [code])
        .catch((error) =>
          this.options.log.warn({ socketId: home, err: error }, 'a socket is not closed yet'),
        );
    }
  }

  /** The socket needs its client: the room loses it. */
  recall(room: HostedSocket, code: number, reason: string): void {
    const { visits } = this.transport;
    const client = visits.of(room.roomId);
    if (client) room.comeHome(clientOn(room, visits.end(client, code)), { code, reason });
    else this.orphaned(room, code);
  }

  /** Its connection was lost where its room was. */
  orphaned(room: HostedSocket, code: number): void {
    if (!room.away) return;
    room.comeHome(this.transport.absentClient(room.seat) as unknown as RoomClient, { code, reason: '' });
  }

  // --- on the move

  /** Came from another host. */
  arrived(room: HostedSocket): void {
    if (room.visit?.state === 'entering') this.enter(room);
    // what moved with it is here in this turn
    setImmediate(() => {
      const { roomId } = room;
      if (this.options.local(roomId) === room && room.away && !this.transport.visits.of(roomId))
        this.orphaned(room, LOST);
    });
  }

  /** What has to stay on one host with a room, or a socket. */
  beside(roomId: string): string[] {
    const socket = this.options.local(roomId);
    if (socket)
      return socket.visit && matchMaker.getLocalRoomById(socket.visit.roomId) ? [socket.visit.roomId] : [];
    const room = matchMaker.getLocalRoomById(roomId) as Room | undefined;
    const homes: string[] = [];
    for (const { ref } of (room?.clients ?? []) as Iterable<BatonClient>) {
      if (ref.home !== undefined && this.options.local(ref.home)) homes.push(ref.home);
    }
    return homes;
  }
}

/** What WebSockets report when a connection ends without a close frame. */
const LOST = 1006;

/** Also while it is frozen. */
const runsHere = (socket: HostedSocket): boolean =>
  (matchMaker.getLocalRoomById(socket.roomId) as unknown) === socket;

/** The socket does not move while that is under way. */
function stay(socket: HostedSocket, work: Promise<unknown>): void {
  trackOf(socket as unknown as Room).follow('room', work);
}

function tell(socket: HostedSocket, { code, message }: BatonError): void {
  if (!socket.gone) socket.say('error', { code, message });
}

function clientOn({ seat }: HostedSocket, connection: Connection): RoomClient {
  return new BatonClient(seat, connection) as unknown as RoomClient;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
