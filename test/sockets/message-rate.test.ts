// How many messages a client may say, also when it was not read for a while.

import { expect, test } from '@jest/globals';
import { MessageRate } from '../../server/src/sockets/message-rate.ts';
import type { Connection } from '../../server/src/transport/index.ts';

const LIMIT = 10;
const read = (unreadMs = 0) => ({ unreadMs }) as Connection;

/** @returns how many of `count` messages at one moment pass */
function passed(rate: MessageRate, connection: Connection, count: number, now: number): number {
  let passed = 0;
  for (let n = 0; n < count; n++) if (rate.admits(connection, LIMIT, now)) passed++;
  return passed;
}

test('so many a second, and no more', () => {
  const rate = new MessageRate();
  const connection = read();
  expect(passed(rate, connection, 50, 5_000)).toBe(LIMIT);
  expect(passed(rate, connection, 50, 5_999)).toBe(0);
  expect(passed(rate, connection, 50, 6_000)).toBe(LIMIT);
});

test('what may have been said while the client was not read comes on top, once', () => {
  const rate = new MessageRate();
  const connection = read();
  expect(passed(rate, connection, LIMIT, 5_000)).toBe(LIMIT);
  connection.unreadMs = 3_000;
  expect(passed(rate, connection, 1_000, 5_100)).toBe(3 * LIMIT);
  expect(connection.unreadMs).toBe(0);
  expect(passed(rate, connection, 1_000, 6_000)).toBe(LIMIT);
});

test('what did not come within a second is not saved for later', () => {
  const rate = new MessageRate();
  expect(passed(rate, read(3_000), 1, 5_000)).toBe(1);
  expect(passed(rate, read(), 1_000, 6_500)).toBe(LIMIT);
});

test('short pauses add up', () => {
  const rate = new MessageRate();
  expect(passed(rate, read(), LIMIT, 5_000)).toBe(LIMIT);
  expect(passed(rate, read(200), 1, 5_010)).toBe(1);
  expect(passed(rate, read(300), 1_000, 5_020)).toBe(4);
});

test('however long it was not read, no more than a minute counts', () => {
  const rate = new MessageRate();
  expect(passed(rate, read(3_600_000), 10_000, 5_000)).toBe(LIMIT + 60 * LIMIT);
});

test('what it has kept while it was away comes on top, and may take as long as its network needs', () => {
  const rate = new MessageRate();
  const connection = read();
  expect(passed(rate, connection, LIMIT, 5_000)).toBe(LIMIT);
  rate.returned(LIMIT, 25_000);
  expect(passed(rate, connection, 100, 25_100)).toBe(100);
  connection.unreadMs = 1; // a peer is slow for a moment
  expect(passed(rate, connection, 1_000, 40_000)).toBe(LIMIT + (LIMIT + 20 * LIMIT - 100));
  expect(passed(rate, connection, 1_000, 41_000)).toBe(LIMIT);
});

test('one that is away again before all of it came has it the next time', () => {
  const rate = new MessageRate();
  expect(passed(rate, read(), 1, 5_000)).toBe(1);
  rate.returned(LIMIT, 25_000);
  rate.returned(LIMIT, 60_000);
  expect(passed(rate, read(), 1_000, 60_000)).toBe(LIMIT + 55 * LIMIT);
});

test('however long it was away, a minute counts; to come back again and again brings nothing', () => {
  const rate = new MessageRate();
  expect(passed(rate, read(), 1, 5_000)).toBe(1);
  for (let n = 0; n < 10; n++) rate.returned(LIMIT, 3_600_000);
  expect(passed(rate, read(), 10_000, 3_600_000)).toBe(LIMIT + 60 * LIMIT);
  for (let n = 0; n < 10; n++) rate.returned(LIMIT, 3_600_500);
  expect(passed(rate, read(), 10_000, 3_600_500)).toBe(0);
  rate.returned(LIMIT, 3_700_000);
  expect(passed(rate, read(), 10_000, 3_740_000)).toBe(LIMIT);
});

test('when it was heard last is told to the millisecond, also of what is too much, and of its return', () => {
  const rate = new MessageRate();
  expect(rate.heardAt).toBe(0);
  for (const now of [5_000, 5_900]) {
    rate.admits(read(), LIMIT, now);
    expect(rate.heardAt).toBe(now);
  }
  expect(passed(rate, read(), 50, 5_950)).toBe(LIMIT - 2);
  expect(rate.heardAt).toBe(5_950);
  rate.returned(LIMIT, 9_000);
  expect(rate.heardAt).toBe(9_000);
});
