// What a socket of the client package keeps for listeners that come late. No service: only what it would say matters.
import { expect, test } from '@jest/globals';
import { openFake } from './fake-socket.ts';

test('256 of a name are kept; who comes later hears what was not, as an error', async () => {
  const { socket, connections } = await openFake({ format: 'json' });
  for (let n = 1; n <= 300; n++) connections[0]!.hear(`${n}`);
  const heard: number[] = [];
  const errors: string[] = [];
  socket.on('error', ({ code, message }) => errors.push(`${code} ${message}`));
  expect(errors).toEqual([]);
  socket.on('message', (n) => heard.push(n));
  connections[0]!.hear('301');
  expect(heard).toEqual([...Array.from({ length: 256 }, (_, i) => i + 1), 301]);
  expect(errors).toEqual([
    expect.stringMatching(/^BATON_EVENTS_LOST 44 events "message" came before anybody .* Listen right after/),
  ]);
  await socket.close();
});

test('messages nobody listens to do not push out other events', async () => {
  const { socket, connections } = await openFake();
  for (let n = 0; n < 1_000; n++) connections[0]!.hear(`${n}`);
  connections[0]!.says('linked', { peers: ['p'] });
  connections[0]!.end(4000);
  const heard: unknown[] = [];
  socket.on('linked', (peers) => heard.push(peers));
  socket.on('close', (code) => heard.push(code));
  expect(heard).toEqual([['p'], 4000]);
});

test('a loop over the messages gets those that came before it, and ends with the socket', async () => {
  const { socket, connections } = await openFake();
  connections[0]!.hear('1');
  connections[0]!.hear('2');
  const heard: unknown[] = [];
  for await (const message of socket) {
    heard.push(message);
    if (message === '2') connections[0]!.hear('3');
    if (message === '3') connections[0]!.end(4000);
  }
  expect(heard).toEqual(['1', '2', '3']);
});

test('a loop that is too slow is told what it has missed', async () => {
  const { socket, connections } = await openFake();
  const read = async () => {
    for await (const message of socket)
      if (message === 'go') for (let n = 0; n < 1_030; n++) connections[0]!.hear(`${n}`);
  };
  connections[0]!.hear('go');
  await expect(read()).rejects.toMatchObject({ code: 'BATON_EVENTS_LOST' });
  await socket.close();
});
