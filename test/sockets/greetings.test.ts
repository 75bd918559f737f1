// Plain clients whose sockets are opening: when they are answered, and what becomes of what they say before.
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Greetings } from '../../server/src/sockets/greetings.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A client whose connection is held, and who says `words` once it is heard. */
function client(words: string[] = []) {
  const log: string[] = [];
  const ref = Object.assign(new EventEmitter(), {
    resume() {
      if (log.includes('answered')) return;
      log.push('answered');
      for (const word of words) ref.emit('message', Buffer.from(word), false);
    },
    pauseReading: () => log.push('paused'),
    resumeReading: () => log.push('read again'),
  });
  return { log, ref };
}

const heardBy = (log: string[]) => ({
  hear: (_client: unknown, data: Uint8Array, isBinary: boolean) =>
    log.push(`${isBinary ? 'bytes' : 'text'} ${Buffer.from(data).toString()}`),
});

test('one whose socket opens soon is answered then, and never kept waiting', () => {
  const greetings = new Greetings();
  const { log, ref } = client(['hello']);
  const newcomer = greetings.await({ ref } as never);
  jest.advanceTimersByTime(1);
  expect(log).toEqual([]);
  newcomer.end();
  expect(log).toEqual(['answered']);
  expect(ref.listenerCount('message')).toBe(0);
  expect(jest.getTimerCount()).toBeLessThanOrEqual(1);
  jest.advanceTimersByTime(100);
  expect(log).toEqual(['answered']);
  expect(jest.getTimerCount()).toBe(0);
});

test('one whose function takes longer is answered meanwhile; what it says is its room’s, in order', () => {
  const greetings = new Greetings();
  const { log, ref } = client(['one', 'two']);
  const newcomer = greetings.await({ ref } as never);
  jest.advanceTimersByTime(8);
  expect(log).toEqual(['answered']);
  newcomer.flowTo(heardBy(log) as never);
  expect(log).toEqual(['answered', 'text one', 'text two', 'read again']);
  ref.emit('message', Buffer.from('three'), true);
  expect(log.at(-1)).toBe('bytes three');
  newcomer.end();
  expect(ref.listenerCount('message')).toBe(0);
});

test('with the room there before it is answered, nothing is kept', () => {
  const greetings = new Greetings();
  const { log, ref } = client(['one']);
  const newcomer = greetings.await({ ref } as never);
  newcomer.flowTo(heardBy(log) as never);
  jest.advanceTimersByTime(8);
  expect(log).toEqual(['read again', 'answered', 'text one']);
});

test('one that says more than is kept is not read until its room is there', () => {
  const greetings = new Greetings();
  const { log, ref } = client(['x'.repeat(64 * 1024 - 64), 'y']);
  const newcomer = greetings.await({ ref } as never);
  jest.advanceTimersByTime(8);
  expect(log).toEqual(['answered', 'paused']);
  newcomer.flowTo(heardBy(log) as never);
  expect(log.at(-1)).toBe('read again');
});

test('nor is one that says nothing, again and again', () => {
  const greetings = new Greetings();
  const { log, ref } = client(Array.from({ length: 1025 }, () => ''));
  greetings.await({ ref } as never);
  jest.advanceTimersByTime(8);
  expect(log).toEqual(['answered', 'paused']);
});

test('one that is refused meanwhile is read again', () => {
  const greetings = new Greetings();
  const { log, ref } = client(['x'.repeat(64 * 1024)]);
  const newcomer = greetings.await({ ref } as never);
  jest.advanceTimersByTime(8);
  newcomer.end();
  expect(log).toEqual(['answered', 'paused', 'read again']);
  expect(ref.listenerCount('message')).toBe(0);
});

test('each waits its own time', () => {
  const greetings = new Greetings();
  const first = client();
  greetings.await({ ref: first.ref } as never);
  jest.advanceTimersByTime(3);
  const second = client();
  greetings.await({ ref: second.ref } as never);
  jest.advanceTimersByTime(2);
  const third = client();
  greetings.await({ ref: third.ref } as never);
  jest.advanceTimersByTime(3);
  expect([first, second, third].map(({ log }) => log.length)).toEqual([1, 1, 0]);
  jest.advanceTimersByTime(4);
  expect(third.log).toEqual(['answered']);
});
