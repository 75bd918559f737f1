import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { functionConflict, functionNotFound, functionsFull } from '../errors.ts';
import type { Store } from '../store/index.ts';

/** Functions of one tenant: a quarter of those that a machine runs. */
const MAX_FUNCTIONS = 16;
/** Versions of a function that are kept, the current one included. */
const MAX_VERSIONS = 5;
/** Attempts at a change that another one gets ahead of. */
const TRIES_AT_CHANGE = 8;

export const functionName = z
  .string()
  .regex(/^[A-Za-z][\w-]{0,63}$/, 'expected a letter, then letters, digits, _ or -, 64 at most');

const versionSchema = z.object({
  version: z.number().int().min(1),
  sha256: z.string(),
  /** Of the bundle. */
  bytes: z.number().int(),
  /** Milliseconds since 1970. */
  createdAt: z.number(),
  /** Name in the function's environment → name of the secret. */
  env: z.record(z.string(), z.string()),
  /** Origins that it may connect to. */
  allowNet: z.array(z.string()),
  /** Under which its bundle is kept; versions of the same bundle share it. */
  code: z.string(),
});
export type FunctionVersion = z.infer<typeof versionSchema>;

const tenantSchema = z.record(z.string(), z.array(versionSchema));
/** All functions of a tenant by name, the versions of each with the newest first. */
type TenantRecord = z.infer<typeof tenantSchema>;

export interface Bundle {
  code: string;
  env: Record<string, string>;
  allowNet: string[];
}

/**
 * What is deployed: one record per tenant with the versions of its functions, and one per bundle. A bundle is written
 * before the record names it and removed after none does, so that what the record names is there.
 */
export class FunctionRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async all(tenant: string): Promise<TenantRecord> {
    return (await this.#read(tenant)).record;
  }

  /** The newest first. @throws BATON_FUNCTION_NOT_FOUND */
  async versions(tenant: string, name: string): Promise<FunctionVersion[]> {
    return versionsIn((await this.#read(tenant)).record, name);
  }

  /** @throws BATON_FUNCTION_NOT_FOUND also when it was removed meanwhile */
  async code(tenant: string, name: string, version: FunctionVersion): Promise<string> {
    const found = await this.#store.get(codeKey(tenant, name, version.code));
    if (found === undefined) throw functionNotFound({ function: name });
    return found.value;
  }

  /** @throws BATON_FUNCTIONS_FULL, BATON_FUNCTION_CONFLICT */
  async add(tenant: string, name: string, { code, env, allowNet }: Bundle): Promise<FunctionVersion> {
    const id = randomUUID();
    await this.#store.set(codeKey(tenant, name, id), code);
    const bundle = {
      sha256: createHash('sha256').update(code).digest('hex'),
      bytes: Buffer.byteLength(code),
      env,
      allowNet,
      code: id,
    };
    try {
      return await this.#append(tenant, name, () => bundle);
    } catch (error) {
      await this.#store.del(codeKey(tenant, name, id)).catch(() => {});
      throw error;
    }
  }

  /** Makes an earlier version the newest one again. @throws BATON_FUNCTION_NOT_FOUND, BATON_FUNCTION_CONFLICT */
  again(tenant: string, name: string, earlier: FunctionVersion): Promise<FunctionVersion> {
    return this.#append(tenant, name, (versions) => {
      if (!versions.some(({ code }) => code === earlier.code)) throw functionNotFound({ function: name });
      return earlier;
    });
  }

  /** @throws BATON_FUNCTION_NOT_FOUND, BATON_FUNCTION_CONFLICT */
  async remove(tenant: string, name: string): Promise<void> {
    const gone = await this.#change(tenant, name, (record) => {
      const versions = versionsIn(record, name);
      delete record[name];
      return versions;
    });
    await this.#dropCode(tenant, name, gone, []);
  }

  async #append(
    tenant: string,
    name: string,
    make: (before: FunctionVersion[]) => Omit<FunctionVersion, 'version' | 'createdAt'>,
  ): Promise<FunctionVersion> {
    const { added, kept, dropped } = await this.#change(tenant, name, (record) => {
      const before = Object.hasOwn(record, name) ? record[name]! : [];
      if (before.length === 0 && Object.keys(record).length >= MAX_FUNCTIONS)
        throw functionsFull({ limit: MAX_FUNCTIONS });
      const added = { ...make(before), version: (before[0]?.version ?? 0) + 1, createdAt: Date.now() };
      const versions = [added, ...before];
      record[name] = versions.slice(0, MAX_VERSIONS);
      return { added, kept: record[name], dropped: versions.slice(MAX_VERSIONS) };
    });
    await this.#dropCode(tenant, name, dropped, kept);
    return added;
  }

  async #change<T>(tenant: string, name: string, change: (record: TenantRecord) => T): Promise<T> {
    for (let attempt = 0; attempt < TRIES_AT_CHANGE; attempt++) {
      const { record, version } = await this.#read(tenant);
      const result = change(record);
      if (await this.#store.set(tenantKey(tenant), JSON.stringify(record), version)) return result;
    }
    throw functionConflict({ function: name });
  }

  async #read(tenant: string): Promise<{ record: TenantRecord; version: number }> {
    const found = await this.#store.get(tenantKey(tenant));
    if (found === undefined) return { record: {}, version: 0 };
    return { record: tenantSchema.parse(JSON.parse(found.value)), version: found.version };
  }

  /** What stays behind when this fails is of no use, but does no harm. */
  async #dropCode(
    tenant: string,
    name: string,
    gone: FunctionVersion[],
    kept: FunctionVersion[],
  ): Promise<void> {
    const inUse = new Set(kept.map(({ code }) => code));
    const unused = new Set(gone.map(({ code }) => code).filter((code) => !inUse.has(code)));
    await Promise.allSettled([...unused].map((code) => this.#store.del(codeKey(tenant, name, code))));
  }
}

function versionsIn(record: TenantRecord, name: string): FunctionVersion[] {
  if (!Object.hasOwn(record, name)) throw functionNotFound({ function: name });
  return record[name]!;
}

const tenantKey = (tenant: string) => `functions:${tenant}`;
const codeKey = (tenant: string, name: string, id: string) => `function-code:${tenant}:${name}:${id}`;
