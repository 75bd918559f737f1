// The links of one host's sockets: who is linked with whom, their way to one host, and the room of their link.
import { matchMaker, type Room } from '@colyseus/core';
import { linkStale } from '../errors.ts';
import { type Migrator, trackOf } from '../migration/index.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { TenantLog } from '../tenants/index.ts';
import type { BatonTransport } from '../transport/index.ts';
import { Gathering, type LinkActions, Linking, type Wish, wishOf } from './links/index.ts';
import type { Reach } from './reach.ts';
import { LinkRooms } from './rooms.ts';
import type { HostedSocket } from './service.ts';

/** Sockets that are looked up at a time when the store has lost what it knew of this host. */
const RESTORED_AT_ONCE = 500;

export interface LinkedSocketsOptions {
  host: string;
  store: Store;
  log: Log;
  tenantLog: TenantLog;
  reach: Reach;
  /** Epoch at which this host owns a socket. */
  epoch(socketId: string): number | undefined;
  local(socketId: string): HostedSocket | undefined;
  /** Takes work that a host which stops waits for. */
  inBackground(work: Promise<void>): void;
}

export class LinkedSockets {
  private readonly options: LinkedSocketsOptions;
  readonly linking: Linking;
  readonly rooms: LinkRooms;
  private readonly gathering: Gathering<HostedSocket>;
  private migrator: Migrator | undefined;

  constructor(options: LinkedSocketsOptions) {
    this.options = options;
    const { host, store, log, tenantLog, reach, epoch, local } = options;
    const call = (socketId: string, method: string, args: unknown[]) => reach.call(socketId, method, args);
    const move = (socketIds: string[], to: string) => this.moveTogether(socketIds, to);
    this.linking = new Linking({ store, log, tenantLog, local, epoch, call });
    this.gathering = new Gathering({
      host,
      store,
      log,
      local,
      present: (socketId) => matchMaker.getLocalRoomById(socketId) !== undefined,
      sync: (room) => this.linking.sync(room),
      bury: (room, peer) => this.linking.bury(room.tenant, peer),
      move,
    });
    this.rooms = new LinkRooms({ host, store, log, tenantLog, linking: this.linking, local, move, call });
  }

  use(migrator: Migrator, transport: BatonTransport): void {
    this.migrator = migrator;
    this.rooms.use(migrator, transport);
  }

  stop(): void {
    this.options.inBackground(this.linking.stop());
    this.gathering.stop();
  }

  // --- where they are

  private async moveTogether(socketIds: string[], to: string): Promise<void> {
    for (const outcome of await this.migrator!.moveTogether(this.closure(socketIds), to))
      if ('error' in outcome) throw outcome.error;
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
    const { local } = this.options;
    const room = local(roomId);
    const peers = room?.peers.filter((id) => local(id)?.link?.id === room.link?.id) ?? [];
    return [...peers, ...this.rooms.beside(roomId)];
  }

  // --- what they are linked with

  /** Does what a function wants of a socket's link. */
  settle(room: HostedSocket, wish: Wish): void {
    const past = wish.room && this.rooms.past(room);
    if (past !== undefined) wish.past = past;
    follow(room, this.linking.settle(room, wish, room.mapping.waitTimeout));
  }

  /** The same for the control API. @throws why that is not done */
  async wish(room: HostedSocket, wish: Wish): Promise<{ waits: boolean; peers: string[] }> {
    if (!room.settled || room.gone)
      throw linkStale({ socketId: room.roomId, reason: room.gone ? 'it is closing' : 'it is still opening' });
    const work = this.linking.want(room, wish, room.mapping.waitTimeout);
    follow(room, work);
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

  relinked(room: HostedSocket): void {
    this.linking.watch(room);
    this.gathering.begin(room);
    this.rooms.due(room);
  }

  /** Came from another host. */
  arrived(room: HostedSocket): void {
    this.relinked(room);
    this.rooms.arrived(room);
    // it may not have been told meanwhile
    this.options.inBackground(
      this.linking.sync(room).catch((error) => {
        const about = { socketId: room.roomId, err: error };
        this.options.log.warn(about, 'whether a socket is still linked was not looked up');
      }),
    );
  }

  /** The store lost this host, or everything: what it does not have of the sockets among these rooms is put back. */
  async restore(roomIds: string[]): Promise<void> {
    const rooms = roomIds.flatMap((id) => this.options.local(id) ?? []);
    for (let i = 0; i < rooms.length; i += RESTORED_AT_ONCE)
      await this.linking.restore(rooms.slice(i, i + RESTORED_AT_ONCE));
  }

  // --- what their peers hear

  eased(room: HostedSocket): void {
    for (const peer of room.peers) this.options.local(peer)?.flush(); // those that waited for it are read again
  }

  tellPeers({ roomId, peers }: HostedSocket, event: 'peer-drop' | 'peer-back'): void {
    const { reach, log, inBackground } = this.options;
    for (const peer of peers) {
      const told = reach.call<void>(peer, 'noticed', [event, roomId]);
      const failed = (error: unknown) => log.debug({ socketId: peer, err: error }, `${event} was not told`);
      inBackground(told.catch(failed));
    }
  }
}

/** The room stays on this host until that is through. */
function follow(room: HostedSocket, work: Promise<unknown>): void {
  trackOf(room as unknown as Room).follow('link', work);
}
