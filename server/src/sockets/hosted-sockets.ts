// Hosted sockets of one host: what their rooms ask for, put together from calls, links and live moves.
import { matchMaker, type Room, ServerError } from '@colyseus/core';
import {
  type AddressGuard,
  Caller,
  type DeadLetter,
  DeadLetters,
  type FunctionHosts,
  type Reply,
} from '../calls/index.ts';
import { internals } from '../colyseus/room-internals.ts';
import { linkStale, socketNotFound } from '../errors.ts';
import type { Mapping, MappingRegistry } from '../mappings/index.ts';
import { keepUnlisted, type Migrator, registerMovable, trackOf } from '../migration/index.ts';
import type { HostRecord, Store } from '../store/index.ts';
import { counters, figures, type Log } from '../telemetry/index.ts';
import { SocketQuota, TenantLog, type Tenants, type Tokens } from '../tenants/index.ts';
import type { Arrival, BatonTransport } from '../transport/index.ts';
import { within } from '../within.ts';
import { Backlog } from './backlog.ts';
import { Beats } from './beats.ts';
import { Calling, said } from './calling.ts';
import { closeReason } from './close-codes.ts';
import { Directory, type SocketQuery } from './directory.ts';
import { IdleSockets } from './idle-sockets.ts';
import { lanesChanged } from './lane.ts';
import { Gathering, type LinkActions, Linking, type Wish, wishOf } from './links/index.ts';
import { Opening, type Request } from './opening.ts';
import { AWAY, Reach } from './reach.ts';
import { LinkRooms } from './rooms.ts';
import { type Entry, Roster } from './roster.ts';
import type { HostedSocket, Player, SocketService, Visit } from './service.ts';
import { SOCKET_ROOM, SocketRoom } from './socket-room.ts';
import { SpeakingRoom } from './speaking-room.ts';
import type { SocketMessage } from './speech.ts';
import { isTicket, type TakenTicket, Tickets } from './tickets.ts';
import { note, noteLink, noteMove, PastTimelines, subjectOf, Timeline } from './timeline.ts';

export interface LettersOfTenants {
  newest(tenant: string, limit: number, before?: number): Promise<DeadLetter[]>;
  get(tenant: string, number: number): Promise<DeadLetter>;
  replay(tenant: string, number: number): Promise<void>;
}

export interface HostedSocketsOptions {
  host: string;
  tenants: Tenants;
  mappings: MappingRegistry;
  tokens: Tokens;
  guard: AddressGuard;
  /** Those that the service runs itself. */
  functions: FunctionHosts;
  /** Epoch at which this host owns a socket. */
  epoch(socketId: string): number | undefined;
  /** Ids of the rooms that this host owns. */
  owned(): string[];
  /** The host on which a new socket is to be; undefined for this one. */
  place(): Promise<HostRecord | undefined>;
  /** Whether this host takes new sockets. */
  accepting(): boolean;
  /** Hands an upgrade over to another host. @returns false when it is still here */
  handOver(arrival: Arrival, host: HostRecord): Promise<boolean>;
  /** Hands it over to the host of a socket, unless that is this one, or none. */
  route(socketId: string, arrival: Arrival): 'local' | Promise<'local' | 'handed'>;
  store: Store;
  log: Log;
}

/** Secrets of a tenant that has none. */
const UNSIGNED: readonly string[] = [];
/** Methods of a socket's room that hosts may call. */
const ROOM_METHODS = new Set(['learn', 'wish', 'tenantOf', 'noticed', 'seatOf', 'lost']);
/** How long a host that stops waits for close calls that are under way. */
const SHUTDOWN_MS = 5_000;
/** … and then for the store to have what was not delivered. */
const LETTERS_MS = 1_000;
/** Sockets of a dead host that are cleared up at a time. */
const BURIALS_AT_ONCE = 32;
/** Sockets that are looked up at a time when the store has lost what it knew of this host. */
const RESTORED_AT_ONCE = 500;

