import type { Change, VersionedValue } from '../types.ts';

interface Entry extends VersionedValue {
  expiresAt: number;
}

export interface Committed {
  version: number;
  /** Records that were there and are gone now. */
  deleted: number;
}

const sweepEvery = 1000;

/** Versioned values with an optional time to live, in memory. Versions never repeat, so a record that was
 * deleted and made again does not pass for the old one. */
export class Records {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  #lastVersion = 0;
  #sweptAt: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#sweptAt = now();
  }

  get(key: string): VersionedValue | undefined {
    const entry = this.#live(key);
    return entry && { value: entry.value, version: entry.version };
  }

  getMany(keys: string[]): [key: string, found: VersionedValue][] {
    return keys.flatMap((key) => {
      const found = this.get(key);
      return found ? [[key, found]] : [];
    });
  }

  commit(changes: Change[]): Committed | undefined {
    this.#sweep();
    for (const { key, expect } of changes)
      if (expect !== undefined && expect !== (this.#live(key)?.version ?? 0)) return undefined;
    const version = ++this.#lastVersion;
    let deleted = 0;
    for (const { key, value, ttlMs, check } of changes) {
      if (check) continue;
      if (value === undefined) {
        if (this.#live(key)) deleted++;
        this.#entries.delete(key);
      } else {
        const expiresAt = ttlMs === undefined ? Number.POSITIVE_INFINITY : this.#now() + ttlMs;
        this.#entries.set(key, { value, version, expiresAt });
      }
    }
    return { version, deleted };
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (!entry || entry.expiresAt > this.#now()) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  /** Expired records that nobody asks for again must not pile up. */
  #sweep(): void {
    const now = this.#now();
    if (now - this.#sweptAt < sweepEvery) return;
    this.#sweptAt = now;
    for (const [key, entry] of this.#entries) if (entry.expiresAt <= now) this.#entries.delete(key);
  }
}
