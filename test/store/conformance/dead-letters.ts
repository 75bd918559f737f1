import { expect, test } from '@jest/globals';
import { DeadLetters, type LostCall, MAX_LETTERS } from '../../../server/src/calls/dead-letters.ts';
import type { Space } from '../backend.ts';

const call = (name: string, tenant = 'acme'): LostCall => ({
  callId: 'c',
  reason: 'it cannot be reached',
  attempts: 3,
  url: 'https://studio.example/',
  route: 1,
  event: {
    type: 'receive',
    tenant,
    mapping: 'duel',
    mappingVersion: 4,
    socketId: name,
    playerId: 'Zoë \u{1F600}',
    epoch: 2,
    sequence: 5,
    attributes: { deep: [1, null] },
    contentType: 'application/octet-stream',
    body: Uint8Array.of(0, 255),
  },
});
const letter = (name: string, number: number) => {
  const { event, ...about } = call(name);
  const { tenant: _tenant, body: _body, ...rest } = event;
  return { ...about, event: rest, body: 'AP8=', number, time: expect.stringMatching(/^20.*Z$/) };
};

/** Calls that were not delivered, in either store. */
export function deadLetters(space: () => Promise<Space>): void {
  const two = async (): Promise<[DeadLetters, DeadLetters]> => {
    const shared = await space();
    const stores = [await shared.open(), await shared.open()];
    return stores.map((store) => new DeadLetters(store.presence)) as [DeadLetters, DeadLetters];
  };
  const names = (letters: { event: { socketId: string } }[]) => letters.map(({ event }) => event.socketId);

  test('a letter is read as it was written, by every host, the newest first', async () => {
    const [a, b] = await two();
    expect(await a.newest('acme')).toEqual([]);
    await a.add(call('one'));
    await b.add(call('two'));
    expect(await b.newest('acme')).toEqual([letter('two', 2), letter('one', 1)]);
    expect(await b.get('acme', 2)).toEqual(letter('two', 2));
    expect(names(await a.newest('acme', 1))).toEqual(['two']);
    expect(names(await a.newest('acme', 10, 2))).toEqual(['one']);
    expect(await a.newest('acme', 10, 1)).toEqual([]);
  });

  test('no tenant sees those of another', async () => {
    const [a] = await two();
    await a.add(call('one'));
    await a.add(call('other', 'rival'));
    expect(names(await a.newest('acme'))).toEqual(['one']);
    expect(names(await a.newest('rival'))).toEqual(['other']);
    await expect(a.get('nobody', 1)).rejects.toMatchObject({ code: 'BATON_DEAD_LETTER_NOT_FOUND' });
    await expect(a.get('acme', 1.5)).rejects.toMatchObject({ code: 'BATON_DEAD_LETTER_NOT_FOUND' });
  });

  test('a call is made again as it was; once it is delivered its letter is gone, and the others are read on', async () => {
    const [a, b] = await two();
    for (const name of ['one', 'two', 'three']) await a.add(call(name));
    const told: unknown[] = [];
    const well: any = { tell: async (...args: unknown[]) => told.push(args) };
    const ill: any = { tell: () => Promise.reject(new Error('no')) };
    await expect(b.replay('acme', 2, ill, () => undefined)).rejects.toThrow('no');
    expect(names(await a.newest('acme'))).toEqual(['three', 'two', 'one']);
    const today = { url: 'https://new.example/', timeout: 1, retries: 0, retryTimeouts: false };
    await b.replay('acme', 2, well, ({ route }) => (route === 1 ? today : undefined));
    const same = (name: string) => ({ ...call(name).event, body: Buffer.of(0, 255) });
    expect(told).toEqual([[today, same('two'), 'c']]);
    expect(names(await a.newest('acme', 2))).toEqual(['three', 'one']);
    await expect(a.replay('acme', 2, well, () => undefined)).rejects.toMatchObject({
      code: 'BATON_DEAD_LETTER_NOT_FOUND',
    });
    await b.replay('acme', 3, well, () => undefined);
    expect(told[1]).toEqual([
      { url: 'https://studio.example/', timeout: 10_000, retries: 2, retryTimeouts: false },
      same('three'),
      'c',
    ]);
  });

  test('a long body is not kept, and such a call is not made again', async () => {
    const [a] = await two();
    const long = call('long');
    long.event.body = new Uint8Array(65_537);
    await a.add(long);
    await expect(a.replay('acme', 1, {} as any, () => undefined)).rejects.toThrow('too long to be kept');
  });

  test('the newest 1,000 are kept, none of those that several hosts write at once is lost', async () => {
    const [a, b] = await two();
    const all = Array.from({ length: MAX_LETTERS + 50 }, (_, i) => (i % 2 ? a : b).add(call(`s${i}`)));
    await Promise.all(all);
    const read: number[] = [];
    for (;;) {
      const page = await a.newest('acme', 100, read.at(-1));
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(100);
      read.push(...page.map(({ number }) => number));
    }
    expect(read).toEqual(Array.from({ length: MAX_LETTERS }, (_, i) => MAX_LETTERS + 50 - i));
    expect(await a.newest('acme', 5_000)).toHaveLength(100);
  });
}