export class HostedSockets implements SocketService {
  private readonly options: HostedSocketsOptions;
  private readonly quota: SocketQuota;
  private readonly reach: Reach;
  private readonly tickets: Tickets;
  /** For the control API. */
  readonly directory: Directory;
  private readonly opening: Opening;
  private readonly linking: Linking;
  private readonly gathering: Gathering<HostedSocket>;
  private readonly linkRooms: LinkRooms;
  private migrator: Migrator | undefined;
  private readonly caller: Caller;
  private readonly calling: Calling;
  /** What was not delivered, for those who look after it. */
  readonly deadLetters: LettersOfTenants;
  /** What went wrong with a tenant's sockets. */
  readonly tenantLog: TenantLog;
  private readonly roster: Roster;
  private readonly idle = new IdleSockets({
    here: (room) => (matchMaker.getLocalRoomById(room.roomId) as unknown) === room,
    runs: (room) => this.local(room.roomId) !== undefined,
  });
  private readonly backlog: Backlog;
  private readonly pending = new Set<Promise<void>>();
  private readonly past = new PastTimelines();
  private readonly beats = new Beats((room) => this.local(room.roomId) === room);

  constructor(options: HostedSocketsOptions) {
    this.options = options;
    const { host, store, log, tenants, mappings } = options;
    this.quota = new SocketQuota({
      host,
      store,
      log,
      limitOf: (tenant) => tenants.settings(tenant).quotas.sockets,
      held: () => this.held(),
    });
    mappings.onChange((tenant, name, mapping) => mapping && this.updated(tenant, name, mapping));
    const local = (socketId: string) => this.local(socketId);
    const perform = (method: string, socketId: string, args: unknown[]) =>
      this.perform(method, socketId, args);
    this.reach = new Reach({ host, store, log, perform });
    this.tickets = new Tickets(store);
    const tenantLog = new TenantLog(store.presence, log);
    this.tenantLog = tenantLog;
    this.directory = new Directory({
      host,
      hosts: () => store.hosts(),
      reach: this.reach,
      rooms: () => this.own(),
      epoch: options.epoch,
      mappings,
      tickets: this.tickets,
      past: this.past,
      links: this,
    });
    this.opening = new Opening({
      ...options,
      authenticate: (request) => this.authenticate(request),
      isMapping: (name) => mappings.isName(name),
      resumable: (socketId) => this.local(socketId) as SocketRoom | undefined,
      admit: (tenant, make) => this.quota.take(tenant, make),
      expect: (socketId, player) => this.inBackground(this.listed(this.roster.expect(socketId, player))),
      forget: (socketId) => this.inBackground(this.listed(this.roster.remove(socketId))),
      giveBack: (ticket) => this.giveBack(ticket),
      reach: this.reach,
    });
    this.linking = new Linking({
      store,
      log,
      tenantLog,
      local,
      epoch: options.epoch,
      call: (socketId, method, args) => this.reach.call(socketId, method, args),
    });
    this.gathering = new Gathering({
      host,
      store,
      log,
      local,
      present: (socketId) => matchMaker.getLocalRoomById(socketId) !== undefined,
      sync: (room) => this.linking.sync(room),
      bury: (room, peer) => this.linking.bury(room.tenant, peer),
      move: (socketIds, to) => this.moveTogether(socketIds, to),
    });
    this.backlog = new Backlog(log);
    this.linkRooms = new LinkRooms({
      host,
      store,
      log,
      tenantLog,
      linking: this.linking,
      local,
      move: (socketIds, to) => this.moveTogether(socketIds, to),
      call: (socketId, method, args) => this.reach.call(socketId, method, args),
    });
    this.roster = new Roster(host, (socketId) => options.epoch(socketId));
    const letters = new DeadLetters(store.presence);
    this.caller = new Caller({
      source: `/baton/${host}`,
      guard: options.guard,
      functions: options.functions,
      secrets: (tenant) => tenants.settings(tenant).signing?.secrets ?? UNSIGNED,
      atOnce: (tenant) => tenants.settings(tenant).quotas.callsAtOnce,
      waiting: (tenant) => tenants.settings(tenant).quotas.callsWaiting,
    });
    this.calling = new Calling({
      caller: this.caller,
      deadLetters: letters,
      log,
      tenantLog,
      epoch: options.epoch,
      act: (room, reply) => this.act(room, reply),
    });
    this.deadLetters = {
      newest: (tenant, limit, before) => letters.newest(tenant, limit, before),
      get: (tenant, number) => letters.get(tenant, number),
      replay: (tenant, number) => this.calling.replay(tenant, number, (name) => this.mappingOf(tenant, name)),
    };
    SpeakingRoom.service = this;
    registerMovable(SocketRoom);
    keepUnlisted(SocketRoom);
  }

