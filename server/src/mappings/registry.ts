import type { AddressGuard } from '../calls/index.ts';
import { mappingDeclared, mappingNotFound, tokenPolicyMissing, tooManyMappings } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import {
  type Catalogue,
  type CatalogueContent,
  Documents,
  type Entry,
  own,
  type Tenants,
  type Version,
} from '../tenants/index.ts';
import { checkEndpoints, parseMapping, urlsIn } from './check.ts';
import type { DeclaredTenant } from './config.ts';
import type { Mapping } from './schema.ts';

/** Of one tenant. */
export const MAX_MAPPINGS = 1_000;
/** Deleted mappings of a tenant whose version numbers are remembered, so that they are not used again. */
const MAX_DELETED = 1_000;
/** Versions of a mapping that are kept. */
const MAX_VERSIONS = 10;

const keyOf = (tenant: string, name: string) => `mapping:${tenant}:${name}`;

export interface MappingRegistryOptions {
  catalogue: Catalogue;
  tenants: Tenants;
  store: Store;
  guard: AddressGuard;
  log: Log;
  /** Tenants need no way to verify tokens. */
  development: boolean;
}

/** A mapping as those see it who manage it. */
export interface MappingView {
  name: string;
  version: number;
  /** It is written in baton.config, and changed there only. */
  declared: boolean;
  /** When this version was made, ISO 8601. */
  updatedAt: string;
  /** As it was written. */
  mapping: unknown;
}

export interface Applied extends MappingView {
  /** False: this is what it was already. */
  changed: boolean;
  /** Every host has it by now. */
  everywhere: boolean;
}

/** Undefined: there is none any more. */
type Listener = (tenant: string, name: string, mapping: Mapping | undefined) => void;

/** The mappings of all tenants, in the memory of this host: it follows what any host changes. */
export class MappingRegistry {
  private readonly options: MappingRegistryOptions;
  private readonly documents: Documents<Mapping>;
  private readonly listeners = new Set<Listener>();
  private names = new Set<string>();
  /**
   * Asks an endpoint whether it wants the calls; outside development, before it gets any.
   * @throws BATON_ENDPOINT_UNPROVEN
   */
  prove: (url: string) => Promise<void> = async () => {};

  constructor(options: MappingRegistryOptions) {
    this.options = options;
    const { catalogue, store, log } = options;
    this.documents = new Documents({
      store,
      log,
      keep: MAX_VERSIONS,
      read: (key, { version, content }) => {
        const [, tenant, name] = key.split(':');
        return parseMapping(tenant!, name!, content, version);
      },
      changed: (key, mapping) => {
        const [, tenant, name] = key.split(':');
        for (const listener of this.listeners) listener(tenant!, name!, mapping);
      },
    });
    catalogue.follow({
      load: (content) => {
        this.names = new Set(Object.values(content.tenants).flatMap(({ mappings }) => Object.keys(mappings)));
        return this.documents.load(inForce(content));
      },
      restore: () => this.documents.restore(),
    });
  }

  /** @throws BATON_MAPPING_NOT_FOUND, also for those of other tenants */
  get(tenant: string, name: string): Mapping {
    const mapping = this.documents.get(keyOf(tenant, name));
    if (!mapping) throw mappingNotFound({ mapping: name });
    return mapping;
  }

  has(tenant: string, name: string): boolean {
    return this.documents.get(keyOf(tenant, name)) !== undefined;
  }

  /** Whether some tenant has, or had, a mapping of this name. */
  isName(name: string): boolean {
    return this.names.has(name);
  }

