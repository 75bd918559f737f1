// The moves of `baton bots` on a service whose rooms are moving, gone or stuck: what was asked for counts against what
// was made.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { type Moving, movePairs, moveRooms, noMoves } from '../../server/src/cli/bots/moves.ts';
import { allWell } from '../../server/src/cli/bots/run.ts';
import type { BotsResult } from '../../server/src/cli/bots/types.ts';
import { ServiceClient } from '../../server/src/cli/service-client.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Answer = [status: number, body: object];

const problem = (code: string, status: number): Answer => [
  status,
  { code, status, detail: `it says ${code}` },
];
const moved: Answer = [200, { blackoutMs: 5 }];

/** A service of two hosts, with one room "r" and one socket "s". @param answers to moves in turn, the last one for good */
async function service(...answers: Answer[]) {
  const asked: string[] = [];
  const send = (response: ServerResponse, [status, body]: Answer) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const server = createServer(({ url = '', method }, response) => {
    if (method === 'POST') {
      asked.push(url);
      send(response, answers.length > 1 ? answers.shift()! : answers[0]!);
    } else if (url.startsWith('/v1/hosts'))
      send(response, [200, { hosts: ['a', 'b'].map((id) => ({ id, state: 'up' })) }]);
    else if (url.startsWith('/v1/rooms')) send(response, [200, { rooms: [{ roomId: 'r', host: 'a' }] }]);
    else
      send(response, url === '/v1/sockets/s' ? [200, { host: 'a' }] : problem('BATON_SOCKET_NOT_FOUND', 404));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  const faults: string[] = [];
  const moving: Moving = {
    service: new ServiceClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'token'),
    ...{ duration: 0.1, moves: 2, seed: 1, tryForMs: 300, now: () => 0 },
    fault: (text) => faults.push(text),
  };
  return { moving, faults, asked };
}

const well = ({ asked, done, failed }: ReturnType<typeof noMoves>) =>
  allWell({
    ...{ lost: 0, duplicated: 0, reordered: 0, disconnects: 0, stateMismatches: 0 },
    ...{ askedMoves: asked, moves: done, failedMoves: failed },
  } as BotsResult);

test('what is just moving, has moved or has left is tried again, and did not fail', async () => {
  const { moving, faults, asked } = await service(
    problem('BATON_MOVE_IN_PROGRESS', 409),
    problem('BATON_MOVE_TO_SELF', 409),
    moved,
    problem('BATON_ROOM_NOT_FOUND', 404),
    moved,
  );
  const moves = noMoves();
  await moveRooms({ ...moving, tryForMs: 10_000 }, moves, ['r'], async () => {});
  expect([moves.asked, moves.done, moves.failed, faults, asked.length]).toEqual([2, 2, 0, [], 5]);
  expect(well(moves)).toBe(true);
});

test('a pair that has left makes way for another one', async () => {
  const { moving, faults } = await service(moved);
  const moves = noMoves();
  const picks = [undefined, 'gone', 's', 's'];
  await movePairs({ ...moving, tryForMs: 10_000, moves: 1 }, moves, async () => picks.shift());
  expect([moves.asked, moves.done, moves.failed, faults]).toEqual([1, 1, 0, []]);
});

test('when nothing can be moved, it is said, and all is not well', async () => {
  const { moving, faults } = await service(problem('BATON_ROOM_NOT_FOUND', 404));
  const moves = noMoves();
  await movePairs(moving, moves, async () => undefined);
  await moveRooms(moving, moves, ['r', 'no room'], async () => {});
  expect([moves.asked, moves.done, moves.failed]).toEqual([6, 0, 0]);
  expect(faults.sort()).toEqual([
    'move 1 was not made: nothing was there to be moved',
    'move 2 was not made: nothing was there to be moved',
    'move 3 was not made: it says BATON_ROOM_NOT_FOUND',
    'move 4 was not made: nothing was there to be moved',
    'move 5 was not made: it says BATON_ROOM_NOT_FOUND',
    'move 6 was not made: nothing was there to be moved',
  ]);
  expect(well(moves)).toBe(false);
});

test('a move that is refused failed', async () => {
  const { moving, faults, asked } = await service(problem('BATON_ROOM_IMMOVABLE', 422), moved);
  const moves = noMoves();
  await moveRooms(moving, moves, ['r'], async () => {});
  expect([moves.asked, moves.done, moves.failed, asked.length]).toEqual([2, 1, 1, 2]);
  expect(faults).toEqual(['move of r to b: it says BATON_ROOM_IMMOVABLE']);
  expect(well(moves)).toBe(false);
});
