import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { Newest } from '../../../server/src/store/index.ts';
import { silentLog } from '../../../server/src/telemetry/index.ts';
import { type LogEntry, TenantLog } from '../../../server/src/tenants/index.ts';
import { until } from '../../support/service.ts';
import type { Space } from '../backend.ts';

const schema = z.object({ number: z.number(), text: z.string() });

/** The newest entries of a tenant's list, and its log, which is one. */
export function newest(space: () => Promise<Space>): void {
  test('entries beyond the most that are kept take the places of the oldest', async () => {
    const { presence } = await (await space()).open();
    const list = new Newest({ presence, prefix: 'baton:some:', most: 3, schema });
    for (const text of ['a', 'b', 'c', 'd']) await list.add('acme', { text });
    expect(await list.newest('acme', 10)).toEqual([
      { number: 4, text: 'd' },
      { number: 3, text: 'c' },
      { number: 2, text: 'b' },
    ]);
    expect(await list.find('acme', 1)).toBeUndefined();
    await list.remove('acme', 1); // its place is another's
    await list.remove('acme', 3);
    expect((await list.newest('acme', 2)).map(({ text }) => text)).toEqual(['d', 'b']);
    expect(await list.newest('rival', 2)).toEqual([]);
  });

  test('more than 1,000 do not wait for a store that is slow, and those that wait are written in order', async () => {
    const { presence } = await (await space()).open();
    const list = new Newest({ presence, prefix: 'baton:many:', most: 2_000, schema });
    const added = Array.from({ length: 1_001 }, (_, i) => list.add('acme', { text: `${i}` }));
    await expect(added.pop()).rejects.toThrow('1000 entries wait');
    await list.add('rival', { text: 'not in the way' });
    await Promise.all(added);
    expect((await list.newest('acme', 2_000)).map(({ text }) => Number(text))).toEqual(
      Array.from({ length: 1_000 }, (_, i) => 999 - i),
    );
  });

  test('a log is the tenant’s own; a flood is cut off, and counted', async () => {
    const { presence } = await (await space()).open();
    const log = new TenantLog(presence, silentLog);
    const error = Object.assign(new Error('no'), { code: 'X' });
    const socket = { roomId: 's', tenant: 'acme', mapping: { name: 'duel' } };
    let floods = 0;
    let read: LogEntry[] = [];
    // a flood may begin just before a second ends
    await until(async () => {
      for (let i = 0; i < 100; i++) log.failed(socket, error, 'a function failed');
      floods += 100;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      log.failed(socket, error, 'the last one');
      await until(
        async () => (read = await log.newest('acme', 100))[0]?.what === 'the last one',
        'the entry',
      );
      return read[0]!.leftOut !== undefined;
    }, 'a second with too many');
    const left = read.reduce((sum, { leftOut = 0 }) => sum + leftOut, 0);
    expect(read.filter(({ what }) => what === 'a function failed').length + left).toBe(floods);
    expect(read[0]).toMatchObject({ socketId: 's', mapping: 'duel', code: 'BATON_INTERNAL' });
    expect(await log.newest('rival', 10)).toEqual([]);
  });
}
