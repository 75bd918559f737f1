// Read, decide, commit; and again from the start when what was read has changed meanwhile.
import { linkStale } from '../../errors.ts';
import type { Store, VersionedValue } from '../../store/index.ts';
import { Draft, Missing } from './draft.ts';
import type { Truth } from './records.ts';

/** Conflicts after which a decision is given up. */
const MAX_ROUNDS = 32;
/** Longest pause after a conflict, at random. */
const PAUSE_MS = 20;

export interface Decided<T> {
  result: T;
  /** How it stands now with every socket that the decision changed; each is to be told. */
  truths: Map<string, Truth>;
}

/** The store did not say whether a commit was done. */
export class Uncertain extends Error {
  /** Sockets it would have changed. */
  readonly about: string[];

  constructor(about: string[], cause: unknown) {
    super('it is not known whether a link was changed', { cause });
    this.about = about;
  }
}

export class Ledger {
  private readonly store: Pick<Store, 'commit' | 'getMany'>;

  constructor(store: Pick<Store, 'commit' | 'getMany'>) {
    this.store = store;
  }

  /**
   * @param about   the socket that the decision is for
   * @param keys    records that it will need; what else it needs is read when it asks
   * @param decide  pure: it runs once for each attempt
   * @param absent  first supposes that none of the records exists, which saves reading them
   * @throws BATON_LINK_STALE when the records change faster than it can decide; Uncertain
   */
  async run<T>(
    { tenant, socketId }: { tenant: string; socketId: string },
    keys: string[],
    decide: (draft: Draft) => T,
    absent = false,
  ): Promise<Decided<T>> {
    const wanted = new Set(keys);
    let read: Map<string, VersionedValue | undefined> | undefined = absent
      ? new Map(keys.map((key) => [key, undefined]))
      : undefined;
    for (let round = 1; round <= MAX_ROUNDS; ) {
      read ??= await this.read([...wanted]);
      const draft = new Draft(tenant, read);
      read = undefined;
      let result: T;
      let truths: Map<string, Omit<Truth, 'version'>>;
      try {
        result = decide(draft);
        truths = draft.truths();
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        for (const key of error.keys) wanted.add(key);
        continue;
      }
      const changes = draft.changes();
      if (changes.length === 0) return { result, truths: new Map() };
      const version = await this.store.commit(changes).catch((error) => {
        throw new Uncertain([...truths.keys()], error);
      });
      if (version !== undefined)
        return { result, truths: new Map([...truths].map(([id, truth]) => [id, { version, ...truth }])) };
      if (round > 1) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * Math.random()));
      round++;
    }
    throw linkStale({ socketId, reason: 'its records change too fast' });
  }

  private async read(keys: string[]): Promise<Map<string, VersionedValue | undefined>> {
    const found = await this.store.getMany(keys);
    return new Map(keys.map((key) => [key, found.get(key)]));
  }
}
