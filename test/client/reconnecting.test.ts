// When attempts are made to get another connection, and when they end, without a network.
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { openFake } from './fake-socket.ts';

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const STEP_MS = 50;

test('attempts become rarer, each at a random time, until the service does not wait any more', async () => {
  const { socket, connections } = await openFake({}, { resumeMs: 10_000 });
  const heard: unknown[] = [];
  socket.on('error', ({ code }) => heard.push(code));
  socket.on('close', (code, reason) => heard.push([code, reason]));
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
  connections[0]!.end(1006);
  const pauses: number[] = [];
  for (let before = Date.now(), now = 0; now < 60_000; now += STEP_MS) {
    await jest.advanceTimersByTimeAsync(STEP_MS);
    if (connections.length - 1 === pauses.length) continue;
    pauses.push(Date.now() - before);
    before = Date.now();
    connections.at(-1)!.end(1006);
  }
  // half of what may be; the last one when 10 s that the service waits and 10 s that it notices later are over
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 2500, 2500, 2500, 2500, 2500, 2500, 1900]);
  expect(heard).toEqual(['BATON_CONNECTION_LOST', [1006, 'BATON_CONNECTION_LOST']]);
  expect([socket.closed, jest.getTimerCount()]).toEqual([true, 0]);
});

test('one is made at once when the browser says that it is online', async () => {
  const page = new EventTarget();
  const listen = {
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  };
  Object.assign(globalThis, listen);
  try {
    const { socket, connections } = await openFake();
    jest.spyOn(Math, 'random').mockReturnValue(0.99);
    connections[0]!.end(1006);
    await jest.advanceTimersByTimeAsync(0);
    expect(connections).toHaveLength(1);
    page.dispatchEvent(new Event('online'));
    await jest.advanceTimersByTimeAsync(0);
    expect(connections).toHaveLength(2);
    connections[1]!.says('resumed', { received: 0 });
    await jest.advanceTimersByTimeAsync(0);
    expect(socket.connected).toBe(true);
    await socket.close();
  } finally {
    for (const name of Object.keys(listen)) Reflect.deleteProperty(globalThis, name);
  }
});
