import { expect, test } from '@jest/globals';
import { DeadLetters, MAX_LETTERS } from '../../../server/src/calls/dead-letters.ts';
import type { Space } from '../backend.ts';

const letter = (name: string) => ({
  time: '2026-01-02T03:04:05.678Z',
  callId: 'c',
  reason: 'it cannot be reached',
  attempts: 3,
  event: {
    type: 'close' as const,
    mapping: 'duel',
    socketId: name,
    playerId: 'Zoë \u{1F600}',
    epoch: 2,
    sequence: 5,
    data: { reason: 'left', attributes: { deep: [1, null] } },
  },
});

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
    expect(await a.newest()).toEqual([]);
    await a.add(letter('one'));
    await b.add(letter('two'));
    expect(await b.newest()).toEqual([
      { ...letter('two'), number: 2 },
      { ...letter('one'), number: 1 },
    ]);
    expect(names(await a.newest(1))).toEqual(['two']);
    expect(names(await a.newest(10, 2))).toEqual(['one']);
    expect(await a.newest(10, 1)).toEqual([]);
  });

  test('the newest 1,000 are kept, none of those that several hosts write at once is lost', async () => {
    const [a, b] = await two();
    const all = Array.from({ length: MAX_LETTERS + 50 }, (_, i) => (i % 2 ? a : b).add(letter(`s${i}`)));
    await Promise.all(all);
    const read: number[] = [];
    for (;;) {
      const page = await a.newest(100, read.at(-1));
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(100);
      read.push(...page.map(({ number }) => number));
    }
    expect(read).toEqual(Array.from({ length: MAX_LETTERS }, (_, i) => MAX_LETTERS + 50 - i));
    expect(await a.newest(5_000)).toHaveLength(100);
  });
}
