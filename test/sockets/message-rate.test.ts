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
