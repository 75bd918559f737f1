// API keys of tenants: `baton_<tenant>_<id>_<secret>`. The secret is 256 random bits, so that a plain SHA-256 of it is as
// good to keep as a slow hash of a password: there is nothing to guess. The key itself is shown once and kept nowhere.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { invalidRequest, keyNotFound, scopeExceeded, tenantNotFound, tooManyKeys } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { isOperatorScope, SCOPES, type Scope } from './scopes.ts';

/** Of one tenant, revoked ones not counted. */
export const MAX_KEYS = 500;
/** A revoked key works at most this much longer, when a host does not hear that it was revoked. */
export const KEY_GOOD_FOR_MS = 5_000;
/** Keys of which a host knows that they are good; more take a question to the store each. */
const MAX_KNOWN = 10_000;
/** When a key was used last is written this often. */
const USED_EVERY_MS = 60_000;
/** Revoked and expired keys are listed for so long. */
const REVOKED_KEPT_MS = 30 * 24 * 3_600_000;
const USED_KEPT_MS = 400 * 24 * 3_600_000;
const LIST_TRIES = 20;

const KEY = /^baton_([a-z][a-z0-9-]{0,31})_([0-9a-f]{16})_([\w-]{43})$/;
const REVOKED = 'baton:key-revoked';

export const keyName = z.string().min(1).max(100);
/** What a tenant's key may be given. */
export const keyScope = z.enum(SCOPES.filter((scope) => !isOperatorScope(scope)) as [Scope, ...Scope[]]);

const recordSchema = z.object({
  name: z.string(),
  /** SHA-256 of the secret, hexadecimal. */
  hash: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: z.string(),
  /** Who made it: the id of a key, or `service`. */
  createdBy: z.string(),
  expiresAt: z.string().optional(),
  revokedAt: z.string().optional(),
});
type KeyRecord = z.infer<typeof recordSchema>;

/** A key as its tenant sees it. */
export interface KeyView extends Omit<KeyRecord, 'hash'> {
  id: string;
  /** To the minute. Absent: never. */
  lastUsedAt?: string;
}

interface KeyOwner {
  tenant: string;
  operator: boolean;
  scopes: ReadonlySet<Scope>;
  /** Id of the key. */
  key: string;
}

export interface ApiKeysOptions {
  store: Store;
  log: Log;
  isTenant(tenant: string): boolean;
  /** Default `Date.now`. */
  now?: () => number;
}

const recordKey = (tenant: string, id: string) => `key:${tenant}:${id}`;
const usedKey = (tenant: string, id: string) => `key-used:${tenant}:${id}`;
const listKey = (tenant: string) => `keys:${tenant}`;
const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest();

export class ApiKeys {
  private readonly options: ApiKeysOptions;
  private readonly now: () => number;
  /** By digest of the whole key. */
  private readonly known = new Map<string, { owner: KeyOwner; until: number }>();
  private readonly used = new Map<string, number>();
  private readonly forget = ({ id }: { id: string }) => {
    for (const [key, { owner }] of this.known) if (owner.key === id) this.known.delete(key);
  };

  constructor(options: ApiKeysOptions) {
    this.options = options;
    this.now = options.now ?? Date.now;
  }

  async start(): Promise<void> {
    await this.options.store.presence.subscribe(REVOKED, this.forget);
  }

  async stop(): Promise<void> {
    await Promise.allSettled([this.options.store.presence.unsubscribe(REVOKED, this.forget)]);
  }

  /**
   * Who a key is of.
   * @returns undefined for one that is unknown, expired, revoked or of a tenant that is no more
   * @throws BATON_STORE_UNAVAILABLE
   */
  async authenticate(bearer: string): Promise<KeyOwner | undefined> {
    const [, tenant, id, secret] = KEY.exec(bearer) ?? [];
    if (tenant === undefined || !this.options.isTenant(tenant)) return undefined;
    const whole = digest(bearer).toString('base64');
    const known = this.known.get(whole);
    if (known && this.now() < known.until) return known.owner;
    this.known.delete(whole);
    const record = await this.read(tenant, id!);
    // the id is no secret: whether there is one may show in the time this takes
    if (!record || !timingSafeEqual(digest(secret!), Buffer.from(record.hash, 'hex'))) return undefined;
    const left = this.left(record);
    if (left <= 0) return undefined;
    const owner = { tenant, operator: false, scopes: new Set(record.scopes), key: id! };
    if (this.known.size >= MAX_KNOWN) this.known.clear();
    this.known.set(whole, { owner, until: this.now() + Math.min(left, KEY_GOOD_FOR_MS) });
    this.wasUsed(tenant, id!);
    return owner;
  }

