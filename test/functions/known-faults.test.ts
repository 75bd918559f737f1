// What other matchmakers got wrong, and this one must not.
import {
  firstCome,
  type MatchmakeOptions,
  type Matchmaker,
  type Matchmaking,
  matchmake,
  memoryPool,
  parties,
  skill,
  type Ticket,
  type TicketPool,
  teams,
} from '@baton/functions';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import { FakeService, Players } from './fake-service.ts';

let clock: number;
let service: FakeService;
let pool: TicketPool;
let players: Players;
let matchmaking: Matchmaking | undefined;

beforeEach(() => {
  clock = 1_000_000;
  service = new FakeService();
  pool = memoryPool({ now: () => clock });
});

function start(matchmaker: Matchmaker, options: MatchmakeOptions = {}): void {
  matchmaking = matchmake(matchmaker, { pool, service, failed: () => {}, ...options });
  players = new Players(service, matchmaking);
}
const often = (matchmaker: Matchmaker): Matchmaker => ({ ...matchmaker, interval: 5 });
const linked = (a: string, ...peers: string[]) =>
  until(() => players.peers(a).join() === peers.sort().join(), `${a} to be linked with ${peers}`);
const ticket = (id: string, createdAt: number, mu = 25): Ticket => ({
  id,
  players: [{ id, rating: { mu, sigma: 1 } }],
  createdAt,
  attributes: {},
});

afterEach(() => matchmaking?.stop());

test.each([
  ['at once', firstCome()],
  ['in rounds', often(skill())],
])('asobi#230: a player is matched with himself by a double tap: %s', async (_how, matchmaker) => {
  start(matchmaker);
  const [first, second] = await Promise.all([
    players.open('tap-1', { playerId: 'ann' }),
    players.open('tap-2', { playerId: 'ann' }),
  ]);
  expect([first, second]).toContainEqual({});
  await until(() => service.closed.size === 1, 'one of both sockets to be closed');
  expect(await pool.size()).toBe(1);
  const left = service.closed.has('tap-1') ? 'tap-2' : 'tap-1';
  expect(service.sockets.get(left)!.status).toBe('open');
  await players.open('bob');
  await linked('bob', left);
});

test.each([
  ['skill', skill()],
  ['parties', parties({ size: 1 })],
  ['teams', teams({ size: 1, gap: { from: 2, to: 8, over: 30_000 } })],
])('nakama#827: no match after the maximum of intervals: %s', (_name, matchmaker) => {
  const alone = ticket('alone', 0);
  // Long after everything has widened as far as it does …
  for (let now = 0; now <= 3_600_000; now += 60_000) expect(matchmaker.match([alone], now)).toEqual([]);
  // … the next one who fits is a match in the first round.
  const next = ticket('next', 3_600_000, 30);
  expect(matchmaker.match([alone, next], 3_600_000)).toMatchObject([
    { teams: [[{ id: 'alone' }], [{ id: 'next' }]] },
  ]);
});

test('nakama#1167: matches that are too small', () => {
  const five = Array.from({ length: 5 }, (_, i) => ticket(`t${i}`, 0));
  for (const matchmaker of [
    teams({ size: 3 }),
    parties({ size: 3 }),
    teams({ roles: { tank: 1, healer: 2 } }),
  ]) {
    for (let now = 0; now <= 3_600_000; now += 60_000) expect(matchmaker.match(five, now)).toEqual([]);
    const [match] = matchmaker.match([...five, ticket('t5', 3_600_000)], 3_600_000);
    expect(match!.teams.map((team) => team.length)).toEqual([3, 3]);
  }
});

test('open-match#1037: tickets are not returned after a failed allocation', async () => {
  start(often(firstCome()));
  service.fail = (what) => (what === 'link' ? 'unreachable' : undefined);
  let tried = 0;
  const link = service.link.bind(service);
  service.link = (...asked) => {
    tried++;
    return link(...asked);
  };
  for (const id of ['a', 'b']) await players.open(id);
  await until(() => tried >= 3, 'it to be tried again and again');
  service.fail = () => undefined;
  await linked('a', 'b');
});

test('Colyseus QueueRoom: rank 1 is matched with rank 1,200, whoever waits, however long', () => {
  const matchmaker = skill({ gap: { from: 50, to: 200, over: 30_000 } });
  const [first, last] = [ticket('first', 0, 1), ticket('last', 0, 1_200)];
  for (let now = 0; now <= 3_600_000; now += 60_000) expect(matchmaker.match([first, last], now)).toEqual([]);
  const near = ticket('near', 3_600_000, 150);
  expect(matchmaker.match([first, last, near], 3_600_000)).toEqual([{ teams: [[first], [near]] }]);
});

test('Colyseus QueueRoom: `confirmed` is never enforced', async () => {
  start(firstCome(), { accept: { within: 15_000 } });
  for (const id of ['a', 'b', 'c', 'd']) await players.open(id);
  const all = ['a', 'b', 'c', 'd'];
  await until(() => all.every((id) => players.asked(id)), 'all to be asked');
  const accept = (id: string) => players.say(id, JSON.stringify({ accept: players.asked(id) }));
  // a and b, or c and d
  for (const id of ['a', 'b', 'c']) await accept(id);
  await linked('a', 'b');
  clock += 15_000;
  await until(() => service.closed.has('d'), 'd to be closed');
  expect(players.peers('c')).toEqual([]);
  expect((await pool.get('c'))!.state).toBe('searching');
});
