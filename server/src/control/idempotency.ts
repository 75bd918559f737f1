// `Idempotency-Key`: a write that is sent again with its key is carried out once, whichever hosts it reaches, and
// answered again with the first answer (draft-ietf-httpapi-idempotency-key-header).
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { idempotencyConflict, idempotencyInProgress, idempotencyNotKept, invalidRequest } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { Outcome } from './problem.ts';

/** How long an answer is kept. */
const KEEP_MS = 24 * 3_600_000;
/** … and how many of one tenant: the oldest goes first. */
const MAX_KEPT = 10_000;
/** UTF-16 units of an answer that is kept. */
const MAX_KEPT_LENGTH = 64 * 1024;
/** A host that died while it carried a request out holds its key for so long. */
const RUNNING_MS = 30_000;
const RETRY_AFTER_SECONDS = 1;
/** Of the header's value. */
export const KEY = /^[\x21-\x7e]{1,255}$/;

const recordSchema = z.object({
  /** Digest of the whole request. */
  request: z.string(),
  /** Absent while it is being carried out. */
  outcome: z
    .object({
      status: z.number(),
      headers: z.record(z.string(), z.string()),
      body: z.string().optional(),
      code: z.string().optional(),
    })
    .optional(),
  /** It was, with this status, but its answer is not here. */
  notKept: z.number().optional(),
});
type KeyRecord = z.infer<typeof recordSchema>;

/** A request with a key. */
export interface KeyedRequest {
  tenant: string;
  /** Key of the principal, then the operation: each has idempotency keys of its own. */
  principal: string;
  operation: string;
  /** Value of the header. */
  key: string;
  /** Everything that makes it this request and no other. */
  content: readonly (string | Uint8Array)[];
  /** A success is not to be kept. */
  secret: boolean;
}

export interface IdempotencyOptions {
  /** Answers of one tenant that are kept. Default 10,000. */
  kept?: number;
  /** How long a host that died holds its keys. Default 30 s. */
  runningMs?: number;
}

export class IdempotencyKeys {
  private readonly store: Store;
  private readonly log: Log;
  private readonly kept: number;
  private readonly runningMs: number;

  constructor(store: Store, log: Log, options: IdempotencyOptions = {}) {
    this.store = store;
    this.log = log;
    this.kept = options.kept ?? MAX_KEPT;
    this.runningMs = options.runningMs ?? RUNNING_MS;
  }

  /**
   * @param work carries the request out; what goes wrong in it is an outcome, too. One with a status from 500 is not
   *   kept: the request may be tried again.
   * @throws BATON_IDEMPOTENCY_CONFLICT, BATON_IDEMPOTENCY_IN_PROGRESS, BATON_IDEMPOTENCY_NOT_KEPT
   */
  async once(request: KeyedRequest, work: () => Promise<Outcome>): Promise<Outcome> {
    if (!KEY.test(request.key))
      throw invalidRequest({ reason: 'Idempotency-Key: not 1 to 255 visible characters of ASCII' });
    const { tenant, principal, operation, key } = request;
    const place = `baton:idempotency:${digest([tenant, principal, operation, key])}`;
    const content = digest(request.content);
    const version = await this.store.set(place, JSON.stringify({ request: content }), 0, this.runningMs);
    if (version === undefined) return this.again(place, content);
    const claim = new Claim(this.store, place, content, version, this.runningMs);
    const outcome = await work();
    await this.keep(request, claim, outcome).catch((err: unknown) =>
      this.log.warn({ err, operation }, 'an answer could not be kept for its Idempotency-Key'),
    );
    return outcome;
  }

  private async again(place: string, content: string): Promise<Outcome> {
    const found = await this.store.get(place);
    const record: KeyRecord = found ? recordSchema.parse(JSON.parse(found.value)) : { request: content };
    if (record.request !== content) throw idempotencyConflict();
    if (record.notKept !== undefined) throw idempotencyNotKept({ status: record.notKept });
    if (!record.outcome) throw idempotencyInProgress({ retryAfter: RETRY_AFTER_SECONDS });
    const { headers } = record.outcome;
    return { ...record.outcome, headers: { ...headers, 'Idempotency-Replayed': 'true' } };
  }

  private async keep({ tenant, secret }: KeyedRequest, claim: Claim, outcome: Outcome): Promise<void> {
    if (outcome.status >= 500) return claim.drop();
    const { status } = outcome;
    const fits = (outcome.body?.length ?? 0) <= MAX_KEPT_LENGTH && !(secret && status < 300);
    await Promise.all([
      claim.keep(fits ? { outcome } : { notKept: status }),
      this.evict(tenant, claim.place),
    ]);
  }

  /** Takes the place of the tenant's oldest one when there are too many. */
  private async evict(tenant: string, place: string): Promise<void> {
    const number = await this.store.presence.hincrby('baton:idempotency-kept', tenant, 1);
    const slot = `baton:idempotency-slot:${tenant}:${number % this.kept}`;
    const oldest = await this.store.get(slot);
    if (oldest) await this.store.del(oldest.value);
    await this.store.set(slot, place, undefined, KEEP_MS);
  }
}

/** A key whose request is being carried out here. */
class Claim {
  readonly place: string;
  private readonly store: Store;
  private readonly content: string;
  private version: number | undefined;
  private readonly timer: NodeJS.Timeout;
  private renewal: Promise<void> = Promise.resolve();

  constructor(store: Store, place: string, content: string, version: number, leaseMs: number) {
    this.store = store;
    this.place = place;
    this.content = content;
    this.version = version;
    this.timer = setInterval(() => {
      this.renewal = this.renewal.then(() => this.put({}, leaseMs)).catch(() => {});
    }, leaseMs / 3);
    this.timer.unref();
  }

  async keep(record: Pick<KeyRecord, 'outcome' | 'notKept'>): Promise<void> {
    await this.end();
    await this.put(record, KEEP_MS);
  }

  async drop(): Promise<void> {
    await this.end();
    if (this.version !== undefined) await this.store.del(this.place, this.version);
  }

  private end(): Promise<void> {
    clearInterval(this.timer);
    return this.renewal;
  }

  /** Nothing, once somebody else has the key: this host stood still for too long. */
  private async put(record: Pick<KeyRecord, 'outcome' | 'notKept'>, ttlMs: number): Promise<void> {
    if (this.version === undefined) return;
    const value = JSON.stringify({ request: this.content, ...record });
    this.version = await this.store.set(this.place, value, this.version, ttlMs);
  }
}

function digest(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('base64url');
}
