// What a pool of tickets is kept in: records of text under keys, some of them listed in order of a number. A step of the
// pool reads records, decides from them alone, and changes all it changes in one commit, under the condition that none
// of those it read has changed. So the rules are written once, and a store has three methods to get right.

/**
 * `waiting`: tickets that may be matched, by the time they began to search. `live`: all that count for the capacity.
 * `done`: what is over, and remembered for a while. `due`: by the time at which something has to happen to it.
 */
export type Index = 'waiting' | 'live' | 'done' | 'due';
export const INDEXES = ['waiting', 'live', 'done', 'due'] as const satisfies readonly Index[];

export interface Write {
  key: string;
  /** `null` deletes it. */
  value: string | null;
  /** Where it is listed from now on, and by which number; in no other index. */
  listed: Partial<Record<Index, number>>;
}

export interface Commit {
  /** What was read, as it was read. */
  read: ReadonlyMap<string, string | null>;
  writes: readonly Write[];
  /** So many records may be live at most, when this adds one. */
  capacity: number;
}

export interface Listed {
  key: string;
  value: string;
}

export interface Records {
  get(keys: readonly string[]): Promise<(string | null)[]>;
  /** All or nothing; `changed`: what was read has changed meanwhile, `full`: the capacity does not allow it. */
  commit(commit: Commit): Promise<'done' | 'changed' | 'full'>;
  /** Those of an index up to a number, lowest first; of equal ones the lower key first. */
  list(index: Index, upTo: number, limit: number): Promise<Listed[]>;
  size(index: Index): Promise<number>;
}

/** Records of one process. */
export class MemoryRecords implements Records {
  readonly #values = new Map<string, string>();
  readonly #indexes = new Map(INDEXES.map((index) => [index, new Ordered()]));

  async get(keys: readonly string[]): Promise<(string | null)[]> {
    return keys.map((key) => this.#values.get(key) ?? null);
  }

  async commit({ read, writes, capacity }: Commit): Promise<'done' | 'changed' | 'full'> {
    for (const [key, value] of read) if ((this.#values.get(key) ?? null) !== value) return 'changed';
    const live = this.#indexes.get('live')!;
    const more = writes.filter(({ key, listed }) => listed.live !== undefined && !live.has(key)).length;
    if (more > 0 && live.size + more > capacity) return 'full';
    for (const { key, value, listed } of writes) {
      if (value === null) this.#values.delete(key);
      else this.#values.set(key, value);
      for (const [index, ordered] of this.#indexes) ordered.put(key, listed[index]);
    }
    return 'done';
  }

  async list(index: Index, upTo: number, limit: number): Promise<Listed[]> {
    const keys = this.#indexes.get(index)!.first(upTo, limit);
    return keys.map((key) => ({ key, value: this.#values.get(key)! }));
  }

  async size(index: Index): Promise<number> {
    return this.#indexes.get(index)!.size;
  }
}

/** Keys in order of their numbers. Most come in order, so that sorting is rare and finds little to do. */
class Ordered {
  readonly #numbers = new Map<string, number>();
  #sorted: string[] | undefined;

  get size(): number {
    return this.#numbers.size;
  }

  has(key: string): boolean {
    return this.#numbers.has(key);
  }

  put(key: string, number: number | undefined): void {
    if (this.#numbers.get(key) === number) return;
    if (number === undefined) this.#numbers.delete(key);
    else this.#numbers.set(key, number);
    this.#sorted = undefined;
  }

  first(upTo: number, limit: number): string[] {
    const number = (key: string) => this.#numbers.get(key)!;
    this.#sorted ??= [...this.#numbers.keys()].sort((a, b) => number(a) - number(b) || (a < b ? -1 : 1));
    const found: string[] = [];
    for (const key of this.#sorted) {
      if (found.length >= limit || number(key) > upTo) break;
      found.push(key);
    }
    return found;
  }
}