  /**
   * Calls the listener for every mapping that is new, has another version or is gone, as soon as this host knows.
   * @returns a function that removes the listener
   */
  onChange(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Makes `content` the current version of a mapping; when it is that already, nothing changes.
   * @throws BATON_MAPPING_INVALID, BATON_ENDPOINT_FORBIDDEN, BATON_ENDPOINT_UNPROVEN, BATON_MAPPING_DECLARED,
   *   BATON_TENANT_NOT_FOUND, BATON_TOKEN_POLICY_MISSING, BATON_TOO_MANY_MAPPINGS
   */
  async apply(tenant: string, name: string, content: unknown): Promise<Applied> {
    const { catalogue, tenants, guard, development } = this.options;
    const mapping = parseMapping(tenant, name, content);
    checkEndpoints(mapping, guard);
    tenants.check(tenant);
    if (!development && tenants.settings(tenant).tokens === undefined)
      throw tokenPolicyMissing({ tenant, where: 'to it in baton.config' });
    await Promise.all(this.unproven(mapping).map((url) => this.prove(url)));
    let changed = false;
    const everywhere = await catalogue.update(async (all) => {
      const mappings = mappingsOf(all, tenant);
      if (own(mappings, name)?.declared) throw mappingDeclared({ mapping: name });
      checkNumber(tenant, mappings, [name]);
      changed = await this.put(mappings, tenant, name, content);
      return changed;
    });
    return { ...this.view(tenant, name), changed, everywhere };
  }

  /** Its endpoints that are not those of the version in force. */
  private unproven(mapping: Mapping): string[] {
    if (this.options.development) return [];
    const current = this.documents.get(keyOf(mapping.tenant, mapping.name));
    const known = new Set(current ? urlsIn(current).map(({ url }) => url) : []);
    return [...new Set(urlsIn(mapping).map(({ url }) => url))].filter((url) => !known.has(url));
  }

  /**
   * Sockets that are open stay; new ones are refused.
   * @throws BATON_MAPPING_NOT_FOUND, BATON_MAPPING_DECLARED
   */
  async delete(tenant: string, name: string): Promise<void> {
    let last = 0;
    await this.options.catalogue.update(async (all) => {
      const mappings = mappingsOf(all, tenant);
      const entry = own(mappings, name);
      if (!entry || entry.deleted) throw mappingNotFound({ mapping: name });
      if (entry.declared) throw mappingDeclared({ mapping: name });
      last = entry.version;
      remove(mappings, name);
      return true;
    });
    await this.documents.remove(keyOf(tenant, name), last);
  }

  /** @throws BATON_MAPPING_NOT_FOUND */
  view(tenant: string, name: string): MappingView {
    const key = keyOf(tenant, name);
    const version = this.documents.version(key);
    if (!version) throw mappingNotFound({ mapping: name });
    const declared = own(this.entries(tenant), name)?.declared === true;
    return { name, version: version.version, declared, updatedAt: version.at, mapping: version.content };
  }

  private entries(tenant: string): Record<string, Entry> | undefined {
    return own(this.options.catalogue.content.tenants, tenant)?.mappings;
  }

  /** Versions that are kept, the newest first. @throws BATON_MAPPING_NOT_FOUND */
  async versions(tenant: string, name: string): Promise<Version[]> {
    const current = this.view(tenant, name).version;
    const all = await this.documents.versions(keyOf(tenant, name));
    return all.filter(({ version }) => version <= current);
  }

  /** By name. @param after only those that come behind it */
  list(tenant: string, { after = '', limit }: { after?: string | undefined; limit: number }): MappingView[] {
    return Object.entries(this.entries(tenant) ?? {})
      .filter(
        ([name, { deleted }]) => !deleted && name > after && this.documents.version(keyOf(tenant, name)),
      )
      .map(([name]) => name)
      .sort()
      .slice(0, limit)
      .map((name) => this.view(tenant, name));
  }

  /**
   * Makes what a file declares the truth, if no newer generation has declared its own: what the file names is as it says,
   * what was declared and is no longer there is deleted, tenants that are no longer there are closed.
   */
  async declare(declared: DeclaredTenant[], generation: number): Promise<void> {
    const { catalogue, tenants, log } = this.options;
    const asked = declared.flatMap(({ id, mappings }) =>
      [...mappings].flatMap(([name, content]) => this.unproven(parseMapping(id, name, content))),
    );
    const inFile = new Map(declared.map((tenant) => [tenant.id, tenant]));
    await catalogue.update(async (all) => {
      if (all.generation > generation)
        log.warn({ generation: all.generation }, 'the mappings of a newer generation stay in force');
      if (all.generation >= generation) return false;
      all.generation = generation;
      for (const { id, settings, mappings } of declared) {
        await tenants.declare(all, id, settings);
        await this.declareMappings(all, id, mappings);
      }
      for (const [id, tenant] of Object.entries(all.tenants)) if (!inFile.has(id)) tenant.closed = true;
      return true;
    });
    // what is in a file the operator answers for
    for (const url of new Set(asked))
      void this.prove(url).catch((err: unknown) =>
        log.warn({ err }, 'an endpoint does not say it wants calls'),
      );
  }

  private async declareMappings(
    all: CatalogueContent,
    tenant: string,
    declared: Map<string, unknown>,
  ): Promise<void> {
    const mappings = mappingsOf(all, tenant);
    for (const [name, entry] of Object.entries(mappings))
      if (entry.declared && !declared.has(name)) remove(mappings, name);
    checkNumber(tenant, mappings, [...declared.keys()]);
    for (const [name, content] of declared) {
      await this.put(mappings, tenant, name, content);
      mappings[name]!.declared = true;
    }
  }

  /** @returns whether it is another one than before */
  private async put(
    mappings: Record<string, Entry>,
    tenant: string,
    name: string,
    content: unknown,
  ): Promise<boolean> {
    const { version: last = 0, deleted = false } = own(mappings, name) ?? {};
    const version = await this.documents.add(keyOf(tenant, name), content, last, last > 0 && !deleted);
    mappings[name] = { version };
    return version !== last;
  }
}

/** Versions of the mappings that count, by key. */
function inForce({ tenants }: CatalogueContent): Map<string, number> {
  const open = Object.entries(tenants).filter(([, { closed }]) => !closed);
  return new Map(
    open.flatMap(([tenant, { mappings }]) =>
      Object.entries(mappings)
        .filter(([, { deleted }]) => !deleted)
        .map(([name, { version }]) => [keyOf(tenant, name), version] as const),
    ),
  );
}

function mappingsOf(all: CatalogueContent, tenant: string): Record<string, Entry> {
  const there = own(all.tenants, tenant) ?? { settings: 0, mappings: {} };
  all.tenants[tenant] = there;
  return there.mappings;
}

function remove(mappings: Record<string, Entry>, name: string): void {
  const { version } = mappings[name]!;
  delete mappings[name]; // to the end of the list
  mappings[name] = { version, deleted: true };
  const deleted = Object.keys(mappings).filter((each) => mappings[each]!.deleted);
  for (const oldest of deleted.slice(0, -MAX_DELETED)) delete mappings[oldest];
}

/** @param added names that are to be there too @throws BATON_TOO_MANY_MAPPINGS */
function checkNumber(tenant: string, mappings: Record<string, Entry>, added: string[]): void {
  const there = Object.keys(mappings).filter((name) => !mappings[name]!.deleted);
  if (new Set([...there, ...added]).size > MAX_MAPPINGS)
    throw tooManyMappings({ tenant, limit: MAX_MAPPINGS });
}
