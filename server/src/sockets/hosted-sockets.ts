// Hosted sockets of one host: what their rooms ask for, put together from calls, links and live moves.
import { matchMaker, type Room, ServerError } from '@colyseus/core';
import { type AddressGuard, type CallEvent, Caller, DeadLetters, type OpenReply } from '../calls/index.ts';
import { BatonError, tokenInvalid } from '../errors.ts';
import { type Mapping, MappingRegistry } from '../mappings/index.ts';
import { type Migrator, registerMovable, trackOf } from '../migration/index.ts';
import type { HostRecord, Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { closeReason } from './close-codes.ts';
import { Gathering } from './gathering.ts';
import { Linking } from './linking.ts';
import { openDirectly, withoutToken } from './opening.ts';
import { type Entry, Roster } from './roster.ts';
import type { HostedSocket, SocketService } from './service.ts';
import { SocketRoom } from './socket-room.ts';

export interface HostedSocketsOptions {
  host: string;
  mappings: Mapping[];
  /** Calls are signed with each of them. */
  secrets: string[];
  guard: AddressGuard;
  /** Epoch at which this host owns a socket. */
  epoch(socketId: string): number | undefined;
  store: Store;
  log: Log;
}

const MAX_PLAYER_ID = 128;
/** How long a host that stops waits for close calls that are under way. */
const SHUTDOWN_MS = 5_000;
/** A socket that closed while the store was away is cleared up this often, this many times. */
const CLEAR_EVERY_MS = 1_000;
const CLEAR_TRIES = 60;
/** Sockets of a dead host that are cleared up at a time. */
const BURIALS_AT_ONCE = 32;

export class HostedSockets implements SocketService {
  private readonly options: HostedSocketsOptions;
  private readonly mappings: MappingRegistry;
  private readonly linking: Linking;
  private readonly gathering: Gathering;
  private readonly caller: Caller;
  private readonly deadLetters: DeadLetters;
  private readonly roster: Roster;
  private readonly pending = new Set<Promise<void>>();
  private stopped = false;

  constructor(options: HostedSocketsOptions) {
    this.options = options;
    const { host, store, log } = options;
    this.mappings = new MappingRegistry(options.mappings);
    const local = (socketId: string) => this.local(socketId);
    this.linking = new Linking({ store, log, local, isMapping: (name) => this.mappings.has(name) });
    this.gathering = new Gathering({
      host,
      store,
      log,
      local,
      confirm: (room, peer) => this.linking.confirm(room, peer),
      bereaved: (room, peer) => this.linking.bereaved(room, peer),
    });
    this.roster = new Roster(host, (socketId) => options.epoch(socketId));
    this.deadLetters = new DeadLetters(store.presence);
    this.caller = new Caller({ source: `/baton/${host}`, guard: options.guard, secrets: options.secrets });
    SocketRoom.service = this;
    registerMovable(SocketRoom);
  }

  /** Makes every mapping a room name that clients can join. */
  define(): void {
    const all = this.mappings.all();
    for (const { name } of all) {
      matchMaker.defineRoomType(name, SocketRoom as never, { mapping: name } as never);
    }
    if (all.length > 0) openDirectly((name) => this.mappings.has(name));
  }

  useMigrator(migrator: Migrator): void {
    this.gathering.useMigrator(migrator);
  }

  async shutdown(): Promise<void> {
    this.stopped = true;
    this.linking.stop();
    this.gathering.stop();
    if (this.mappings.all().length > 0) this.inBackground(this.listed(this.roster.forget(this.options.host)));
    const late = new Promise((resolve) => setTimeout(resolve, SHUTDOWN_MS).unref());
    await Promise.race([Promise.all(this.pending), late]);
    await this.caller.shutdown();
  }

  /** Linked sockets move together. */
  groupOf(roomId: string): string[] {
    const room = this.local(roomId);
    const peer = room?.peer === undefined ? undefined : this.local(room.peer);
    return peer && peer.peer === roomId ? [roomId, peer.roomId] : [roomId];
  }

  /** Without tenants a token is the player's name itself; `baton start` says so. */
  playerOf(token: string | undefined): string {
    const name = token ?? '';
    if (name.length === 0) throw tokenInvalid({ reason: 'there is none; pass { token }' });
    if (name.length > MAX_PLAYER_ID)
      throw tokenInvalid({ reason: `it is longer than ${MAX_PLAYER_ID} characters` });
    if (/\p{Surrogate}/u.test(name)) throw tokenInvalid({ reason: 'it is not well-formed text' });
    return name;
  }

  mapping(name: string): Mapping {
    return this.mappings.get(name);
  }

  local(socketId: string): HostedSocket | undefined {
    const room = matchMaker.getLocalRoomById(socketId) as Room | undefined;
    return room instanceof SocketRoom && trackOf(room).phase === 'live' && !trackOf(room).shell
      ? room
      : undefined;
  }

  async opened(room: HostedSocket, options: unknown): Promise<void> {
    const mapping = this.mapping(room.mapping);
    this.inBackground(this.listed(this.roster.add(room)));
    let reply: OpenReply;
    try {
      reply = await this.caller.open(mapping.open, {
        type: 'open',
        mapping: mapping.name,
        socketId: room.roomId,
        playerId: room.playerId,
        epoch: this.options.epoch(room.roomId),
        sequence: ++room.calls,
        data: withoutToken(options),
      });
    } catch (error) {
      this.options.log.warn({ socketId: room.roomId, err: error }, 'the open function failed');
      throw error;
    }
    if (reply.reject) throw new ServerError(reply.reject.code, reply.reject.reason);
    if (room.gone) return;
    room.attributes = reply.attributes;
    if (reply.attributes) this.inBackground(this.listed(this.roster.add(room)));
    if (reply.send !== undefined) room.clients[0]?.send('data', reply.send);
    room.answered(reply.peer);
    // the room stays on this host until that is through
    trackOf(room as unknown as Room).follow('link', this.linking.settle(room, mapping.waitTimeout));
  }

  async closed(room: HostedSocket, code: number | undefined): Promise<void> {
    const { mapping, playerId, attributes } = room;
    const entry = { mapping, playerId, attributes, epoch: this.options.epoch(room.roomId) };
    this.tellClosed(room.roomId, entry, closeReason(code), ++room.calls);
    try {
      await this.linking.end(room);
      await this.roster.remove(room.roomId);
    } catch (error) {
      this.options.log.warn({ socketId: room.roomId, err: error }, 'a closed socket is not cleared up yet');
      this.inBackground(this.clearUp(room));
    }
  }

  /** @param sequence of the call; unknown when the socket's host has died */
  private tellClosed(socketId: string, entry: Entry, reason: string, sequence?: number): void {
    const { mapping, playerId, attributes, epoch } = entry;
    const endpoint = this.mappings.has(mapping) ? this.mapping(mapping).close : undefined;
    if (!endpoint) return;
    const data = { reason, ...(attributes ? { attributes } : {}) };
    const event = { type: 'close', mapping, socketId, playerId, epoch, sequence, data } as const;
    this.inBackground(this.caller.close(endpoint, event).catch((error) => this.undelivered(event, error)));
  }

  private async undelivered(event: CallEvent, error: unknown): Promise<void> {
    const { log } = this.options;
    const { socketId } = event;
    log.warn({ socketId, err: error }, 'the close function failed');
    if (!(error instanceof BatonError)) return;
    const { reason, attempts, callId } = error.details as Record<string, any>;
    const time = new Date().toISOString();
    try {
      await this.deadLetters.add({ time, callId, reason, attempts, event });
    } catch (cause) {
      log.warn({ socketId, err: cause }, 'a call that failed is not on the list of dead letters');
    }
  }

  private async clearUp(room: HostedSocket): Promise<void> {
    for (let i = 0; i < CLEAR_TRIES && !this.stopped; i++) {
      await new Promise((resolve) => setTimeout(resolve, CLEAR_EVERY_MS).unref());
      try {
        await this.linking.end(room);
        await this.roster.remove(room.roomId);
        return;
      } catch {
        // the store is still away
      }
    }
  }

  private inBackground(work: Promise<void>): void {
    this.pending.add(work);
    work.finally(() => this.pending.delete(work));
  }

  arrived(room: HostedSocket, from: string): void {
    this.inBackground(this.listed(this.roster.moved(room, from)));
    this.linking.watch(room);
    this.gathering.begin(room);
  }

  gather(room: HostedSocket): void {
    this.gathering.begin(room);
  }

  /** A socket that is not on the list is cleared up by its peer alone, should its host die. */
  private async listed(work: Promise<void>): Promise<void> {
    await work.catch((error) =>
      this.options.log.warn({ err: error }, 'the list of sockets is not up to date'),
    );
  }

  /** A host died: the peers of its sockets are told, their links end, their close functions are called. */
  async hostGone(dead: HostRecord): Promise<void> {
    if (this.mappings.all().length === 0) return;
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
    await this.linking.bury(socketId);
    if (await this.roster.claim(host, socketId)) this.tellClosed(socketId, entry, 'host-lost');
  }
}
