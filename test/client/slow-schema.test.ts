// A schema that takes its time, without a network: what waits for it is not confirmed, so that it is the service that
// holds the rest back.
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { type FakeSocket, openFake } from './fake-socket.ts';

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
afterEach(() => void jest.useRealTimers());

/** Each message is checked when the test says so. */
async function open() {
  const checks: ((result: object) => void)[] = [];
  const validate = () => new Promise<object>((resolve) => checks.push(resolve));
  const schema = { '~standard': { version: 1, vendor: 'test', validate } };
  const { socket, connections } = await openFake({ schema });
  const heard: unknown[] = [];
  socket.on('message', (data) => heard.push(data));
  socket.on('error', ({ code }) => heard.push(code));
  const checked = async (count: number, result: (value: number) => object = (value) => ({ value })) => {
    for (let i = 0; i < count; i++) {
      checks.shift()!(result(heard.length));
      await jest.advanceTimersByTimeAsync(0);
    }
  };
  return { socket, connections, heard, checked };
}

const acks = ({ sent }: FakeSocket) =>
  sent.map((said) => JSON.parse(String(said).slice(1))).flatMap(({ ack, ask }) => (ask ? [] : [ack]));
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test('only what the game has got is confirmed, by number and by time', async () => {
  const { socket, connections, heard, checked } = await open();
  const [connection] = connections as [FakeSocket];
  for (const n of numbers(100)) connection.hear(`${n}`);
  connection.says('linked', { peers: ['x'] }); // counts, too, and comes in its turn
  await jest.advanceTimersByTimeAsync(2_000);
  expect(acks(connection)).toEqual([0]);
  await checked(32);
  expect(acks(connection)).toEqual([0, 32]);
  await checked(1);
  expect(acks(connection)).toEqual([0, 32]);
  await jest.advanceTimersByTimeAsync(500);
  expect(acks(connection)).toEqual([0, 32, 33]);
  await checked(67);
  await jest.advanceTimersByTimeAsync(500);
  expect(acks(connection)).toEqual([0, 32, 33, 65, 97, 101]);
  expect(heard).toEqual(numbers(100));
  await socket.close();
  expect(jest.getTimerCount()).toBe(0);
});

test('what does not fit the schema has been given, too', async () => {
  const { socket, connections, heard, checked } = await open();
  const [connection] = connections as [FakeSocket];
  for (const n of numbers(2)) connection.hear(`${n}`);
  await checked(2, () => ({ issues: [{ message: 'no' }] }));
  await jest.advanceTimersByTimeAsync(500);
  expect([heard, acks(connection)]).toEqual([
    ['BATON_MESSAGE_INVALID', 'BATON_MESSAGE_INVALID'],
    [0, 2],
  ]);
  await socket.close();
});

test('on another connection nothing that was heard comes again, and no less is confirmed than before', async () => {
  const { socket, connections, heard, checked } = await open();
  const [first] = connections as [FakeSocket];
  for (const n of numbers(40)) first.hear(`${n}`);
  await checked(10);
  first.end(1006);
  await jest.advanceTimersByTimeAsync(500);
  const second = connections[1]!;
  expect(new URL(second.url).searchParams.get('received')).toBe('40');
  second.says('resumed', { received: 0 });
  for (const n of numbers(40)) second.hear(`${40 + n}`);
  await checked(30);
  await jest.advanceTimersByTimeAsync(1_000);
  expect(acks(second)).toEqual([]);
  await checked(32);
  expect(acks(second)).toEqual([72]);
  await checked(8);
  await jest.advanceTimersByTimeAsync(500);
  expect(acks(second)).toEqual([72, 80]);
  expect(heard).toEqual(numbers(80));
  await socket.close();
  expect(jest.getTimerCount()).toBe(0);
});
