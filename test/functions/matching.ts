// A matchmaker at work in the test's own process, on a pool with a clock of its own and a service that only pretends.
import {
  type MatchmakeOptions,
  type Matchmaker,
  type Matchmaking,
  matchmake,
  memoryPool,
  type TicketPool,
} from '@baton/functions';
import { until } from '../support/service.ts';
import { FakeService, Players } from './fake-service.ts';

/** Unix time in ms, as the pool has it. */
export let clock: number;
export let service: FakeService;
export let pool: TicketPool;
export let players: Players;
export let matchmaking: Matchmaking;
export const failures: unknown[] = [];
export const others: Matchmaking[] = [];

export function begin(): void {
  clock = 1_000_000;
  service = new FakeService();
  pool = memoryPool({ now: () => clock });
  failures.length = 0;
}

export async function end(): Promise<void> {
  await Promise.all([matchmaking, ...others.splice(0)].map((each) => each.stop()));
}

export function pass(ms: number): void {
  clock += ms;
}

export function start(matchmaker: Matchmaker, options: MatchmakeOptions = {}): void {
  matchmaking = matchmake(matchmaker, {
    ...{ pool, service, failed: (error) => failures.push(error) },
    ...options,
  });
  players = new Players(service, matchmaking);
}

/** The same, in rounds that follow each other quickly. */
export const often = (matchmaker: Matchmaker): Matchmaker => ({ ...matchmaker, interval: 5 });
export const linked = (a: string, ...peers: string[]) =>
  until(() => players.peers(a).join() === peers.sort().join(), `${a} to be linked with ${peers}`);
export const stateOf = async (socketId: string) => (await pool.get(socketId))?.state;
export const waiting = async () => (await pool.waiting()).map(({ id }) => id);
