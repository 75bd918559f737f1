import type { VersionedValue } from '../types.ts';

interface Entry extends VersionedValue {
  expiresAt: number;
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

  set(key: string, value: string, expect?: number, ttlMs?: number): number | undefined {
    this.#sweep();
    if (expect !== undefined && expect !== (this.#live(key)?.version ?? 0)) return undefined;
    const version = ++this.#lastVersion;
    const expiresAt = ttlMs === undefined ? Number.POSITIVE_INFINITY : this.#now() + ttlMs;
    this.#entries.set(key, { value, version, expiresAt });
    return version;
  }

  del(key: string, expect?: number): boolean {
    const entry = this.#live(key);
    if (!entry || (expect !== undefined && expect !== entry.version)) return false;
    return this.#entries.delete(key);
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