  /** From now on sockets can be opened here. */
  async start(): Promise<void> {
    matchMaker.defineRoomType(SOCKET_ROOM, SocketRoom as never);
    this.opening.takeOverMatchmaking();
    this.quota.start();
    this.idle.start();
    await this.reach.start();
  }

  /** An upgrade that opens a socket. */
  receive(arrival: Arrival): void {
    this.opening.take(arrival);
  }

  useMigrator(migrator: Migrator, transport: BatonTransport): void {
    this.migrator = migrator;
    this.linkRooms.use(migrator, transport);
  }

  private async moveTogether(socketIds: string[], to: string): Promise<void> {
    for (const outcome of await this.migrator!.moveTogether(this.closure(socketIds), to))
      if ('error' in outcome) throw outcome.error;
  }

  async shutdown(): Promise<void> {
    this.idle.stop();
    this.beats.stop();
    this.inBackground(this.linking.stop());
    this.gathering.stop();
    await this.settled(SHUTDOWN_MS);
    await this.caller.shutdown();
    await this.settled(LETTERS_MS); // calls that were still under way have failed, and those behind them
    this.backlog.stop();
    await this.quota.stop();
    this.reach.stop();
    // not before: if this host is killed meanwhile, another one makes the close calls of those on the list
    await this.listed(this.roster.forget(this.options.host));
  }

  /** Resolves when nothing goes on in the background, or is late. */
  private async settled(ms: number): Promise<void> {
    await within(ms, Promise.all(this.pending));
  }

  /**
   * Asks an endpoint whether it wants the calls of this service.
   * @param origin DNS name by which the service goes
   * @throws BATON_ENDPOINT_UNPROVEN
   */
  prove(url: string, origin: string): Promise<void> {
    return this.caller.prove(url, origin);
  }

  /** Endpoints that are left alone. */
  get openCircuits(): number {
    return this.caller.openCircuits;
  }

  /** Linked sockets move together, and with the rooms that their clients are in. */
  groupOf(roomId: string): string[] {
    return this.closure([roomId]);
  }

  private closure(roomIds: string[]): string[] {
    const group = new Set(roomIds);
    // those that are added come by, too
    for (const id of group) for (const next of this.beside(id)) group.add(next);
    return [...group];
  }

  private beside(roomId: string): string[] {
    const room = this.local(roomId);
    const peers = room?.peers.filter((id) => this.local(id)?.link?.id === room.link?.id) ?? [];
    return [...peers, ...this.linkRooms.beside(roomId)];
  }

  private async authenticate({ tenant, mapping, token }: Request): Promise<Player> {
    const found = this.options.mappings.get(tenant, mapping);
    if (isTicket(token)) {
      const ticket = await this.tickets.take(tenant, mapping, token);
      return { ...ticket, mapping: found, ticket };
    }
    const { playerId } = await this.options.tokens.verify(tenant, token);
    return { playerId, mapping: found };
  }

  private mappingOf(tenant: string, name: string): Mapping | undefined {
    const { mappings } = this.options;
    return mappings.has(tenant, name) ? mappings.get(tenant, name) : undefined;
  }

  /** A mapping that came from another host: all sockets here with this version have it once. */
  private shared(mapping: Mapping): Mapping {
    const known = this.mappingOf(mapping.tenant, mapping.name);
    return known?.version === mapping.version ? known : mapping;
  }

