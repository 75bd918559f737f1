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
}
