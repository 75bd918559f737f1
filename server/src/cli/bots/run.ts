import { availableParallelism } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { build, type Histogram } from 'hdr-histogram-js';
import { invalidOption, noTarget } from '../../errors.ts';
import type { ServiceChoice, ServiceClient } from '../service-client.ts';
import { type OwnService, openService } from './service.ts';
import type { BotResult, BotsResult, ChurnResult, Spread } from './types.ts';
import { WorkerProcess } from './worker-process.ts';

export interface BotsOptions extends ServiceChoice, OwnService {
  room: string;
  clients: number;
  /** Seconds. */
  duration: number;
  /** How often every room of the bots is moved. */
  moves: number;
  /** Pings a second and client. */
  rate: number;
  churn: boolean;
  seed: number;
}

interface Report {
  /** One line that replaces the last. */
  progress(text: string): void;
  /** A line that stays: something that went wrong. */
  fault(text: string): void;
}

const clientsPerProcess = 50;
const mostFaults = 20;

/** Plays, moves, checks. @throws BatonError when there is nothing to play on */
export async function runBots(options: BotsOptions, report: Report): Promise<BotsResult> {
  report.progress('looking for a service');
  const service = await openService(options, options);
  const workers: WorkerProcess[] = [];
  try {
    return await play(service.client, workers, options, report);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    await service.close();
  }
}

async function play(service: ServiceClient, workers: WorkerProcess[], options: BotsOptions, report: Report) {
  const rooms = await join(service, workers, options, report);
  const churn = options.churn ? await startChurn(service, workers, rooms, options) : undefined;
  const players = workers.filter((worker) => worker !== churn);
  await Promise.all(players.map((worker) => worker.call('start', { hz: options.rate })));
  const moves = await moveAbout(service, players, rooms, options, report);
  report.progress('waiting for the last messages');
  const churned = await churn?.call('stopChurn');
  const results = (await Promise.all(players.map((worker) => worker.call('finish')))).flat();
  const faults = [...results, churned].flatMap((result) => result?.faults ?? []);
  for (const fault of faults.slice(0, mostFaults)) report.fault(fault);
  if (faults.length > mostFaults) report.fault(`and ${faults.length - mostFaults} more like these`);
  return summary(results, moves, churned);
}

/** @returns the ids of the rooms the bots are in */
async function join(
  service: ServiceClient,
  workers: WorkerProcess[],
  options: BotsOptions,
  report: Report,
): Promise<string[]> {
  const { clients, room } = options;
  const processes = Math.min(Math.ceil(clients / clientsPerProcess), 4 * availableParallelism());
  const rooms = new Set<string>();
  let joined = 0;
  for (let n = 0; n < processes; n++) workers.push(new WorkerProcess());
  // Every second process uses the SDK's fallback socket, so that both of its ways are played.
  await Promise.all(
    workers.map(async (worker, n) => {
      const count = Math.floor(clients / processes) + (n < clients % processes ? 1 : 0);
      const sdkSocket = n % 2 ? 'ws' : 'global';
      const ids = await worker.call(
        'join',
        { url: service.url, room, count, sdkSocket },
        60_000 + count * 1000,
      );
      for (const id of ids) rooms.add(id);
      joined += count;
      report.progress(`${joined} of ${clients} clients have joined`);
    }),
  );
  return [...rooms];
}

async function startChurn(
  service: ServiceClient,
  workers: WorkerProcess[],
  rooms: string[],
  options: BotsOptions,
) {
  const worker = new WorkerProcess();
  workers.push(worker);
  const players = Math.max(2, Math.min(32, Math.ceil(options.clients / 4)));
  await worker.call('startChurn', {
    url: service.url,
    room: options.room,
    rooms,
    players,
    seed: options.seed,
  });
  return worker;
}

interface Moves {
  done: number;
  failed: number;
  blackout: Histogram;
}

