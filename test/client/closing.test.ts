// The end of a socket whose service does not answer, without a network.
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { openFake } from './fake-socket.ts';

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
afterEach(() => void jest.useRealTimers());

test('a goodbye that nobody answers ends the socket: no other connection follows', async () => {
  const { socket, connections } = await openFake({ heartbeat: 500 });
  const events: string[] = [];
  socket.on('reconnecting', () => events.push('reconnecting'));
  socket.on('close', () => events.push('close'));
  connections[0]!.close = () => {}; // the network is gone without a word
  await jest.advanceTimersByTimeAsync(600); // and is being tried
  const closed = Promise.all([socket.close(), socket.close()]);
  for (let ms = 0; ms < 3_000; ms += 100) {
    await jest.advanceTimersByTimeAsync(100);
    const again = connections[1];
    if (again && again.sent.length === 0) again.says('resumed', { received: 0 });
  }
  await closed;
  expect([connections.length, events, socket.closed]).toEqual([1, ['close'], true]);
  expect(jest.getTimerCount()).toBe(0);
});

test('one that is closed the moment it is back is closed on the new connection, and for good', async () => {
  const { socket, connections } = await openFake();
  connections[0]!.end(1006);
  await jest.advanceTimersByTimeAsync(500);
  let closing: Promise<void> | undefined;
  socket.on('resumed', () => {
    closing = socket.close();
  });
  const [, again] = connections;
  again!.close = () => {};
  again!.says('resumed', { received: 0 });
  await jest.advanceTimersByTimeAsync(0);
  expect(closing).toBeDefined();
  again!.end(1006);
  await closing;
  await jest.advanceTimersByTimeAsync(10_000);
  expect([connections.length, socket.closed]).toEqual([2, true]);
  expect(jest.getTimerCount()).toBe(0);
});
