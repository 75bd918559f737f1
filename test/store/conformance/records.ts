import { expect, test } from '@jest/globals';
import { storeLimits } from '../../../server/src/store/index.ts';
import type { Space } from '../backend.ts';
import { expectCode, until } from '../support.ts';

/** Versioned records. */
export function records(space: () => Promise<Space>): void {
  test('a record keeps value and version; every write makes a higher version', async () => {
    const shared = await space();
    const [a, b] = [await shared.open(), await shared.open()];
    expect(await a.get('k')).toBeUndefined();
    const first = (await a.set('k', 'one'))!;
    expect(await b.get('k')).toEqual({ value: 'one', version: first });
    const second = (await b.set('k', 'žluťoučký 🐎 \0 text'))!;
    expect(second).toBeGreaterThan(first);
    expect(await a.get('k')).toEqual({ value: 'žluťoučký 🐎 \0 text', version: second });
    expect(await a.set('k', '')).toBeGreaterThan(second);
    expect((await a.get('k'))!.value).toBe('');
  });

  test('a write that expects another version writes nothing', async () => {
    const store = await (await space()).open();
    const version = (await store.set('k', 'one', 0))!;
    expect(await store.set('k', 'two', 0)).toBeUndefined();
    expect(await store.set('k', 'two', version + 1)).toBeUndefined();
    expect(await store.set('absent', 'two', version)).toBeUndefined();
    expect(await store.get('k')).toEqual({ value: 'one', version });
    expect(await store.get('absent')).toBeUndefined();
    expect(await store.set('k', 'two', version)).toBeGreaterThan(version);
    expect((await store.get('k'))!.value).toBe('two');
  });

  test('of concurrent writes with one expected version one wins', async () => {
    const shared = await space();
    const stores = await Promise.all(Array.from({ length: 4 }, () => shared.open()));
    let version = (await stores[0]!.set('k', 'start'))!;
    for (let round = 0; round < 10; round++) {
      const outcomes = await Promise.all(
        stores.map((store, at) => store.set('k', `${round}:${at}`, version)),
      );
      const won = outcomes.findIndex((outcome) => outcome !== undefined);
      expect(outcomes.filter((outcome) => outcome !== undefined)).toHaveLength(1);
      version = outcomes[won]!;
      expect(await stores[0]!.get('k')).toEqual({ value: `${round}:${won}`, version });
    }
  });

  test('a deleted record is gone, and its version never comes back', async () => {
    const store = await (await space()).open();
    expect(await store.del('k')).toBe(false);
    const version = (await store.set('k', 'one'))!;
    expect(await store.del('k', version + 1)).toBe(false);
    expect(await store.del('k', version)).toBe(true);
    expect(await store.get('k')).toBeUndefined();
    expect(await store.set('k', 'new', 0)).toBeGreaterThan(version);
    expect(await store.set('k', 'stale', version)).toBeUndefined();
    expect(await store.del('k')).toBe(true);
  });

  test('a record with a time to live goes; written again without one it stays', async () => {
    const store = await (await space()).open();
    await store.set('goes', 'x', undefined, 50);
    await store.set('stays', 'x', undefined, 50);
    await store.set('stays', 'y');
    expect((await store.get('goes'))?.value ?? 'x').toBe('x');
    await until('it is gone', async () => (await store.get('goes')) === undefined);
    expect((await store.get('stays'))!.value).toBe('y');
    expect(await store.set('goes', 'back', 0)).toBeGreaterThan(0);
  });

  test('keys and values have bounds', async () => {
    const store = await (await space()).open();
    const big = 'v'.repeat(storeLimits.valueLength);
    await store.set('big', big);
    expect((await store.get('big'))!.value).toBe(big);
    await expectCode(store.set('big', `${big}.`), 'BATON_INVALID_REQUEST');
    await expectCode(store.set('k'.repeat(storeLimits.keyLength + 1), ''), 'BATON_INVALID_REQUEST');
    await expectCode(store.get(''), 'BATON_INVALID_REQUEST');
    await expectCode(store.set('k', '', -1), 'BATON_INVALID_REQUEST');
    await expectCode(store.set('k', '', undefined, 0), 'BATON_INVALID_REQUEST');
  });

  test('one commit writes, deletes and checks several records, or none of them', async () => {
    const shared = await space();
    const [a, b] = [await shared.open(), await shared.open()];
    const first = (await a.commit([
      { key: 'x', expect: 0, value: '1' },
      { key: 'y', value: '2' },
    ]))!;
    expect(await b.getMany(['x', 'absent', 'y'])).toEqual(
      new Map([
        ['x', { value: '1', version: first }],
        ['y', { value: '2', version: first }],
      ]),
    );
    const wrong = [
      [{ key: 'y', expect: 0, check: true as const }],
      [{ key: 'y', expect: first + 1, value: 'no' }],
      [{ key: 'absent', expect: first }],
      [{ key: 'absent', expect: first, check: true as const }],
    ];
    for (const condition of wrong) {
      expect(await b.commit([{ key: 'x', expect: first, value: 'no' }, { key: 'z' }, ...condition])).toBe(
        undefined,
      );
      expect(await b.commit([...condition, { key: 'x' }])).toBeUndefined();
    }
    expect(await a.getMany(['x', 'y', 'absent'])).toEqual(await b.getMany(['x', 'y']));
    const second = (await b.commit([
      { key: 'x', expect: first },
      { key: 'y', expect: first, check: true },
      { key: 'absent', expect: 0, check: true },
      { key: 'z', expect: 0, value: '' },
    ]))!;
    expect(second).toBeGreaterThan(first);
    expect(await a.getMany(['x', 'y', 'z'])).toEqual(
      new Map([
        ['y', { value: '2', version: first }],
        ['z', { value: '', version: second }],
      ]),
    );
    expect(await a.getMany([])).toEqual(new Map());
  });

  test('a condition keeps a time to live as it is; each record of a commit has its own', async () => {
    const store = await (await space()).open();
    await store.commit([
      { key: 'goes', value: 'x', ttlMs: 50 },
      { key: 'stays', value: 'x' },
    ]);
    await store.commit([
      { key: 'goes', check: true },
      { key: 'stays', check: true },
    ]);
    await until('it is gone', async () => !(await store.getMany(['goes', 'stays'])).has('goes'));
    expect((await store.get('stays'))!.value).toBe('x');
  });

  test('of concurrent commits that share a record one wins, whole', async () => {
    const shared = await space();
    const stores = await Promise.all(Array.from({ length: 4 }, () => shared.open()));
    const keys = ['a', 'b', 'c', 'd'];
    await stores[0]!.commit(keys.map((key) => ({ key, value: 'start' })));
    for (let round = 0; round < 10; round++) {
      const seen = await stores[0]!.getMany(keys);
      const outcomes = await Promise.all(
        stores.map((store, at) =>
          // neighbours share a record
          store.commit(
            [keys[at]!, keys[(at + 1) % 4]!].map((key) => ({
              key,
              expect: seen.get(key)!.version,
              value: `${round}:${at}`,
            })),
          ),
        ),
      );
      const now = await stores[1]!.getMany(keys);
      outcomes.forEach((version, at) => {
        const [one, two] = [now.get(keys[at]!)!, now.get(keys[(at + 1) % 4]!)!];
        if (version === undefined)
          expect([one.value, two.value]).not.toEqual(Array(2).fill(`${round}:${at}`));
        else expect([one, two]).toEqual(Array(2).fill({ value: `${round}:${at}`, version }));
      });
      expect([1, 2]).toContain(outcomes.filter((version) => version !== undefined).length);
    }
  });

  test('a commit has bounds, and names each record once', async () => {
    const store = await (await space()).open();
    const many = (count: number) => Array.from({ length: count }, (_, at) => ({ key: `k${at}`, value: 'v' }));
    expect(await store.commit(many(storeLimits.changes))).toBeGreaterThan(0);
    expect((await store.getMany(many(storeLimits.reads).map(({ key }) => key))).size).toBe(
      storeLimits.changes,
    );
    await expectCode(store.commit(many(storeLimits.changes + 1)), 'BATON_INVALID_REQUEST');
    await expectCode(
      store.getMany(many(storeLimits.reads + 1).map(({ key }) => key)),
      'BATON_INVALID_REQUEST',
    );
    await expectCode(store.commit([]), 'BATON_INVALID_REQUEST');
    await expectCode(store.commit([...many(1), ...many(1)]), 'BATON_INVALID_REQUEST');
    await expectCode(store.commit([{ key: 'k', value: 'v', ttlMs: 0 }]), 'BATON_INVALID_REQUEST');
    await expectCode(store.commit([{ key: 'k', expect: -1 }]), 'BATON_INVALID_REQUEST');
  });
}
