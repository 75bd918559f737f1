// Tenants, their mappings, keys and tokens as one host knows them.
import type { AddressGuard } from '../calls/index.ts';
import { type DeclaredTenant, loadConfig, MappingRegistry } from '../mappings/index.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { ApiKeys, Catalogue, Tenants, Tokens } from '../tenants/index.ts';

const CALLS_UNSIGNED =
  'their calls to functions are not signed: whoever can reach a function can make calls. ' +
  'Add `signing: { secrets: [...] }` to the file with mappings.';

export interface TenancyOptions {
  store: Store;
  /** Id of this host. */
  host: string;
  guard: AddressGuard;
  /** Absolute path of baton.config, when there is one. */
  file: string | undefined;
  development: boolean;
  log: Log;
}

export class Tenancy {
  readonly tenants: Tenants;
  readonly mappings: MappingRegistry;
  readonly keys: ApiKeys;
  readonly tokens: Tokens;
  private readonly catalogue: Catalogue;
  private readonly declared: DeclaredTenant[];

  /** @throws what is wrong with the file */
  static async start(options: TenancyOptions): Promise<Tenancy> {
    const { file, development, log } = options;
    const declared = file === undefined ? [] : await loadConfig(file, options);
    const tenancy = new Tenancy(options, declared);
    const playing = declared.filter(({ mappings }) => mappings.size > 0);
    const unsigned = playing.filter(({ settings }) => settings.signing === undefined);
    if (unsigned.length > 0) log.warn({ tenants: unsigned.map(({ id }) => id) }, CALLS_UNSIGNED);
    if (development && playing.some(({ settings }) => settings.tokens === undefined))
      tenancy.tokens.warnOnce();
    await tenancy.catalogue.start();
    await tenancy.keys.start();
    return tenancy;
  }

  private constructor(options: TenancyOptions, declared: DeclaredTenant[]) {
    const { store, host, guard, development, log } = options;
    this.declared = declared;
    this.catalogue = new Catalogue({ store, host, log });
    const { catalogue } = this;
    const tenants = new Tenants({ catalogue, store, log });
    this.tenants = tenants;
    this.mappings = new MappingRegistry({ catalogue, tenants, store, guard, development, log });
    this.keys = new ApiKeys({ store, log, isTenant: (tenant) => tenants.has(tenant) });
    const policyOf = (tenant: string) => tenants.settings(tenant).tokens;
    this.tokens = new Tokens({ policyOf, development, guard, log });
  }

  /** Puts baton.config in force, for all hosts; when this host begins to serve, not before. */
  async declare(generation: number): Promise<void> {
    if (this.declared.length > 0) await this.mappings.declare(this.declared, generation);
  }

  async stop(): Promise<void> {
    await Promise.all([this.catalogue.stop(), this.keys.stop(), this.tokens.close()]);
  }
}
