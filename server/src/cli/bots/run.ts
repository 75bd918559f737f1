import { availableParallelism } from 'node:os';
import { invalidOption } from '../../errors.ts';
import type { ServiceChoice, ServiceClient } from '../service-client.ts';
import { addChurn } from './churn.ts';
import { Course } from './course.ts';
import { newHistogram, record, spread } from './measure.ts';
import { type Moves, movePairs, moveRooms, noMoves } from './moves.ts';
import { openPairing } from './pairing.ts';
import { type Scenario, type ScenarioName, scenarios } from './scenarios.ts';
import { type OwnService, openService } from './service.ts';
import type { BotResult, BotsResult, ChurnResult } from './types.ts';
import { WorkerProcess } from './worker-process.ts';

export interface BotsOptions extends ServiceChoice, OwnService {
  scenario: ScenarioName;
  room: string;
  /** Links two at a time; undefined: one for this run. */
  mapping?: string;
  clients: number;
  /** Seconds over which clients come. */
  ramp: number;
  /** Seconds. */
  duration: number;
  /** In rooms: how often each is moved; on sockets: how many pairs are moved in all. */
  moves: number;
  /** Messages a second and client; default: the scenario's. */
  rate?: number;
  /** Others come and go beside those in rooms. */
  churn: boolean;
  seed: number;
}

export interface Progress {
  /** What goes on. */
  phase(text: string): void;
  /** Something that went wrong. */
  fault(text: string): void;
  /** Called once a second. */
  second(course: Course, moves: Moves): void;
}

export interface Played {
  result: BotsResult;
  course: Course;
  moves: Moves;
  /** What went wrong, in words; the first ones. */
  faults: string[];
}

const clientsPerProcess = { rooms: 50, sockets: 1000 };
const mostFaults = 20;
const openMs = 180_000;
const tryForMs = 5_000;

/**
 * Plays, moves, checks, and takes away what it has brought with it.
 * @param signal ends it before its time
 * @throws BatonError when there is nothing to play on; the signal's reason
 */
export async function runBots(
  options: BotsOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<Played> {
  progress.phase('looking for a service');
  const service = await openService(options, options, scenarios[options.scenario].on === 'sockets', signal);
  const run = new Run(options, progress);
  const called = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
    if (signal.aborted) reject(signal.reason);
  });
  try {
    return await Promise.race([run.play(service.client), called]);
  } finally {
    await run.stop();
    await service.close();
  }
}

