// What is still to be told to the store when it is back.
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { storeUnavailable } from '../../server/src/errors.ts';
import { Backlog } from '../../server/src/sockets/backlog.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { until } from '../support/service.ts';

let backlog: Backlog;
beforeEach(() => {
  backlog = new Backlog(silentLog, 1);
});
afterEach(() => backlog.stop());

test('it is told in order, however long the store was away', async () => {
  let away = 200; // times it is asked: more than anything else is tried
  const told: number[] = [];
  const tell = (n: number) => async () => {
    if (away-- > 0) throw storeUnavailable({ url: 'redis://here', reason: 'it is away' });
    told.push(n);
  };
  for (const n of [1, 2, 3]) await backlog.doOrAdd(tell(n));
  await until(() => told.length === 3, 'all of it to be told');
  expect(told).toEqual([1, 2, 3]);
  await backlog.doOrAdd(tell(4));
  expect(told).toEqual([1, 2, 3, 4]);
});

test('what fails although the store is there holds nothing up, and is given up in the end', async () => {
  let tries = 0;
  await backlog.doOrAdd(async () => {
    tries++;
    throw new Error('never');
  });
  let away = true;
  let told = 0;
  await backlog.doOrAdd(async () => {
    if (away) throw storeUnavailable({ url: 'redis://here', reason: 'it is away' });
    told++;
  });
  away = false;
  await until(() => told === 1, 'the other one');
  await until(() => tries === 61, 'the last try');
  await backlog.doOrAdd(async () => {}); // nothing waits any more
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(tries).toBe(61);
});
