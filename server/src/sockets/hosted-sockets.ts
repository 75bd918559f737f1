// Hosted sockets of one host: what their rooms ask for, put together from calls, links and live moves.
import { matchMaker, type Room } from '@colyseus/core';
import {
  type AddressGuard,
  Caller,
  type DeadLetter,
  DeadLetters,
  type FunctionHosts,
} from '../calls/index.ts';
import { socketNotFound } from '../errors.ts';
import type { MappingRegistry } from '../mappings/index.ts';
import { keepUnlisted, type Migrator, registerMovable } from '../migration/index.ts';
import type { HostRecord, Store } from '../store/index.ts';
import { counters, figures, type Log } from '../telemetry/index.ts';
import { SocketQuota, TenantLog, type Tenants, type Tokens } from '../tenants/index.ts';
import type { Arrival, BatonTransport } from '../transport/index.ts';
import { within } from '../within.ts';
import { Beats } from './beats.ts';
import { Calling } from './calling.ts';
import { Directory, type SocketQuery } from './directory.ts';
import { Endings } from './endings.ts';
import { IdleSockets } from './idle-sockets.ts';
import { LinkedSockets } from './linked-sockets.ts';
import type { Wish } from './links/index.ts';
import { LocalSockets } from './local-sockets.ts';
import { Opening, type Request } from './opening.ts';
import { AWAY, Reach } from './reach.ts';
import { Replies } from './replies.ts';
import { Roster } from './roster.ts';
import type { HostedSocket, Player, SocketService, Visit } from './service.ts';
import { SOCKET_ROOM, SocketRoom } from './socket-room.ts';
import { SpeakingRoom } from './speaking-room.ts';
import type { SocketMessage } from './speech.ts';
import { isTicket, Tickets } from './tickets.ts';
import { note, noteLink, noteMove, PastTimelines } from './timeline.ts';
import { Versions } from './versions.ts';

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

export class HostedSockets implements SocketService {
  private readonly options: HostedSocketsOptions;
  /** Those of this host. */
  readonly here: LocalSockets;
  /** What they are linked with. */
  readonly links: LinkedSockets;
  /** For the control API. */
  readonly directory: Directory;
  /** What was not delivered, for those who look after it. */
  readonly deadLetters: LettersOfTenants;
  /** What went wrong with a tenant's sockets. */
  readonly tenantLog: TenantLog;
  private readonly quota: SocketQuota;
  private readonly reach: Reach;
  private readonly tickets: Tickets;
  private readonly versions: Versions;
  private readonly opening: Opening;
  private readonly caller: Caller;
  private readonly calling: Calling;
  private readonly replies: Replies;
  private readonly endings: Endings;
  private readonly roster: Roster;
  private readonly idle: IdleSockets;
  private readonly beats: Beats;
  private readonly past = new PastTimelines();
  private readonly pending = new Set<Promise<void>>();

