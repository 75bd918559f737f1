// The sockets of all hosts, as those see and handle them who have their ids. A socket of another tenant is not there.
import { BatonError, socketNotFound } from '../errors.ts';
import type { MappingRegistry } from '../mappings/index.ts';
import type { HostRecord } from '../store/index.ts';
import { CloseCode } from './close-codes.ts';
import type { LinkActions } from './links/index.ts';
import type { Reach } from './reach.ts';
import type { HostedSocket } from './service.ts';
import type { Issued, Ticket, Tickets } from './tickets.ts';
import { type PastTimelines, subjectOf, type TimelineView, timelineView } from './timeline.ts';

/** What is told of a socket. */
export interface SocketView {
  socketId: string;
  tenant: string;
  mapping: string;
  mappingVersion: number;
  playerId: string;
  status: HostedSocket['status'];
  peers: string[];
  /** The room that its client is in. */
  room?: string;
  alias?: string;
  attributes?: Record<string, unknown>;
  host: string;
  epoch: number;
  /** Unix time in ms. */
  openedAt: number;
  speech: string;
}

export interface SocketQuery {
  tenant: string;
  mapping?: string | undefined;
  /** Id of the socket before. */
  after?: string | undefined;
  limit: number;
}

export interface DirectoryOptions {
  host: string;
  hosts(): Promise<HostRecord[]>;
  reach: Reach;
  /** Sockets of this host, also those that are just leaving it. */
  rooms(): Iterable<HostedSocket>;
  epoch(socketId: string): number | undefined;
  mappings: MappingRegistry;
  tickets: Tickets;
  past: PastTimelines;
  links: {
    link(tenant: string, socketId: string, wish: LinkActions): Promise<unknown>;
    unlink(tenant: string, socketId: string): Promise<void>;
  };
}

/** Methods of a socket that hosts may call; the first argument is the tenant. */
const METHODS = new Set(['view', 'settled', 'send', 'close', 'timeline']);
/** How long a socket that is to be linked may still be opening. */
const SETTLE_MS = 2_000;
const LOOK_AGAIN_MS = 20;

export class Directory {
  private readonly options: DirectoryOptions;

  constructor(options: DirectoryOptions) {
    this.options = options;
  }

  /** By id. @throws BATON_HOST_UNREACHABLE: a list without the sockets of one host would look whole */
  async list(query: SocketQuery): Promise<{ sockets: SocketView[]; next?: string }> {
    const hosts = await this.options.hosts();
    const lists = hosts.map(({ id }) => this.options.reach.ask(id, 'list', '', [query]));
    // one that just moves may be on two lists: the later epoch is where it went
    const found = new Map<string, SocketView>();
    for (const view of ((await Promise.all(lists)) as SocketView[][]).flat()) {
      const other = found.get(view.socketId);
      if (!other || other.epoch < view.epoch) found.set(view.socketId, view);
    }
    const sockets = [...found.values()].sort((a, b) => (a.socketId < b.socketId ? -1 : 1));
    const page = sockets.slice(0, query.limit);
    return sockets.length > page.length ? { sockets: page, next: page.at(-1)!.socketId } : { sockets: page };
  }

  /** What this host has of a page, and one more to show that it goes on. */
  local({ tenant, mapping, after = '', limit }: SocketQuery): SocketView[] {
    const rooms: HostedSocket[] = [];
    for (const room of this.options.rooms()) {
      const { tenant: owner, name } = room.mapping;
      const wanted = owner === tenant && (mapping === undefined || name === mapping) && room.roomId > after;
      if (wanted && !room.gone) rooms.push(room);
    }
    rooms.sort((a, b) => (a.roomId < b.roomId ? -1 : 1));
    return rooms.slice(0, limit + 1).map((room) => this.view(room));
  }

  /** @throws BATON_SOCKET_NOT_FOUND */
  get(tenant: string, socketId: string): Promise<SocketView> {
    return this.call(tenant, socketId, 'view');
  }

