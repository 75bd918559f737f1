// Loops of a room that goes on after it stood still.
import { LocalDriver, LocalPresence, matchMaker, Room } from '@colyseus/core';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { installHooks, trackOf } from '../../server/src/migration/index.ts';
import { startLoops, stopLoops } from '../../server/src/migration/room/simulation.ts';

class Ticking extends Room {
  override patchRate = 20;
  patches = 0;
  override onBeforePatch(): void {
    this.patches++;
  }
}

beforeAll(async () => {
  installHooks();
  await matchMaker.setup(new LocalPresence(), new LocalDriver());
  matchMaker.defineRoomType('ticking', Ticking);
});

afterAll(() => matchMaker.gracefullyShutdown());

test('a room that ends within its first patch period sends none later', async () => {
  const { roomId } = await matchMaker.handleCreateRoom('ticking', {});
  const room = matchMaker.getLocalRoomById(roomId) as Ticking;
  stopLoops(room);
  trackOf(room).lastPatchAt = Date.now() - 10;
  startLoops(room);
  await room.disconnect();
  const { patches } = room;
  await new Promise((resolve) => setTimeout(resolve, 100)); // five periods go by
  expect(room.patches).toBe(patches);
});