  constructor(options: HostedSocketsOptions) {
    this.options = options;
    const { host, store, log, tenants, mappings, epoch } = options;
    const inBackground = (work: Promise<void>) => this.inBackground(work);
    const list = (room: HostedSocket) => this.list(this.roster.add(room));
    this.here = new LocalSockets(options.owned);
    const local = (socketId: string) => this.local(socketId);
    const tenantLog = new TenantLog(store.presence, log);
    this.tenantLog = tenantLog;
    this.quota = new SocketQuota({
      host,
      store,
      log,
      limitOf: (tenant) => tenants.settings(tenant).quotas.sockets,
      held: () => this.here.held(),
    });
    this.idle = new IdleSockets({
      here: (room) => this.here.has(room),
      runs: (room) => this.here.runs(room),
    });
    this.beats = new Beats((room) => this.here.runs(room));
    this.versions = new Versions({
      mappings,
      sockets: this.here,
      adopted: (room) => {
        this.idle.watch(room);
        list(room);
      },
    });
    const perform = (method: string, socketId: string, args: unknown[]) =>
      this.perform(method, socketId, args);
    this.reach = new Reach({ host, store, log, perform });
    this.tickets = new Tickets(store, log);
    this.roster = new Roster(host, (socketId) => epoch(socketId));
    this.links = new LinkedSockets({
      host,
      store,
      log,
      tenantLog,
      reach: this.reach,
      epoch,
      local,
      inBackground,
    });
    this.directory = new Directory({
      host,
      hosts: () => store.hosts(),
      reach: this.reach,
      rooms: () => this.here.all(),
      epoch,
      mappings,
      tickets: this.tickets,
      past: this.past,
      links: this.links,
    });
    this.opening = new Opening({
      ...options,
      authenticate: (request) => this.authenticate(request),
      isMapping: (name) => mappings.isName(name),
      resumable: (socketId) => this.local(socketId) as SocketRoom | undefined,
      admit: (tenant, make) => this.quota.take(tenant, make),
      expect: (socketId, player) => this.list(this.roster.expect(socketId, player)),
      forget: (socketId) => this.list(this.roster.remove(socketId)),
      giveBack: (ticket) => this.tickets.giveBack(ticket),
      reach: this.reach,
    });
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
      epoch,
      act: (room, reply) => this.replies.act(room, reply),
    });
    this.deadLetters = {
      newest: (tenant, limit, before) => letters.newest(tenant, limit, before),
      get: (tenant, number) => letters.get(tenant, number),
      replay: (tenant, number) =>
        this.calling.replay(tenant, number, (name) => this.versions.current(tenant, name)),
    };
    this.replies = new Replies({
      calling: this.calling,
      tickets: this.tickets,
      tenantLog,
      list,
      settle: (room, wish) => this.links.settle(room, wish),
    });
    this.endings = new Endings({
      store,
      log,
      roster: this.roster,
      calling: this.calling,
      linking: this.links.linking,
      past: this.past,
      inBackground,
    });
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
    this.links.use(migrator, transport);
  }

  async shutdown(): Promise<void> {
    this.idle.stop();
    this.beats.stop();
    this.links.stop();
    await this.settled(SHUTDOWN_MS);
    await this.caller.shutdown();
    await this.settled(LETTERS_MS); // calls that were still under way have failed, and those behind them
    this.endings.stop();
    await this.quota.stop();
    this.reach.stop();
    // not before: if this host is killed meanwhile, another one makes the close calls of those on the list
    await this.listed(this.roster.forget(this.options.host));
  }

  /** Resolves when nothing goes on in the background, or is late. */
  private async settled(ms: number): Promise<void> {
    await within(ms, Promise.all(this.pending));
  }

  private inBackground(work: Promise<void>): void {
    this.pending.add(work);
    work.finally(() => this.pending.delete(work));
  }

  private list(work: Promise<void>): void {
    this.inBackground(this.listed(work));
  }

  /** A socket that is not on the list is cleared up by its peer alone, should its host die. */
  private async listed(work: Promise<void>): Promise<void> {
    await work.catch((error) =>
      this.options.log.warn({ err: error }, 'the list of sockets is not up to date'),
    );
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

  /** A host died: the peers of its sockets are told, their links end, their close functions are called. */
  hostGone(dead: HostRecord): Promise<void> {
    return this.endings.hostGone(dead);
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

  /** What other hosts, and this one, ask of the socket or of this host. */
  private perform(method: string, socketId: string, args: unknown[]): unknown {
    if (method === 'open') {
      const [player, options, address] = args as [Player, unknown, string | undefined];
      const mapping = this.versions.shared(player.mapping);
      return this.opening.reserve({ ...player, mapping }, options, address);
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

  // --- what the rooms of its sockets ask for

  local(socketId: string): HostedSocket | undefined {
    return this.here.get(socketId);
  }

  async opened(room: HostedSocket, options: unknown): Promise<void> {
    const adopted = this.versions.catchUp(room);
    this.idle.watch(room);
    note(room, 'opened', this.options.host);
    this.list(this.roster.add(room));
    if (adopted) this.list(this.roster.add(room)); // the list has what was known when it was made
    await this.replies.open(room, options);
  }

  async closed(room: HostedSocket, code: number | undefined): Promise<void> {
    this.quota.closed(room.mapping.tenant);
    await this.endings.closed(room, code);
  }

  arrived(room: HostedSocket, from: string): void {
    noteMove(room, from, this.options.host);
    this.quota.arrived(room.mapping.tenant);
    this.versions.catchUp(room);
    this.idle.watch(room);
    this.list(this.roster.moved(room, from));
    this.links.arrived(room);
    this.calling.arrived(room);
    if (room.speech === 'baton.resume.v1') this.beats.add(room);
  }

  dropped(room: HostedSocket): void {
    note(room, 'dropped');
    this.links.tellPeers(room, 'peer-drop');
  }

  returned(room: HostedSocket): void {
    note(room, 'back');
    this.eased(room);
    this.links.tellPeers(room, 'peer-back');
  }

  eased(room: HostedSocket): void {
    this.links.eased(room);
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

  relinked(room: HostedSocket): void {
    this.links.relinked(room);
  }

  linkFailed(room: HostedSocket, error: unknown): void {
    this.tenantLog.failed(room, error, 'the link it waited for was not made');
  }

  wish(room: HostedSocket, wish: Wish): Promise<{ waits: boolean; peers: string[] }> {
    return this.links.wish(room, wish);
  }

  enter(room: HostedSocket): void {
    note(room, 'room', room.visit?.roomId);
    this.links.rooms.enter(room);
  }

  recall(room: HostedSocket, code: number, reason: string): void {
    this.links.rooms.recall(room, code, reason);
  }

  holdsSeat(visit: Visit): boolean {
    return this.links.rooms.holdsSeat(visit);
  }

  letGo(room: HostedSocket): void {
    this.links.rooms.letGo(room);
  }

  orphaned(room: HostedSocket, code: number): void {
    this.links.rooms.orphaned(room, code);
  }
}
