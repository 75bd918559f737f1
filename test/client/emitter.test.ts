// What a socket of the client package keeps for listeners that come late. No service: only the room's messages matter.
import { expect, test } from '@jest/globals';
import { BatonSocket } from '../../client-sdk/src/socket.ts';

type Listener = (payload?: unknown, more?: unknown) => void;

function socketAndRoom() {
  const handlers = new Map<string, Listener>();
  let left: Listener = () => {};
  const room = {
    roomId: 'r',
    onMessage: (type: string, handler: Listener) => handlers.set(type, handler),
    onLeave: (handler: Listener) => {
      left = handler;
    },
  };
  const socket = new BatonSocket<number>(room as never);
  return {
    socket,
    say: (type: string, data: unknown) => handlers.get(type)!(data),
    leave: () => left(4000, ''),
  };
}

test('256 of a name are kept; who comes later hears what was not, as an error', () => {
  const { socket, say } = socketAndRoom();
  for (let n = 1; n <= 300; n++) say('data', n);
  const heard: number[] = [];
  const errors: string[] = [];
  socket.on('error', ({ code, message }) => errors.push(`${code} ${message}`));
  expect(errors).toEqual([]);
  socket.on('message', (n) => heard.push(n));
  say('data', 301);
  expect(heard).toEqual([...Array.from({ length: 256 }, (_, i) => i + 1), 301]);
  expect(errors).toEqual([
    'BATON_EVENTS_LOST 44 events "message" came before anybody listened, and were not kept.',
  ]);
});

test('messages nobody listens to do not push out other events', () => {
  const { socket, say, leave } = socketAndRoom();
  for (let n = 0; n < 1_000; n++) say('data', n);
  say('linked', { peers: ['p'] });
  leave();
  const heard: unknown[] = [];
  socket.on('linked', (peers) => heard.push(peers));
  socket.on('close', (code) => heard.push(code));
  expect(heard).toEqual([['p'], 4000]);
});
