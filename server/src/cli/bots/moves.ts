import { setTimeout as wait } from 'node:timers/promises';
import type { Histogram } from 'hdr-histogram-js';
import { BatonError, noTarget } from '../../errors.ts';
import type { ServiceClient } from '../service-client.ts';
import { newHistogram, record } from './measure.ts';

/** So many at most are under way. */
const movesAtOnce = 16;

export interface Moves {
  done: number;
  failed: number;
  blackout: Histogram;
  /** When each was, in seconds since the beginning, and how long its room did not run. */
  log: { at: number; blackoutMs: number }[];
}

export function noMoves(): Moves {
  return { done: 0, failed: 0, blackout: newHistogram(), log: [] };
}

export interface Moving {
  service: ServiceClient;
  /** Seconds. */
  duration: number;
  moves: number;
  seed: number;
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
    const views = new Map((await service.rooms()).map((view) => [view.roomId, view.host]));
    const hosts = await hostsOf(service);
    await Promise.all(
      rooms.map(async (roomId, index) => {
        const to = another(hosts, views.get(roomId), seed + n + index);
        await moved(moving, result, roomId, to);
      }),
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
    const move = (async () => {
      const socketId = await pick(seed + n * 7919);
      if (socketId === undefined) return;
      const [hosts, host] = await Promise.all([hostsOf(service), hostOf(service, socketId)]);
      // It may have left meanwhile.
      if (host !== undefined) await moved(moving, result, socketId, another(hosts, host, seed + n));
    })();
    underWay.add(move);
    void move.finally(() => underWay.delete(move)).catch(() => {});
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

async function hostOf(service: ServiceClient, socketId: string): Promise<string | undefined> {
  const path = `/v1/sockets/${encodeURIComponent(socketId)}`;
  try {
    return (await service.ask<{ host: string }>({ method: 'GET', path })).host;
  } catch (error) {
    if (error instanceof BatonError && error.status === 404) return undefined;
    throw error;
  }
}

/** @throws noTarget */
function another(hosts: readonly string[], host: string | undefined, choice: number): string {
  const others = hosts.filter((each) => each !== host);
  if (others.length === 0) throw noTarget({ host: hosts[0] ?? 'the only host' });
  return others[choice % others.length]!;
}

async function moved(
  { service, now, fault }: Moving,
  result: Moves,
  roomId: string,
  to: string,
): Promise<void> {
  try {
    const { blackoutMs } = await service.migrate(roomId, to);
    record(result.blackout, blackoutMs);
    result.log.push({ at: now(), blackoutMs });
    result.done++;
  } catch (error) {
    // One that has just left is nothing that failed.
    if (error instanceof BatonError && error.status === 404) return;
    result.failed++;
    fault(`move of ${roomId} to ${to}: ${(error as Error).message}`);
  }
}
