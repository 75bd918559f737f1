// Documents of which the store keeps the last versions, the newest first. Which one is in force the catalogue says: what
// was written and did not get that far does no harm. The one in force is in the memory of every host.
import { z } from 'zod';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';

/** Hosts that write the same document at the same time. */
const WRITE_TRIES = 20;
/** Documents read at a time. */
const READS_AT_ONCE = 256;

const versionSchema = z.object({
  version: z.number().int().positive(),
  /** ISO 8601. */
  at: z.string(),
  content: z.unknown(),
});
export type Version = z.infer<typeof versionSchema>;

const recordSchema = z.object({ versions: z.array(versionSchema) });

interface Loaded<T> {
  version: Version;
  /** Of the last version that this host understood. */
  value?: T;
}

export interface DocumentsOptions<T> {
  store: Store;
  log: Log;
  /** Versions of a document that are kept; at least 2: one in force, and one that is to be. */
  keep: number;
  /** @throws what is wrong with a content: one of a newer release, perhaps */
  read(key: string, version: Version): T;
  /** A document was read for the first time, has another version, or is no more. */
  changed?(key: string, value: T | undefined): void;
}

export class Documents<T> {
  private readonly options: DocumentsOptions<T>;
  private readonly loaded = new Map<string, Loaded<T>>();

  constructor(options: DocumentsOptions<T>) {
    this.options = options;
  }

  get(key: string): T | undefined {
    return this.loaded.get(key)?.value;
  }

  /** The version in memory. */
  version(key: string): Version | undefined {
    return this.loaded.get(key)?.version;
  }

  /** Every version the store has of it, the newest first. */
  async versions(key: string): Promise<Version[]> {
    return parse((await this.options.store.get(key))?.value);
  }

  /**
   * Brings what is in force into memory; others are dropped.
   * @param inForce version of each key
   * @returns whether all of them were there
   */
  async load(inForce: Map<string, number>): Promise<boolean> {
    for (const key of [...this.loaded.keys()]) {
      if (inForce.has(key)) continue;
      this.loaded.delete(key);
      this.options.changed?.(key, undefined);
    }
    const other = [...inForce].filter(([key, version]) => this.loaded.get(key)?.version.version !== version);
    let whole = true;
    for (let i = 0; i < other.length; i += READS_AT_ONCE) {
      const some = other.slice(i, i + READS_AT_ONCE);
      const records = await this.options.store.getMany(some.map(([key]) => key));
      for (const [key, wanted] of some) {
        const version = parse(records.get(key)?.value).find((each) => each.version === wanted);
        if (version) this.take(key, version);
        else whole = false;
      }
    }
    return whole;
  }

  private take(key: string, version: Version): void {
    try {
      const value = this.options.read(key, version);
      this.loaded.set(key, { version, value });
      this.options.changed?.(key, value);
    } catch (error) {
      const { log } = this.options;
      log.error({ key, version: version.version, err: error }, 'this release does not understand a document');
      this.loaded.set(key, { ...this.loaded.get(key), version });
    }
  }

  /** Its versions go from the store, unless a later one than `last` is being written. */
  async remove(key: string, last: number): Promise<void> {
    const { store } = this.options;
    const record = await store.get(key);
    if (record && parse(record.value)[0]!.version <= last) await store.del(key, record.version);
  }

  /** Writes what is in memory into a store that has lost it. */
  async restore(): Promise<void> {
    for (const [key, { version }] of this.loaded)
      await this.options.store.set(key, JSON.stringify({ versions: [version] }), 0);
  }

  /**
   * The version that has this content: the one in force, or a new one.
   * @param last the last version that was in force; 0 = none
   * @param inForce whether it still is
   */
  async add(key: string, content: unknown, last: number, inForce: boolean): Promise<number> {
    const { store, keep } = this.options;
    for (let attempt = 1; attempt <= WRITE_TRIES; attempt++) {
      const record = await store.get(key);
      const versions = parse(record?.value);
      const same = (one?: Version) => one !== undefined && canonical(one.content) === canonical(content);
      if (inForce && same(versions.find(({ version }) => version === last))) return last;
      const [newest] = versions;
      // of one that did not get into the catalogue
      if (newest && newest.version > last && same(newest)) return newest.version;
      const version = Math.max(last, newest?.version ?? 0) + 1;
      const added = { version, at: new Date().toISOString(), content };
      const value = JSON.stringify({ versions: [added, ...versions].slice(0, keep) });
      if ((await store.set(key, value, record?.version ?? 0)) !== undefined) return version;
    }
    throw new Error(`${key} is written by too many at a time`);
  }
}

function parse(value: string | undefined): Version[] {
  return value === undefined ? [] : recordSchema.parse(JSON.parse(value)).versions;
}

/** The same text for the same JSON value, in whatever order its fields were written. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
