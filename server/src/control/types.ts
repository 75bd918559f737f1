import type { z } from 'zod';
import type { Scope } from '../tenants/index.ts';
import type { EventSink } from './event-stream.ts';
import type {
  deadLetterSchema,
  drainSchema,
  hostSchema,
  migrateSchema,
  refusalSchema,
  reloadSchema,
  roomSchema,
  socketSchema,
  ticketSchema,
  timelineSchema,
} from './views.ts';
import type { WatchSnapshot } from './watch-views.ts';

/** Who asks. */
export interface Principal {
  /** Tenant whose things are asked for. */
  tenant: string;
  /** The service's own token: it acts for any tenant, and on the hosts. */
  operator: boolean;
  scopes: ReadonlySet<Scope>;
  /** Id of the key, never its secret: what the audit log says. `service` for the service's own token. */
  key: string;
}

/** Knows the keys of all tenants. */
export interface KeyRing {
  /** @returns undefined for a key that is unknown, expired or revoked */
  authenticate(bearer: string): Promise<Principal | undefined>;
}

/** A host as operators see it. */
export type HostView = z.infer<typeof hostSchema>;
export type RoomView = z.infer<typeof roomSchema>;
export type MigrateResult = z.infer<typeof migrateSchema>;
/** A room that stays where it is. */
export type Refusal = z.infer<typeof refusalSchema>;
export type DrainResult = z.infer<typeof drainSchema>;
export type ReloadResult = z.infer<typeof reloadSchema>;

export interface ReloadOptions {
  /** Rooms that cannot move to the new code stay on their old host until they end; otherwise they call the reload off. */
  keepImmovable?: boolean;
}

/** What the control API asks of the process it runs in. Failures are `BatonError`s. */
export interface ControlBackend {
  hosts(): Promise<HostView[]>;
  rooms(): Promise<RoomView[]>;
  migrate(roomId: string, to: string): Promise<MigrateResult>;
  drain(host: string, deadlineMs?: number): Promise<DrainResult>;
  reload(options: ReloadOptions): Promise<ReloadResult>;
}

/** A hosted socket as its tenant sees it. */
export type SocketView = z.infer<typeof socketSchema>;
/** A socket that is still to be opened, by whoever has the token. */
export type SocketTicket = z.infer<typeof ticketSchema>;

/** With whom a socket is to be linked: one or several others, or those who ask for the same group. */
export type LinkWish = ({ peer: string } | { peers: string[] } | { group: string; size: number }) & {
  alias?: string | undefined;
  unlink?: true | undefined;
  room?: { name: string; options: Record<string, unknown> } | undefined;
};

/**
 * The hosted sockets of all hosts. An id of another tenant is one that does not exist: `BATON_SOCKET_NOT_FOUND`.
 * Failures are `BatonError`s.
 */
export interface SocketsBackend {
  /**
   * By id, those after `after`.
   * @returns `next`: the id to go on after; absent when these were the last
   */
  list(query: {
    tenant: string;
    mapping?: string;
    after?: string;
    limit: number;
  }): Promise<{ sockets: SocketView[]; next?: string }>;
  get(tenant: string, id: string): Promise<SocketView>;
  /** Of one that is closed as well, for a while. */
  timeline(tenant: string, id: string): Promise<SocketTimeline>;
  close(tenant: string, id: string, close: { code?: number; reason?: string }): Promise<void>;
  /** To the socket's own client. */
  send(tenant: string, id: string, message: { data: Uint8Array; text: boolean }): Promise<void>;
  /** @returns the socket as it is then: linked, or waiting for those it wants */
  link(tenant: string, id: string, wish: LinkWish): Promise<SocketView>;
  unlink(tenant: string, id: string): Promise<SocketView>;
  /** @throws BATON_MAPPING_NOT_FOUND, or that of a quota */
  allocate(
    tenant: string,
    socket: { mapping: string; playerId: string; attributes?: Record<string, unknown> },
  ): Promise<SocketTicket>;
}

/** What has happened to a socket. */
export type SocketTimeline = z.infer<typeof timelineSchema>;

/** Shows what is going on on all hosts. */
export interface WatchBackend {
  /** How it is now. */
  look(principal: Principal): Promise<WatchSnapshot>;
  /**
   * How it is now, and what changes, until nobody reads it any more.
   * @param out opens the stream, once it is clear that there will be one
   * @throws BATON_TOO_MANY_VIEWERS
   */
  watch(principal: Principal, out: () => EventSink): Promise<void>;
}

/** A call to a function that was not delivered. */
export type DeadLetterView = z.infer<typeof deadLetterSchema>;

/** Calls to functions that were not delivered, of each tenant. */
export interface DeadLettersBackend {
  /** The newest first. @param before only those with a smaller number */
  newest(tenant: string, limit: number, before?: number): Promise<DeadLetterView[]>;
  /** @throws BATON_DEAD_LETTER_NOT_FOUND */
  get(tenant: string, number: number): Promise<DeadLetterView>;
  /** @throws BATON_DEAD_LETTER_NOT_FOUND, BATON_CALL_FAILED */
  replay(tenant: string, number: number): Promise<void>;
}