  /** What other hosts, and this one, ask of the socket or of this host. */
  private perform(method: string, socketId: string, args: unknown[]): unknown {
    if (method === 'open') {
      const [player, options, address] = args as [Player, unknown, string | undefined];
      return this.opening.reserve({ ...player, mapping: this.shared(player.mapping) }, options, address);
    }
    if (method === 'list') return this.directory.local(args[0] as SocketQuery);
    if (method === 'past') return this.past.get(args[0] as string, socketId) ?? null;
    const known = this.directory.knows(method);
    if (!known && !ROOM_METHODS.has(method)) throw socketNotFound({ socketId });
    const room = this.local(socketId);
    if (room && known) return this.directory.perform(room, method, args);
    if (room) return (room as unknown as Record<string, (...args: unknown[]) => unknown>)[method]!(...args);
    const other = matchMaker.getLocalRoomById(socketId) as Room | undefined;
    if (other && !(other instanceof SocketRoom)) throw socketNotFound({ socketId });
    return AWAY;
  }

  local(socketId: string): HostedSocket | undefined {
    const room = matchMaker.getLocalRoomById(socketId) as Room | undefined;
    return room instanceof SocketRoom && trackOf(room).phase === 'live' && !trackOf(room).shell
      ? room
      : undefined;
  }

  linkFailed(room: HostedSocket, error: unknown): void {
    this.tenantLog.failed(room, error, 'the link it waited for was not made');
  }

  async opened(room: HostedSocket, options: unknown): Promise<void> {
    this.idle.watch(room);
    note(room, 'opened', this.options.host);
    this.inBackground(this.listed(this.roster.add(room)));
    let reply: Reply;
    try {
      reply = await this.calling.open(room, options);
    } catch (error) {
      this.tenantLog.failed(room, error, 'the open function failed');
      this.giveBackLater(room);
      throw error;
    }
    const { reject } = reply.actions;
    if (reject) {
      this.giveBackLater(room);
      throw new ServerError(reject.code, reject.reason);
    }
    room.ticket = undefined;
    if (room.gone) return;
    room.begun();
    this.say(room, reply);
    const wish = wishOf(reply.actions);
    const waits = wish.peers !== undefined || wish.group !== undefined;
    if (waits) note(room, 'waiting', wish.group?.name ?? wish.peers?.join(', '));
    room.answered(waits);
    this.settle(room, wish);
    this.dismiss(room, reply);
    this.calling.begin(room);
  }

  /** Nobody has opened the socket that was promised: who has its token may try again. */
  private async giveBack(ticket: TakenTicket): Promise<void> {
    await this.tickets.giveBack(ticket).catch((error) => {
      this.options.log.warn({ socketId: ticket.socketId, err: error }, 'a promised socket is lost');
    });
  }

  /** Once the room with its id is gone. */
  private giveBackLater(room: HostedSocket): void {
    const { ticket } = room;
    if (!ticket) return;
    room.ticket = undefined;
    internals(room as unknown as Room)._events.once('dispose', () => void this.giveBack(ticket));
  }

  /** Does what a function answered for a socket that is open. */
  private act(room: HostedSocket, reply: Reply): void {
    this.say(room, reply);
    const wish = wishOf(reply.actions);
    if (Object.keys(wish).length > 0) this.settle(room, wish);
    this.dismiss(room, reply);
  }

  private say(room: HostedSocket, { actions: { attributes, send }, message }: Reply): void {
    if (attributes) {
      room.attributes = Object.keys(attributes).length > 0 ? attributes : undefined;
      this.inBackground(this.listed(this.roster.add(room)));
    }
    if (send !== undefined) room.tell(send);
    if (message) room.tell(said(message));
  }

  private settle(room: HostedSocket, wish: Wish): void {
    const past = wish.room && this.linkRooms.past(room);
    if (past !== undefined) wish.past = past;
    this.follow(room, this.linking.settle(room, wish, room.mapping.waitTimeout));
  }

  private dismiss(room: HostedSocket, { actions: { close } }: Reply): void {
    if (close) room.dismiss(close.code, close.reason, 'function');
  }

  received(room: HostedSocket, message: SocketMessage): void {
    this.calling.received(room, message);
  }

  asked(room: HostedSocket, message: SocketMessage, request: number): void {
    this.calling.received(room, message, request);
  }

  confirmLater(room: HostedSocket): void {
    this.beats.add(room);
  }

