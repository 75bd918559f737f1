/** What Redis calls its types; presence uses these four. */
interface Kinds {
  string: string;
  set: Set<string>;
  hash: Map<string, string>;
  list: string[];
}
type Kind = keyof Kinds;
type Value = { [K in Kind]: { type: K; value: Kinds[K] } }[Kind];
type Waiter = { keys: string[]; done: (popped: [key: string, value: string]) => void };

const sweepEvery = 1000;
const make = {
  string: (): Value => ({ type: 'string', value: '' }),
  set: (): Value => ({ type: 'set', value: new Set() }),
  hash: (): Value => ({ type: 'hash', value: new Map() }),
  list: (): Value => ({ type: 'list', value: [] }),
};

/**
 * Presence data in memory, with the semantics of the Redis commands that RedisPresence sends: one namespace,
 * values are strings, an emptied collection is gone, expiry is per key, a wrong type is an error. So an app
 * that was developed on the embedded store finds nothing different on Redis.
 */
export class Keyspace {
  readonly #values = new Map<string, Value>();
  readonly #expiry = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();
  readonly #now: () => number;
  #sweptAt: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#sweptAt = now();
  }

  exists(key: string): boolean {
    return this.#live(key) !== undefined;
  }

  set(key: string, value: string): void {
    this.#values.set(key, { type: 'string', value });
    this.#expiry.delete(key);
  }

  setex(key: string, value: string, seconds: number): void {
    this.set(key, value);
    this.expire(key, seconds);
  }

  expire(key: string, seconds: number): void {
    this.#sweep();
    if (this.#live(key)) this.#expiry.set(key, this.#now() + seconds * 1000);
  }

  get(key: string): string | null {
    return this.#peek(key, 'string') ?? null;
  }

  del(key: string): void {
    this.#values.delete(key);
    this.#expiry.delete(key);
  }

  incrBy(key: string, by: number): number {
    const next = integer(this.#peek(key, 'string') ?? '0') + by;
    this.#values.set(key, { type: 'string', value: String(next) });
    return next;
  }

  sadd(key: string, value: string): void {
    this.#open(key, 'set').add(value);
  }

  srem(key: string, value: string): number {
    const removed = this.#peek(key, 'set')?.delete(value) ?? false;
    this.#dropIfEmpty(key);
    return Number(removed);
  }

  smembers(key: string): string[] {
    return [...(this.#peek(key, 'set') ?? [])];
  }

  sismember(key: string, value: string): number {
    return Number(this.#peek(key, 'set')?.has(value) ?? false);
  }

  scard(key: string): number {
    return this.#peek(key, 'set')?.size ?? 0;
  }

  sinter(keys: string[]): string[] {
    const [first, ...others] = keys.map((key) => this.#peek(key, 'set') ?? new Set<string>());
    return [...(first ?? [])].filter((member) => others.every((set) => set.has(member)));
  }

  /** Returns whether the field is new. */
  hset(key: string, field: string, value: string): boolean {
    const hash = this.#open(key, 'hash');
    const known = hash.has(field);
    hash.set(field, value);
    return !known;
  }

  hincrby(key: string, field: string, by: number): number {
    const next = integer(this.#peek(key, 'hash')?.get(field) ?? '0') + by;
    this.#open(key, 'hash').set(field, String(next));
    return next;
  }

  hget(key: string, field: string): string | null {
    return this.#peek(key, 'hash')?.get(field) ?? null;
  }

  hgetall(key: string): [field: string, value: string][] {
    return [...(this.#peek(key, 'hash') ?? [])];
  }

  hdel(key: string, field: string): boolean {
    const removed = this.#peek(key, 'hash')?.delete(field) ?? false;
    this.#dropIfEmpty(key);
    return removed;
  }

  hlen(key: string): number {
    return this.#peek(key, 'hash')?.size ?? 0;
  }

  llen(key: string): number {
    return this.#peek(key, 'list')?.length ?? 0;
  }

  push(key: string, side: 'left' | 'right', values: string[]): number {
    const list = this.#open(key, 'list');
    if (side === 'right') list.push(...values);
    else list.unshift(...values.toReversed());
    const length = list.length;
    this.#serveWaiters();
    return length;
  }

  pop(key: string, side: 'left' | 'right'): string | null {
    const list = this.#peek(key, 'list');
    const value = side === 'right' ? list?.pop() : list?.shift();
    this.#dropIfEmpty(key);
    return value ?? null;
  }

  /** Takes the last element of the first list that has one. */
  popFirst(keys: string[]): [key: string, value: string] | undefined {
    for (const key of keys) {
      if (this.#peek(key, 'list')) return [key, this.pop(key, 'right')!];
    }
    return undefined;
  }

  /**
   * Waits until `popFirst` has something; who came first is served first.
   * @param done called at most once, never before this returns
   * @returns a function that ends the wait
   */
  awaitFirst(keys: string[], done: Waiter['done']): () => void {
    const waiter = { keys, done };
    this.#waiters.add(waiter);
    return () => this.#waiters.delete(waiter);
  }

  #serveWaiters(): void {
    for (const waiter of this.#waiters) {
      const popped = this.popFirst(waiter.keys);
      if (!popped) continue;
      this.#waiters.delete(waiter);
      waiter.done(popped);
    }
  }

  #live(key: string): Value | undefined {
    const expiresAt = this.#expiry.get(key);
    if (expiresAt !== undefined && expiresAt <= this.#now()) this.del(key);
    return this.#values.get(key);
  }

  #peek<T extends Kind>(key: string, type: T): Kinds[T] | undefined {
    const found = this.#live(key);
    if (!found) return undefined;
    if (found.type !== type) {
      throw new Error('WRONGTYPE Operation against a key holding the wrong kind of value');
    }
    return found.value as Kinds[T];
  }

  #open<T extends Kind>(key: string, type: T): Kinds[T] {
    const found = this.#peek(key, type);
    if (found !== undefined) return found;
    const fresh = make[type]();
    this.#values.set(key, fresh);
    return fresh.value as Kinds[T];
  }

  #dropIfEmpty(key: string): void {
    const found = this.#values.get(key);
    if (found === undefined || found.type === 'string') return;
    const size = found.type === 'list' ? found.value.length : found.value.size;
    if (size === 0) this.del(key);
  }

  /** Keys with an expiry that nobody reads again must not pile up. */
  #sweep(): void {
    const now = this.#now();
    if (now - this.#sweptAt < sweepEvery) return;
    this.#sweptAt = now;
    for (const [key, expiresAt] of this.#expiry) if (expiresAt <= now) this.del(key);
  }
}

function integer(text: string): number {
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new Error('ERR value is not an integer or out of range');
  }
  return number;
}

/** A Redis glob (`*`, `?`, `[a-z]`, `[^a]`, `\x`) as a regular expression. */
export function globToRegExp(pattern: string): RegExp {
  const source = pattern.replace(/\\(.)|\*+|\?|\[(\^?)([^\]]*)\]|./gs, (whole, escaped, not, set) => {
    if (escaped !== undefined) return escapeChar(escaped);
    if (whole[0] === '*') return '.*';
    if (whole === '?') return '.';
    if (set !== undefined) return `[${not}${set.replace(/[\\^[\]]/g, '\\$&')}]`;
    return escapeChar(whole);
  });
  return new RegExp(`^(?:${source})$`, 's');
}

function escapeChar(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
