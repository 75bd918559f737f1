// Which tenants and mappings there are, and in which version: one record of the store, followed by every host. A change
// is told to the others at once; one that is missed is found by looking again.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { within } from '../within.ts';

const KEY = 'catalogue';
const CHANGED = 'baton:catalogue';
/** Hosts that have a change say so here, to the one that made it. */
const seenBy = (host: string) => `baton:catalogue:seen:${host}`;

/** A change that nobody heard of is found within this time. */
const LOOK_EVERY_MS = 5_000;
/** How long a change waits for the other hosts to have it. */
const EVERYWHERE_MS = 2_000;
/** Changes that come at the same time are made one after the other. */
const CHANGE_TRIES = 20;
const CHANGE_RETRY_MS = 20;

const entrySchema = z.object({
  version: z.number().int(),
  /** It is written in baton.config. */
  declared: z.boolean().optional(),
  /** It is no more; its versions are not used again. */
  deleted: z.boolean().optional(),
});
export type Entry = z.infer<typeof entrySchema>;

const tenantSchema = z.object({
  /** Version of its settings. */
  settings: z.number().int(),
  /** It is no longer in baton.config; what it has comes back with it. */
  closed: z.boolean().optional(),
  mappings: z.record(z.string(), entrySchema),
});

const catalogueSchema = z.object({
  /** Of the service whose baton.config is in force: the newest one. */
  generation: z.number(),
  tenants: z.record(z.string(), tenantSchema),
});
export type CatalogueContent = z.infer<typeof catalogueSchema>;

export interface CatalogueOptions {
  store: Store;
  /** Id of this host. */
  host: string;
  log: Log;
  /** Default LOOK_EVERY_MS. */
  lookEveryMs?: number;
}

/** What the catalogue names, in memory. */
export interface Follower {
  /** @returns whether all of it was there */
  load(content: CatalogueContent): Promise<boolean>;
  /** Puts what is in memory into a store that has lost it. */
  restore(): Promise<void>;
}

export class Catalogue {
  private readonly options: CatalogueOptions;
  private readonly followers: Follower[] = [];
  private readonly waiting = new Set<(host: string, version: number) => void>();
  /** What is in memory. */
  content: CatalogueContent = { generation: 0, tenants: {} };
  /** Of the record that is in memory, whole. */
  private version = 0;
  private looking: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;

  constructor(options: CatalogueOptions) {
    this.options = options;
  }

  /** In the order given; before `start`. */
  follow(follower: Follower): void {
    this.followers.push(follower);
  }

  /** Resolves when everything there is now is in memory. */
  async start(): Promise<void> {
    const { store, host, log, lookEveryMs = LOOK_EVERY_MS } = this.options;
    await store.presence.subscribe(CHANGED, ({ by }: { by: string }) => {
      if (by === host) return;
      this.look()
        .then(() => store.presence.publish(seenBy(by), { host, version: this.version }))
        .catch((error) => log.debug({ err: error }, 'a change of the catalogue was not read'));
    });
    await store.presence.subscribe(seenBy(host), (seen: { host: string; version: number }) => {
      for (const waits of this.waiting) waits(seen.host, seen.version);
    });
    await this.look();
    this.timer = setInterval(() => {
      this.look().catch((error) => log.debug({ err: error }, 'the catalogue could not be read'));
    }, lookEveryMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    const { presence } = this.options.store;
    const ended = [CHANGED, seenBy(this.options.host)].map((topic) => presence.unsubscribe(topic));
    await Promise.allSettled(ended);
  }

  /**
   * Changes the catalogue, whoever else changes it at the same time.
   * @param change changes what it is given and says whether it did; called again when another one was faster
   * @returns whether every host that is there has the change
   */
  async update(change: (content: CatalogueContent) => Promise<boolean>): Promise<boolean> {
    const { store } = this.options;
    for (let attempt = 1; attempt <= CHANGE_TRIES; attempt++) {
      const record = await store.get(KEY);
      const content = record ? parse(record.value) : structuredClone(this.content);
      if (!(await change(content))) {
        await this.look();
        return true;
      }
      const version = await store.set(KEY, JSON.stringify(content), record?.version ?? 0);
      if (version !== undefined) return this.everywhere(version);
      await sleep(Math.random() * CHANGE_RETRY_MS);
    }
    throw new Error('the catalogue is changed by too many at a time');
  }

  /** Waits for the others, for a while. */
  private async everywhere(version: number): Promise<boolean> {
    const { store, host } = this.options;
    const missing = new Set((await store.hosts()).map(({ id }) => id));
    missing.delete(host);
    let done = () => {};
    const all = new Promise<void>((resolve) => {
      done = resolve;
    });
    const seen = (by: string, its: number) => {
      if (its >= version) missing.delete(by);
      if (missing.size === 0) done();
    };
    this.waiting.add(seen);
    try {
      await store.presence.publish(CHANGED, { by: host });
      await this.look();
      seen(host, version);
      await within(EVERYWHERE_MS, all);
    } finally {
      this.waiting.delete(seen);
    }
    return missing.size === 0;
  }

  /** Reads it, if it has changed. One after the other: what is in memory never goes back. */
  private look(): Promise<void> {
    const next = this.looking.then(() => this.read());
    this.looking = next.catch(() => {});
    return next;
  }

  private async read(): Promise<void> {
    const { store, log } = this.options;
    const record = await store.get(KEY);
    if (!record) return this.version > 0 ? this.restore() : undefined;
    if (record.version === this.version) return;
    const content = parse(record.value);
    let whole = true;
    for (const follower of this.followers) whole = (await follower.load(content)) && whole;
    this.content = content;
    if (whole) this.version = record.version;
    else log.warn('a part of the catalogue is not there; it is looked for again');
  }

  /** The store lost its data (a restart without persistence): what this host knows is put back. */
  private async restore(): Promise<void> {
    const { store, log } = this.options;
    log.warn('the store has lost tenants and mappings; this host puts back what it knows');
    for (const follower of this.followers) await follower.restore();
    const version = await store.set(KEY, JSON.stringify(this.content), 0);
    if (version !== undefined) this.version = version;
  }
}

const parse = (value: string): CatalogueContent => catalogueSchema.parse(JSON.parse(value));

/** What a record has under a name that somebody chose: `constructor` is one, too. */
export const own = <T>(record: Record<string, T> | undefined, name: string): T | undefined =>
  record && Object.hasOwn(record, name) ? record[name] : undefined;