  changed(room: HostedSocket, change: 'linked' | 'unlinked', peers: string[]): void {
    if (change === 'linked') counters.socketsLinked++;
    const waited = noteLink(room, change, peers);
    if (waited !== undefined) figures.add(room.tenant, room.mapping.name, 'wait', waited);
    this.calling.changed(room, change, peers);
  }

  async wish(room: HostedSocket, wish: Wish): Promise<{ waits: boolean; peers: string[] }> {
    if (!room.settled || room.gone)
      throw linkStale({ socketId: room.roomId, reason: room.gone ? 'it is closing' : 'it is still opening' });
    const work = this.linking.want(room, wish, room.mapping.waitTimeout);
    this.follow(room, work);
    const refused = await work;
    if (refused) throw refused;
    return { waits: room.wait !== undefined, peers: [...room.peers] };
  }

  /**
   * Links a socket of a tenant, on whichever host it is.
   * @throws BATON_SOCKET_NOT_FOUND, BATON_LINK_SELF, BATON_LINK_GONE, BATON_LINK_TAKEN, BATON_LINK_STALE
   */
  link(tenant: string, socketId: string, actions: LinkActions): Promise<{ waits: boolean; peers: string[] }> {
    return this.linking.link(tenant, socketId, wishOf(actions));
  }

  /** Ends the link of a socket, or its waiting for one. @throws BATON_SOCKET_NOT_FOUND */
  unlink(tenant: string, socketId: string): Promise<void> {
    return this.linking.unlink(tenant, socketId);
  }

  /** The room stays on this host until that is through. */
  private follow(room: HostedSocket, work: Promise<unknown>): void {
    trackOf(room as unknown as Room).follow('link', work);
  }

  async closed(room: HostedSocket, code: number | undefined): Promise<void> {
    this.quota.closed(room.mapping.tenant);
    const reason = room.dismissed ?? closeReason(code);
    if (room.timeline) this.past.keep(subjectOf(room), room.timeline, reason, code ?? 0);
    const told = this.calling.closed(room, this.roster.entry(room), reason);
    // if this host dies before that, whichever host notices tells it
    const { roomId, tenant, link } = room;
    this.inBackground(told.then(() => this.backlog.doOrAdd(() => this.roster.remove(roomId))));
    await this.backlog.doOrAdd(() => this.linking.end({ roomId, tenant, link }));
  }

  private inBackground(work: Promise<void>): void {
    this.pending.add(work);
    work.finally(() => this.pending.delete(work));
  }

  arrived(room: HostedSocket, from: string): void {
    noteMove(room, from, this.options.host);
    const { tenant, name } = room.mapping;
    this.quota.arrived(tenant);
    room.mapping = this.shared(room.mapping);
    const current = this.mappingOf(tenant, name);
    if (current) this.adopt(room, current);
    this.idle.watch(room);
    this.inBackground(this.listed(this.roster.moved(room, from)));
    this.relinked(room);
    this.linkRooms.arrived(room);
    this.calling.arrived(room);
    if (room.speech === 'baton.resume.v1') this.beats.add(room);
    // it may not have been told meanwhile
    this.inBackground(this.linking.sync(room).catch((error) => this.notLookedUp(room.roomId, error)));
  }

  dropped(room: HostedSocket): void {
    note(room, 'dropped');
    this.tellPeers(room, 'peer-drop');
  }

  returned(room: HostedSocket): void {
    note(room, 'back');
    this.eased(room);
    this.tellPeers(room, 'peer-back');
  }

  eased(room: HostedSocket): void {
    for (const peer of room.peers) this.local(peer)?.flush(); // those that waited for it are read again
  }

  private tellPeers({ roomId, peers }: HostedSocket, event: 'peer-drop' | 'peer-back'): void {
    for (const peer of peers) {
      const told = this.reach.call<void>(peer, 'noticed', [event, roomId]);
      const failed = (error: unknown) =>
        this.options.log.debug({ socketId: peer, err: error }, `${event} was not told`);
      this.inBackground(told.catch(failed));
    }
  }