  /**
   * @param by who makes it: it cannot give what it has not
   * @returns the key, the only time; and what is kept of it
   * @throws BATON_SCOPE_EXCEEDED, BATON_TOO_MANY_KEYS, BATON_TENANT_NOT_FOUND; BATON_INVALID_REQUEST for one that would
   *   have expired already
   */
  async create(
    by: KeyOwner,
    { name, scopes, expiresAt }: { name: string; scopes: Scope[]; expiresAt?: string | undefined },
  ): Promise<{ key: string; view: KeyView }> {
    const { tenant } = by;
    if (!this.options.isTenant(tenant)) throw tenantNotFound({ tenant });
    if (expiresAt !== undefined && Date.parse(expiresAt) <= this.now())
      throw invalidRequest({ reason: 'expiresAt: it is not in the future', field: 'expiresAt' });
    const denied = scopes.filter((scope) => isOperatorScope(scope) || !by.scopes.has(scope));
    if (denied.length > 0) throw scopeExceeded({ scopes: denied.join(', ') });
    const id = randomBytes(8).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const record: KeyRecord = {
      name,
      hash: digest(secret).toString('hex'),
      scopes: [...new Set(scopes)].sort(),
      createdAt: new Date(this.now()).toISOString(),
      createdBy: by.key,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    const kept = expiresAt === undefined ? undefined : this.left(record) + REVOKED_KEPT_MS;
    await this.options.store.set(recordKey(tenant, id), JSON.stringify(record), 0, kept);
    try {
      await this.addToList(tenant, id);
    } catch (error) {
      await this.options.store.del(recordKey(tenant, id));
      throw error;
    }
    return { key: `baton_${tenant}_${id}_${secret}`, view: viewOf(id, record) };
  }

  /** The newest first. @param after only those that were made before it */
  async list(
    tenant: string,
    { after, limit = Number.POSITIVE_INFINITY }: { after?: string | undefined; limit?: number } = {},
  ): Promise<KeyView[]> {
    const { store } = this.options;
    const ids = idsIn((await store.get(listKey(tenant)))?.value).reverse();
    const from = after === undefined ? 0 : ids.indexOf(after) + 1;
    const views = await Promise.all(
      ids.slice(from, from + limit).map(async (id) => {
        const [record, used] = await Promise.all([this.read(tenant, id), store.get(usedKey(tenant, id))]);
        return record && viewOf(id, record, used?.value);
      }),
    );
    return views.filter((view) => view !== undefined);
  }

  /**
   * From now on the key is refused, on hosts that do not hear of it after KEY_GOOD_FOR_MS at most.
   * @throws BATON_KEY_NOT_FOUND
   */
  async revoke(tenant: string, id: string): Promise<KeyView> {
    const { store, log } = this.options;
    for (;;) {
      const found = await store.get(recordKey(tenant, id));
      const record = found && recordSchema.parse(JSON.parse(found.value));
      if (!record || record.revokedAt !== undefined) throw keyNotFound({ key: id });
      const revoked = { ...record, revokedAt: new Date(this.now()).toISOString() };
      const done = await store.set(
        recordKey(tenant, id),
        JSON.stringify(revoked),
        found.version,
        REVOKED_KEPT_MS,
      );
      if (done === undefined) continue;
      this.forget({ id });
      await store.presence
        .publish(REVOKED, { id })
        .catch((error: unknown) => log.warn({ key: id, err: error }, 'hosts hear later of a revoked key'));
      return viewOf(id, revoked);
    }
  }

  /** Milliseconds for which it is good. */
  private left({ expiresAt, revokedAt }: KeyRecord): number {
    if (revokedAt !== undefined) return 0;
    return expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt) - this.now();
  }

  private async read(tenant: string, id: string): Promise<KeyRecord | undefined> {
    const found = await this.options.store.get(recordKey(tenant, id));
    return found && recordSchema.parse(JSON.parse(found.value));
  }

  /** Those that are no longer there go meanwhile. */
  private async addToList(tenant: string, id: string): Promise<void> {
    const { store } = this.options;
    for (let attempt = 1; attempt <= LIST_TRIES; attempt++) {
      const found = await store.get(listKey(tenant));
      const ids = idsIn(found?.value);
      const records = await Promise.all(ids.map((each) => this.read(tenant, each)));
      const isLive = ids.map((_, at) => records[at] !== undefined && this.left(records[at]) > 0);
      if (isLive.filter(Boolean).length >= MAX_KEYS) throw tooManyKeys({ tenant, limit: MAX_KEYS });
      const ended = ids.filter((_, at) => records[at] !== undefined && !isLive[at]).slice(-MAX_KEYS);
      const listed = [...ids.filter((each, at) => isLive[at] || ended.includes(each)), id];
      const done = await store.set(listKey(tenant), JSON.stringify(listed), found?.version ?? 0);
      if (done !== undefined) return;
    }
    throw new Error(`the keys of ${tenant} are changed by too many at a time`);
  }

  /** Neither waited for nor repeated: it is for people who wonder whether a key is still needed. */
  private wasUsed(tenant: string, id: string): void {
    const now = this.now();
    if (now - (this.used.get(id) ?? 0) < USED_EVERY_MS) return;
    if (this.used.size >= MAX_KNOWN) this.used.clear();
    this.used.set(id, now);
    const minute = new Date(now - (now % 60_000)).toISOString();
    this.options.store
      .set(usedKey(tenant, id), minute, undefined, USED_KEPT_MS)
      .catch((error: unknown) => this.options.log.debug({ key: id, err: error }, 'its use was not written'));
  }
}

const idsIn = (value: string | undefined): string[] =>
  value === undefined ? [] : z.array(z.string()).parse(JSON.parse(value));

function viewOf(id: string, { hash: _hash, ...record }: KeyRecord, lastUsedAt?: string): KeyView {
  return { id, ...record, ...(lastUsedAt === undefined ? {} : { lastUsedAt }) };
}
