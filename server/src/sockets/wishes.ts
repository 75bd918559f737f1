// Who waits for a socket that is not open yet: one record per awaited socket, in order of arrival. It runs out by itself.
import type { Store } from '../store/index.ts';

const wishKey = (awaited: string) => `want:${awaited}`;

/** Sockets that may wait for the same one. */
export const MAX_WISHES = 64;
const MAX_ROUNDS = 64;
/** A wish outlives its waiting time a little, so that whoever waits hears of the end from its own timer. */
const GRACE_MS = 1_000;

interface Wish {
  by: string;
  /** Date.now() ms. */
  until: number;
}

export class Wishes {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** `by` waits for `awaited`. @returns false when too many do already */
  async add(awaited: string, by: string, ms: number): Promise<boolean> {
    let added = true;
    await this.change(awaited, (wishes) => {
      const others = wishes.filter((wish) => wish.by !== by);
      added = others.length < MAX_WISHES;
      return added ? [...others, { by, until: Date.now() + ms + GRACE_MS }] : others;
    });
    return added;
  }

  async remove(awaited: string, by: string): Promise<void> {
    await this.change(awaited, (wishes) => wishes.filter((wish) => wish.by !== by));
  }

  /** Everybody who still waits for `awaited`, first come first; each is given to one caller. */
  async take(awaited: string): Promise<string[]> {
    let taken: Wish[] = [];
    await this.change(awaited, (wishes) => {
      taken = wishes;
      return [];
    });
    return taken.map((wish) => wish.by);
  }

  private async change(awaited: string, edit: (wishes: Wish[]) => Wish[]): Promise<void> {
    const key = wishKey(awaited);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const found = await this.store.get(key);
      const now = Date.now();
      const before = found ? (JSON.parse(found.value) as Wish[]) : [];
      const after = edit(before.filter((wish) => wish.until > now));
      if (after.length === 0) {
        if (!found || (await this.store.del(key, found.version))) return;
        continue;
      }
      const ttl = Math.max(...after.map((wish) => wish.until)) - now;
      if ((await this.store.set(key, JSON.stringify(after), found?.version ?? 0, ttl)) !== undefined) return;
    }
    throw new Error(`the record of those who wait for ${awaited} changes too fast`);
  }
}
