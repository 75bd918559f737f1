import type { Index, Records, Write } from './records.ts';

/** One attempt at a step: what it reads is remembered, what it changes is written together. */
export class Draft {
  /** Milliseconds. */
  readonly now: number;
  readonly #records: Records;
  readonly #read = new Map<string, string | null>();
  readonly #writes = new Map<string, Write>();

  constructor(records: Records, now: number) {
    this.#records = records;
    this.now = now;
  }

  /** Records as this step has them; `undefined` where there is none. */
  async all<T>(keys: readonly string[]): Promise<(T | undefined)[]> {
    const unread = [...new Set(keys)].filter((key) => !this.#read.has(key));
    if (unread.length > 0) {
      const values = await this.#records.get(unread);
      unread.forEach((key, i) => {
        this.#read.set(key, values[i] ?? null);
      });
    }
    return keys.map((key) => {
      const written = this.#writes.get(key);
      const value = written === undefined ? this.#read.get(key) : written.value;
      return value ? (JSON.parse(value) as T) : undefined;
    });
  }

  async one<T>(key: string): Promise<T | undefined> {
    return (await this.all<T>([key]))[0];
  }

  put(key: string, value: unknown, listed: Partial<Record<Index, number>> = {}): void {
    this.#writes.set(key, { key, value: JSON.stringify(value), listed });
  }

  remove(key: string): void {
    this.#writes.set(key, { key, value: null, listed: {} });
  }

  async commit(capacity: number): Promise<'done' | 'changed' | 'full'> {
    if (this.#writes.size === 0) return 'done';
    return this.#records.commit({ read: this.#read, writes: [...this.#writes.values()], capacity });
  }
}
