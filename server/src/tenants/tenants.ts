// The tenants of a service, as every host knows them.
import { tenantNotFound } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { type Catalogue, type CatalogueContent, own } from './catalogue.ts';
import { Documents } from './documents.ts';
import { DEFAULT_TENANT, type TenantSettings, tenantSettings } from './settings.ts';

const keyOf = (tenant: string) => `tenant:${tenant}`;
const noSettings: TenantSettings = { quotas: {} };

export class Tenants {
  private readonly catalogue: Catalogue;
  private readonly documents: Documents<TenantSettings>;

  constructor({ catalogue, store, log }: { catalogue: Catalogue; store: Store; log: Log }) {
    this.catalogue = catalogue;
    this.documents = new Documents({
      store,
      log,
      keep: 2, // secrets that were taken out are not to stay
      read: (_key, { content }) => tenantSettings.parse(content),
    });
    catalogue.follow({
      load: ({ tenants }) =>
        this.documents.load(
          new Map(
            Object.entries(tenants)
              .filter(([, { settings }]) => settings > 0)
              .map(([id, { settings }]) => [keyOf(id), settings]),
          ),
        ),
      restore: () => this.documents.restore(),
    });
  }

  /** The default tenant is always there. */
  has(tenant: string): boolean {
    if (tenant === DEFAULT_TENANT) return true;
    const entry = own(this.catalogue.content.tenants, tenant);
    return entry !== undefined && !entry.closed;
  }

  /** Those that are not closed, by id. */
  list(): string[] {
    const ids = Object.keys(this.catalogue.content.tenants).filter((tenant) => this.has(tenant));
    return [...new Set([DEFAULT_TENANT, ...ids])].sort();
  }

  /** @throws BATON_TENANT_NOT_FOUND */
  check(tenant: string): void {
    if (!this.has(tenant)) throw tenantNotFound({ tenant });
  }

  /** The same object until they change. Those of a tenant that does not exist are empty. */
  settings(tenant: string): TenantSettings {
    return (this.has(tenant) && this.documents.get(keyOf(tenant))) || noSettings;
  }

  /**
   * Makes a tenant what baton.config says, in `content`.
   * @param settings as they are written there; plain JSON
   * @returns whether that changed anything
   */
  async declare(content: CatalogueContent, tenant: string, settings: unknown): Promise<boolean> {
    const entry = own(content.tenants, tenant);
    const last = entry?.settings ?? 0;
    const version = await this.documents.add(keyOf(tenant), settings, last, last > 0);
    content.tenants[tenant] = { settings: version, mappings: entry?.mappings ?? {} };
    return version !== last || entry?.closed === true;
  }
}