async function moveAbout(
  service: ServiceClient,
  workers: WorkerProcess[],
  rooms: string[],
  { duration, moves, seed }: BotsOptions,
  report: Report,
): Promise<Moves> {
  const result: Moves = { done: 0, failed: 0, blackout: newHistogram() };
  const start = performance.now();
  const at = (n: number) =>
    wait(Math.max(0, start + (duration * 1000 * n) / (moves + 1) - performance.now()));
  for (let n = 1; n <= moves; n++) {
    await at(n);
    const views = new Map((await service.rooms()).map((view) => [view.roomId, view.host]));
    const hosts = (await service.hosts()).filter(({ state }) => state === 'up').map(({ id }) => id);
    await Promise.all(
      rooms.map(async (roomId, index) => {
        const others = hosts.filter((host) => host !== views.get(roomId));
        if (others.length === 0) throw noTarget({ host: hosts[0] ?? 'the only host' });
        try {
          const { blackoutMs } = await service.migrate(roomId, others[(seed + n + index) % others.length]!);
          record(result.blackout, blackoutMs);
          result.done++;
        } catch (error) {
          result.failed++;
          report.fault(`move ${n} of room ${roomId}: ${(error as Error).message}`);
        }
      }),
    );
    await Promise.all(workers.map((worker) => worker.call('check')));
    report.progress(`${n} of ${moves} moves, blackout ${spread(result.blackout).max} ms at most`);
  }
  await at(moves + 1);
  return result;
}

function summary(results: BotResult[], moves: Moves, churned: ChurnResult | undefined): BotsResult {
  const sum = (pick: (result: BotResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  const gaps = newHistogram();
  for (const { gapMs } of results) record(gaps, gapMs);
  const result: BotsResult = {
    sent: sum(({ sent }) => sent),
    received: sum(({ received }) => received),
    lost: sum(({ lost }) => lost),
    duplicated: sum(({ duplicated }) => duplicated),
    reordered: sum(({ reordered }) => reordered),
    disconnects: sum(({ disconnects }) => disconnects),
    stateMismatches: sum(({ stateMismatches }) => stateMismatches),
    moves: moves.done,
    failedMoves: moves.failed,
    blackoutMs: spread(moves.blackout),
    gapMs: spread(gaps),
  };
  if (churned) {
    const { faults: _, ...counts } = churned;
    result.churn = counts;
  }
  return result;
}

/** Whether everything went as it has to. */
export function allWell(result: BotsResult): boolean {
  const { lost, duplicated, reordered, disconnects, stateMismatches, failedMoves, churn } = result;
  const faults = [lost, duplicated, reordered, disconnects, stateMismatches, failedMoves, churn?.failed ?? 0];
  return faults.every((count) => count === 0) && (churn === undefined || churn.reconnected === churn.dropped);
}

/** Values in µs, so that a histogram of whole numbers keeps fractions of a millisecond. */
function newHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });
}

function record(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.max(0, Math.round(ms * 1000)));
}

function spread(histogram: Histogram): Spread {
  const ms = (us: number) => Math.round(us / 10) / 100;
  if (histogram.totalCount === 0) return { p50: 0, p99: 0, max: 0 };
  return {
    p50: ms(histogram.getValueAtPercentile(50)),
    p99: ms(histogram.getValueAtPercentile(99)),
    max: ms(histogram.maxValue),
  };
}

/** @throws invalidOption */
export function checkBotsOptions(o: BotsOptions): void {
  const limits: [string, number, number, number, boolean][] = [
    ['--clients', o.clients, 1, 100_000, true],
    ['--duration', o.duration, 0.1, 86_400, false],
    ['--moves', o.moves, 0, 1_000_000, true],
    ['--rate', o.rate, 0.01, 1000, false],
    ['--hosts', o.hosts, 1, 256, true],
    ['--seed', o.seed, 0, 0xffff_ffff, true],
  ];
  for (const [option, value, least, most, whole] of limits)
    if (!(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
      const kind = whole ? 'a whole number' : 'a number';
      throw invalidOption({ option, reason: `expected ${kind} from ${least} to ${most}` });
    }
  if (o.moves > 0 && o.url === undefined && o.hosts < 2) {
    throw invalidOption({ option: '--hosts', reason: 'moves need two hosts' });
  }
}
