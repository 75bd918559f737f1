import { setTimeout as wait } from 'node:timers/promises';
import type { Histogram } from 'hdr-histogram-js';
import { BatonError, noTarget } from '../../errors.ts';
import type { ServiceClient } from '../service-client.ts';
import { newHistogram, record } from './measure.ts';

/** So many at most are under way. */
const movesAtOnce = 16;
/** Before a move that could not be made just now is tried again. */
const againMs = 200;
/** It is on its way, was brought there meanwhile, or is about to end. */
const passing = new Set(['BATON_MOVE_IN_PROGRESS', 'BATON_MOVE_TO_SELF', 'BATON_ROOM_DISPOSING']);

export interface Moves {
  /** What became of each: done, failed, or not made because there was nothing to move. */
  asked: number;
  done: number;
  failed: number;
  blackout: Histogram;
  /** When each was, in seconds since the beginning, and how long its room did not run. */
  log: { at: number; blackoutMs: number }[];
}

export function noMoves(): Moves {
  return { asked: 0, done: 0, failed: 0, blackout: newHistogram(), log: [] };
}

export interface Moving {
  service: ServiceClient;
  /** Seconds. */
  duration: number;
  moves: number;
  seed: number;
  /** How long a move is tried that cannot be made just now. */
  tryForMs: number;
  /** Seconds since the beginning, for the log. */
  now(): number;
  fault(text: string): void;
}

/** Moves rooms about, all of them so many times, evenly over the time. @param afterwards done after each time */
export async function moveRooms(
  moving: Moving,
  result: Moves,
  rooms: readonly string[],
  afterwards: () => Promise<unknown>,
): Promise<void> {
  const { service, duration, moves, seed } = moving;
  const clock = new Clock(duration, moves);
  for (let n = 1; n <= moves; n++) {
    await clock.until(n);
    const first = await placesOf(service);
    await Promise.all(
      rooms.map((id, index) =>
        move(moving, result, seed + n + index, async (attempt) => {
          const { places, hosts } = attempt === 0 ? first : await placesOf(service);
          const host = places.get(id);
          return host === undefined ? undefined : { id, host, hosts };
        }),
      ),
    );
    await afterwards();
  }
  await clock.until(moves + 1);
}

/** Moves so many linked pairs in all, one after the other. @param pick a socket of one that can be moved by now */
export async function movePairs(
  moving: Moving,
  result: Moves,
  pick: (n: number) => Promise<string | undefined>,
): Promise<void> {
  const { service, duration, moves, seed } = moving;
  const clock = new Clock(duration, moves);
  const underWay = new Set<Promise<void>>();
  for (let n = 1; n <= moves; n++) {
    await clock.until(n);
    if (underWay.size >= movesAtOnce) await Promise.race(underWay);
    const moved = move(moving, result, seed + n, async (attempt) => {
      const socketId = await pick(seed + n * 7919 + attempt);
      return socketId === undefined ? undefined : socketOf(service, socketId);
    });
    underWay.add(moved);
    void moved.finally(() => underWay.delete(moved)).catch(() => {});
  }
  await Promise.all(underWay);
  await clock.until(moves + 1);
}

/** Equal spans of time, as many as there are moves and one more. */
class Clock {
  readonly #start = performance.now();
  readonly #spanMs: number;

  constructor(seconds: number, moves: number) {
    this.#spanMs = (seconds * 1000) / (moves + 1);
  }

  async until(span: number): Promise<void> {
    await wait(Math.max(0, this.#start + this.#spanMs * span - performance.now()));
  }
}

async function hostsOf(service: ServiceClient): Promise<string[]> {
  return (await service.hosts()).filter(({ state }) => state === 'up').map(({ id }) => id);
}

/** Which host each room is on, and which there are. */
async function placesOf(service: ServiceClient): Promise<{ places: Map<string, string>; hosts: string[] }> {
  const [rooms, hosts] = await Promise.all([service.rooms(), hostsOf(service)]);
  return { places: new Map(rooms.map(({ roomId, host }) => [roomId, host])), hosts };
}

interface Movable {
  id: string;
  host: string;
  /** Where it may be. */
  hosts: string[];
}

/** Nothing when it has left. */
async function socketOf(service: ServiceClient, id: string): Promise<Movable | undefined> {
  const path = `/v1/sockets/${encodeURIComponent(id)}`;
  try {
    const [hosts, { host }] = await Promise.all([
      hostsOf(service),
      service.ask<{ host: string }>({ method: 'GET', path }),
    ]);
    return { id, host, hosts };
  } catch (error) {
    if (error instanceof BatonError && error.status === 404) return undefined;
    throw error;
  }
}

/** @throws noTarget */
function another(hosts: readonly string[], host: string, choice: number): string {
  const others = hosts.filter((each) => each !== host);
  if (others.length === 0) throw noTarget({ host: host });
  return others[choice % others.length]!;
}

/** @param find what is to move, if there is anything by now */
async function move(
  { service, tryForMs, now, fault }: Moving,
  result: Moves,
  choice: number,
  find: (attempt: number) => Promise<Movable | undefined>,
): Promise<void> {
  const until = performance.now() + tryForMs;
  const which = ++result.asked;
  let why = 'nothing was there to be moved';
  for (let attempt = 0; performance.now() < until; attempt++) {
    if (attempt > 0) await wait(againMs);
    const found = await find(attempt);
    if (found === undefined) continue;
    const to = another(found.hosts, found.host, choice);
    try {
      const { blackoutMs } = await service.migrate(found.id, to);
      record(result.blackout, blackoutMs);
      result.log.push({ at: now(), blackoutMs });
      result.done++;
      return;
    } catch (error) {
      why = (error as Error).message;
      if (error instanceof BatonError && (error.status === 404 || passing.has(error.code))) continue;
      result.failed++;
      fault(`move of ${found.id} to ${to}: ${why}`);
      return;
    }
  }
  fault(`move ${which} was not made: ${why}`);
}