class Run {
  readonly #options: BotsOptions;
  readonly #scenario: Scenario;
  readonly #progress: Progress;
  readonly #course = new Course();
  readonly #moves = noMoves();
  readonly #workers: WorkerProcess[] = [];
  readonly #faults: string[] = [];
  #closing: () => Promise<void> = async () => {};
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BotsOptions, progress: Progress) {
    this.#options = options;
    this.#scenario = scenarios[options.scenario];
    this.#progress = progress;
  }

  async play(service: ServiceClient): Promise<Played> {
    const { rate = this.#scenario.rate } = this.#options;
    this.#timer = setInterval(() => {
      this.#course.tick();
      this.#progress.second(this.#course, this.#moves);
    }, 1000);
    this.#progress.phase(`${this.#options.clients} clients come`);
    const rooms = this.#scenario.on === 'rooms' ? await this.#join(service) : await this.#open(service);
    const bots = [...this.#workers];
    const beside = this.#options.churn ? await this.#startChurn(service, rooms) : undefined;
    await Promise.all(bots.map((worker) => worker.call('start', { hz: rate })));
    this.#progress.phase('playing');
    await this.#moveAbout(service, bots, rooms);
    this.#progress.phase('waiting for the last messages');
    const churned = await beside?.call('stopChurn');
    await Promise.all(bots.map((worker) => worker.call('settle')));
    const ended = await Promise.all(bots.map((worker) => worker.call('finish')));
    clearInterval(this.#timer);
    this.#course.tick();
    return this.#summary(
      ended.flatMap(({ results }) => results),
      [churned, ...ended.map(({ churn }) => churn)].filter((churn) => churn !== undefined),
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.#closing();
  }

  #worker(): WorkerProcess {
    const number = this.#workers.length;
    const worker = new WorkerProcess((sample) => this.#course.add(number, sample));
    this.#workers.push(worker);
    return worker;
  }

  /** How many clients each process gets. */
  #portions(even: boolean): number[] {
    const { clients } = this.#options;
    const perProcess = clientsPerProcess[this.#scenario.on];
    const processes = Math.min(Math.ceil(clients / perProcess), 4 * availableParallelism());
    const unit = even ? 2 : 1;
    return Array.from(
      { length: processes },
      (_, n) => unit * (Math.floor(clients / unit / processes) + (n < (clients / unit) % processes ? 1 : 0)),
    );
  }

  /** @returns the ids of the rooms the bots are in */
  async #join({ url }: ServiceClient): Promise<string[]> {
    const { room, ramp } = this.#options;
    // Every second process uses the SDK's fallback socket, so that both of its ways are played.
    const ids = await Promise.all(
      this.#portions(false).map((count, n) => {
        const sdkSocket = n % 2 ? 'ws' : 'global';
        const joining = { url, room, count, sdkSocket, rampMs: ramp * 1000 } as const;
        return this.#worker().call('join', joining, 60_000 + ramp * 1000 + count * 1000);
      }),
    );
    return [...new Set(ids.flat())];
  }

  async #open(service: ServiceClient): Promise<string[]> {
    const { mapping: named, ramp, seed } = this.#options;
    const opening = openPairing(service, named, seed);
    this.#closing = () => opening.then(({ close }) => close()).catch(() => {}); // it may be interrupted meanwhile
    const pairing = await opening;
    const target = { url: service.url, controlToken: service.token, mapping: pairing.mapping };
    const how = { scenario: this.#scenario, rampMs: ramp * 1000 };
    await Promise.all(
      this.#portions(true).map((count, n) =>
        this.#worker().call(
          'open',
          { ...target, ...how, count, seed: seed + n },
          openMs + ramp * 1000 + count * 100,
        ),
      ),
    );
    return [];
  }

  async #startChurn(service: ServiceClient, rooms: string[]): Promise<WorkerProcess> {
    const { clients, room, seed } = this.#options;
    const worker = this.#worker();
    const players = Math.max(2, Math.min(32, Math.ceil(clients / 4)));
    await worker.call('startChurn', { url: service.url, room, rooms, players, seed });
    return worker;
  }

  async #moveAbout(service: ServiceClient, bots: WorkerProcess[], rooms: string[]): Promise<void> {
    const { duration, moves, seed } = this.#options;
    const moving = {
      ...{ service, duration, moves, seed, tryForMs },
      now: () => this.#course.now,
      fault: (text: string) => this.#fault(text),
    };
    if (this.#scenario.on === 'rooms')
      await moveRooms(moving, this.#moves, rooms, () =>
        Promise.all(bots.map((worker) => worker.call('check'))),
      );
    else await movePairs(moving, this.#moves, (n) => bots[n % bots.length]!.call('pick', { n }));
  }

  #fault(text: string): void {
    if (this.#faults.length === mostFaults) this.#progress.fault('and more like these');
    if (this.#faults.length < mostFaults) this.#progress.fault(text);
    if (this.#faults.length <= mostFaults) this.#faults.push(text);
  }

  #summary(results: BotResult[], churned: ChurnResult[]): Played {
    for (const { faults } of [...results, ...churned]) for (const fault of faults) this.#fault(fault);
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
      askedMoves: this.#moves.asked,
      moves: this.#moves.done,
      failedMoves: this.#moves.failed,
      roundTripMs: spread(this.#course.roundTrips),
      blackoutMs: spread(this.#moves.blackout),
      gapMs: spread(gaps),
    };
    if (churned.length > 0) {
      const { faults: _, ...counts } = churned.reduce(addChurn);
      result.churn = counts;
    }
    return { result, course: this.#course, moves: this.#moves, faults: this.#faults.slice(0, mostFaults) };
  }
}

/** Whether everything went as it has to. */
export function allWell(result: BotsResult): boolean {
  const { lost, duplicated, reordered, disconnects, stateMismatches, askedMoves, moves, churn } = result;
  const faults = [
    lost,
    duplicated,
    reordered,
    disconnects,
    stateMismatches,
    askedMoves - moves,
    churn?.failed ?? 0,
  ];
  const back = churn?.reconnected === undefined || churn.reconnected === churn.dropped;
  return faults.every((count) => count === 0) && back;
}

/** @throws invalidOption */
export function checkBotsOptions(o: BotsOptions): void {
  const limits: [string, number | undefined, number, number, boolean][] = [
    ['--clients', o.clients, 1, 100_000, true],
    ['--duration', o.duration, 0.1, 86_400, false],
    ['--moves', o.moves, 0, 1_000_000, true],
    ['--rate', o.rate, 0, 1000, false],
    ['--hosts', o.hosts, 1, 256, true],
    ['--seed', o.seed, 0, 0xffff_ffff, true],
  ];
  for (const [option, value, least, most, whole] of limits)
    if (value !== undefined && (!(value >= least && value <= most) || (whole && !Number.isInteger(value)))) {
      const kind = whole ? 'a whole number' : 'a number';
      throw invalidOption({ option, reason: `expected ${kind} from ${least} to ${most}` });
    }
  if (o.moves > 0 && o.url === undefined && o.hosts < 2)
    throw invalidOption({ option: '--hosts', reason: 'moves need two hosts' });
  const { on } = scenarios[o.scenario];
  if (on === 'sockets' && o.clients % 2 !== 0)
    throw invalidOption({
      option: '--clients',
      reason: 'sockets are linked two by two, so expected an even number',
    });
  if (on === 'sockets' && o.churn)
    throw invalidOption({ option: '--churn', reason: 'it is for rooms; sockets have --scenario churn' });
  if (on === 'rooms' && o.mapping !== undefined)
    throw invalidOption({ option: '--mapping', reason: `scenario ${o.scenario} plays in rooms` });
}
