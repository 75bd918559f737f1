// When sockets take a new version of their mapping that says so.
import type { Room } from '@colyseus/core';
import { beforeEach, expect, test } from '@jest/globals';
import type { Mapping } from '../../server/src/mappings/index.ts';
import { trackOf } from '../../server/src/migration/index.ts';
import type { HostedSocket } from '../../server/src/sockets/service.ts';
import { Versions } from '../../server/src/sockets/versions.ts';

const mapping = (version: number, onUpdate: Mapping['onUpdate'] = 'adopt') =>
  ({ tenant: 't', name: 'duel', version, onUpdate, forward: 'peers' }) as Mapping;

let current: Mapping;
let rooms: HostedSocket[];
let adopted: HostedSocket[];
let tell: (mapping: Mapping) => void;
let versions: Versions;

beforeEach(() => {
  current = mapping(1);
  rooms = [];
  adopted = [];
  versions = new Versions({
    mappings: {
      onChange: (listener) => {
        tell = (now) => listener('t', 'duel', (current = now));
        return () => {};
      },
      has: () => true,
      get: () => current,
    },
    sockets: { all: () => rooms, runs: (room) => trackOf(room as unknown as Room).phase === 'live' },
    adopted: (room) => adopted.push(room),
  });
});

function socket(phase: 'live' | 'frozen' = 'live') {
  const room = { mapping: current, inform: () => {} } as unknown as HostedSocket;
  const track = trackOf(room as unknown as Room);
  track.phase = phase;
  track.letRest(phase === 'frozen');
  rooms.push(room);
  return { room, track, version: () => room.mapping.version };
}

test('those that run take it at once, if it says so', () => {
  const one = socket();
  tell(mapping(2, 'keep'));
  expect(one.version()).toBe(1);
  tell(mapping(3));
  expect([one.version(), adopted]).toEqual([3, [one.room]]);
});

test('one that was about to move takes it when it stays', async () => {
  const [stays, leaves] = [socket('frozen'), socket('frozen')];
  tell(mapping(2));
  expect([stays.version(), leaves.version()]).toEqual([1, 1]);
  stays.track.phase = 'live';
  stays.track.letRest(false);
  leaves.track.phase = 'released';
  leaves.track.letRest(false);
  await Promise.resolve();
  expect([stays.version(), leaves.version(), adopted]).toEqual([2, 1, [stays.room]]);
});

test('one that opens or arrives with an older one takes it, too', () => {
  const { room, version } = socket();
  rooms = [];
  tell(mapping(2));
  expect(version()).toBe(1);
  expect([versions.catchUp(room), version(), versions.catchUp(room)]).toEqual([true, 2, false]);
});
