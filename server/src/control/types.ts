import type { z } from 'zod';
import type { Scope } from '../tenants/index.ts';
import type {
  drainSchema,
  hostSchema,
  migrateSchema,
  refusalSchema,
  reloadSchema,
  roomSchema,
} from './views.ts';

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
