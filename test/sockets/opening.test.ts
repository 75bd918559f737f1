// Sockets that are opened by an upgrade, without a service around them.
import { EventEmitter, once } from 'node:events';
import { expect, test } from '@jest/globals';
import { Opening, type OpeningOptions } from '../../server/src/sockets/opening.ts';
import { type Arrival, ReadyState } from '../../server/src/transport/index.ts';

test('the token of a promised socket is its player’s again when the client is gone before the room is there', async () => {
  const ticket = { socketId: 's', key: 'where it was' };
  const log: unknown[] = [];
  const events = new EventEmitter();
  const room = {
    roomId: 's',
    _events: events,
    disconnect: () => void setImmediate(() => events.emit('dispose')),
  };
  const opening = new Opening({
    accepting: () => true,
    authenticate: async () => ({ playerId: 'ann', mapping: { tenant: 'default' }, ticket }),
    admit: async () => room,
    forget: (socketId: string) => log.push(`forget ${socketId}`),
    giveBack: async (given: unknown) => void log.push(given),
  } as unknown as OpeningOptions);
  const ref = Object.assign(new EventEmitter(), { resume() {}, resumeReading() {} });
  opening.take({
    address: new URL('ws://game.example/v1/socket/duel?token=t'),
    protocols: new Set(),
    headers: {},
    hops: 0,
    accept: () => ({ ref, readyState: ReadyState.CLOSED }),
  } as unknown as Arrival);
  await once(events, 'dispose');
  expect(log).toEqual(['forget s', ticket]);
});