  /**
   * What has happened to a socket; of one that is closed, as long as the host on which it closed keeps it.
   * @throws BATON_SOCKET_NOT_FOUND
   */
  async timeline(tenant: string, socketId: string): Promise<TimelineView> {
    const { reach, hosts } = this.options;
    try {
      return await this.call<TimelineView>(tenant, socketId, 'timeline');
    } catch (error) {
      if (!(error instanceof BatonError) || error.status !== 404) throw error;
      const asked = (await hosts()).map(({ id }) =>
        reach.ask(id, 'past', socketId, [tenant]).catch(() => null),
      );
      const found = (await Promise.all(asked)).find((view) => view !== null);
      if (!found) throw error;
      return found as TimelineView;
    }
  }

  /** @throws BATON_SOCKET_NOT_FOUND */
  async send(tenant: string, socketId: string, message: { data: Uint8Array; text: boolean }): Promise<void> {
    const { data, text } = message;
    await this.call(tenant, socketId, 'send', [Buffer.from(data).toString(text ? 'utf8' : 'base64'), text]);
  }

  /** @throws BATON_SOCKET_NOT_FOUND */
  async close(tenant: string, socketId: string, close: { code?: number; reason?: string }): Promise<void> {
    const { code = CloseCode.deleted, reason = '' } = close;
    await this.call(tenant, socketId, 'close', [code, reason]);
  }

  /**
   * Gives a socket's id out before it opens. It counts as a socket of its tenant when it does.
   * @throws BATON_MAPPING_NOT_FOUND
   */
  async allocate(tenant: string, socket: Omit<Ticket, 'tenant' | 'socketId'>): Promise<Issued> {
    const { mappings, tickets } = this.options;
    mappings.get(tenant, socket.mapping);
    return tickets.issue({ ...socket, tenant });
  }

  /** @returns the socket as it is then @throws BATON_SOCKET_NOT_FOUND, and why it is not linked */
  async link(tenant: string, socketId: string, wish: LinkActions): Promise<SocketView> {
    await this.settled(tenant, socketId);
    await this.options.links.link(tenant, socketId, wish);
    return this.get(tenant, socketId);
  }

  /** @throws BATON_SOCKET_NOT_FOUND */
  async unlink(tenant: string, socketId: string): Promise<SocketView> {
    await this.settled(tenant, socketId);
    await this.options.links.unlink(tenant, socketId);
    return this.get(tenant, socketId);
  }

  /** A client may have told of its socket before there is a record of it to link. */
  private async settled(tenant: string, socketId: string): Promise<void> {
    const until = Date.now() + SETTLE_MS;
    while (!(await this.call<boolean>(tenant, socketId, 'settled')) && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }

  private async call<T>(tenant: string, socketId: string, method: string, args: unknown[] = []): Promise<T> {
    const answer = await this.options.reach.call<T>(socketId, method, [tenant, ...args]);
    if (answer === undefined) throw socketNotFound({ socketId });
    return answer;
  }

  knows(method: string): boolean {
    return METHODS.has(method);
  }

  /** Carries a call out for a socket of this host. @throws BATON_SOCKET_NOT_FOUND */
  perform(room: HostedSocket, method: string, [tenant, first, second]: unknown[]): unknown {
    if (room.mapping.tenant !== tenant || room.gone) throw socketNotFound({ socketId: room.roomId });
    if (method === 'settled') return room.settled;
    if (method === 'timeline') return timelineView(subjectOf(room), room.timeline);
    if (method === 'send') room.tell(second ? first : Buffer.from(first as string, 'base64'));
    else if (method === 'close') room.dismiss(first as number, second as string, 'deleted');
    else return this.view(room);
    return true;
  }

  private view(room: HostedSocket): SocketView {
    const { roomId: socketId, mapping, playerId, status, peers, alias, attributes, openedAt, speech } = room;
    const visited = room.away ? room.visit?.roomId : undefined;
    return {
      socketId,
      tenant: mapping.tenant,
      mapping: mapping.name,
      mappingVersion: mapping.version,
      playerId,
      status,
      peers: [...peers],
      ...(visited === undefined ? {} : { room: visited }),
      ...(alias === undefined ? {} : { alias }),
      ...(attributes === undefined ? {} : { attributes }),
      host: this.options.host,
      epoch: this.options.epoch(socketId) ?? 0,
      openedAt,
      speech,
    };
  }
}
