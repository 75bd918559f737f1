// A game whose bundle has no @colyseus/sdk, and that is offered a room all the same.
import { expect, jest, test } from '@jest/globals';
import { openFake } from './fake-socket.ts';

jest.unstable_mockModule('@colyseus/sdk', () => {
  throw new Error('it is not in the bundle');
});

test('it is told what is missing, and its socket goes on', async () => {
  const { socket, connections } = await openFake();
  const told = new Promise<unknown>((resolve) => socket.on('error', resolve));
  connections[0]!.says('room', { name: 'arena', roomId: 'r', sessionId: 's' });
  expect(await told).toMatchObject({
    code: 'BATON_ROOM_SDK',
    message: expect.stringMatching(/not in the bundle.*put it into the bundle/),
  });
  expect([socket.closed, socket.send('on'), connections[0]!.sent.at(-1)]).toEqual([false, true, 'on']);
  await socket.close();
});