  /** Sockets of this host, those that are just leaving it as well. */
  *own(): Generator<SocketRoom> {
    for (const roomId of this.options.owned()) {
      const room = matchMaker.getLocalRoomById(roomId) as unknown;
      // its mapping is what a room gets before it has a player
      if (room instanceof SocketRoom && room.mapping) yield room;
    }
  }

  private held(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { mapping } of this.own()) counts.set(mapping.tenant, (counts.get(mapping.tenant) ?? 0) + 1);
    return counts;
  }

  /** A mapping has another version. */
  private updated(tenant: string, name: string, mapping: Mapping): void {
    for (const room of this.own()) {
      if (room.mapping.tenant !== tenant || room.mapping.name !== name || !this.local(room.roomId)) continue;
      if (this.adopt(room, mapping)) this.inBackground(this.listed(this.roster.add(room)));
    }
  }

  /** A socket keeps the version it was opened with, unless a new one is to be adopted. @returns whether it was */
  private adopt(room: HostedSocket, mapping: Mapping): boolean {
    if (mapping.onUpdate !== 'adopt' || mapping.version <= room.mapping.version) return false;
    if (room.mapping.forward !== mapping.forward) room.inform('forward', { forward: mapping.forward });
    room.mapping = mapping;
    lanesChanged();
    this.idle.watch(room);
    return true;
  }

  relinked(room: HostedSocket): void {
    this.linking.watch(room);
    this.gathering.begin(room);
    this.linkRooms.due(room);
  }

  enter(room: HostedSocket): void {
    note(room, 'room', room.visit?.roomId);
    this.linkRooms.enter(room);
  }

  recall(room: HostedSocket, code: number, reason: string): void {
    this.linkRooms.recall(room, code, reason);
  }

  holdsSeat(visit: Visit): boolean {
    return this.linkRooms.holdsSeat(visit);
  }

  letGo(room: HostedSocket): void {
    this.linkRooms.letGo(room);
  }

  orphaned(room: HostedSocket, code: number): void {
    this.linkRooms.orphaned(room, code);
  }

  private notLookedUp(socketId: string, error: unknown): void {
    this.options.log.warn({ socketId, err: error }, 'whether a socket is still linked was not looked up');
  }

  /** The store lost this host, or everything: what it does not have of the sockets among these rooms is put back. */
  async restore(roomIds: string[]): Promise<void> {
    const rooms = roomIds.flatMap((id) => this.local(id) ?? []);
    for (let i = 0; i < rooms.length; i += RESTORED_AT_ONCE)
      await this.linking.restore(rooms.slice(i, i + RESTORED_AT_ONCE));
  }

  /** A socket that is not on the list is cleared up by its peer alone, should its host die. */
  private async listed(work: Promise<void>): Promise<void> {
    await work.catch((error) =>
      this.options.log.warn({ err: error }, 'the list of sockets is not up to date'),
    );
  }

  /** A host died: the peers of its sockets are told, their links end, their close functions are called. */
  async hostGone(dead: HostRecord): Promise<void> {
    const { store, log } = this.options;
    const sockets = [...(await this.roster.of(dead.id))];
    for (let i = 0; i < sockets.length; i += BURIALS_AT_ONCE) {
      const some = sockets.slice(i, i + BURIALS_AT_ONCE);
      const owners = await store.owners(some.map(([socketId]) => socketId));
      const lost = some.filter(([socketId]) => !owners.has(socketId));
      await Promise.all(lost.map(([socketId, entry]) => this.lost(dead.id, socketId, entry)));
    }
    await this.roster.forget(dead.id);
    if (sockets.length > 0) log.warn({ host: dead.id, sockets: sockets.length }, 'its sockets are closed');
  }

  private async lost(host: string, socketId: string, entry: Entry): Promise<void> {
    await this.linking.bury(entry.tenant, socketId);
    if (!(await this.roster.claim(host, socketId))) return;
    const { tenant, mapping, playerId } = entry;
    const now = Date.now(); // what it was before was on the dead host
    this.past.keep({ socketId, tenant, mapping, playerId, openedAt: now }, new Timeline(now), 'host-lost', 0);
    this.inBackground(this.calling.lost(socketId, entry));
  }
}
