import { setTimeout as wait } from 'node:timers/promises';
import type { Refusal, ReloadOptions, ReloadResult } from '../control/index.ts';
import {
  asBatonError,
  BatonError,
  hostFailedToStart,
  reloadFailed,
  reloadInProgress,
  stopping,
} from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import type { HostProcess } from './host-process.ts';
import { type FromHost, reasonOf } from './messages.ts';
import type { Timing } from './options.ts';
import { Seat } from './seat.ts';

/** Hosts that have ended, of which a new one is told: nobody may have been there to be told before. */
const ENDED_REMEMBERED = 64;

export interface FleetOptions {
  size: number;
  timing: Timing;
  log: Log;
  onChange: () => void;
  /** Number of the code now on disk. */
  nextGeneration: () => Promise<number>;
  spawn: (
    generation: number,
    standby: boolean,
    onMessage: (host: HostProcess, message: FromHost) => void,
  ) => HostProcess;
}

/** The hosts of one service: `size` seats that are kept filled, and hosts that are on their way out. */
export class Fleet {
  /** Living processes, the leaving ones included. */
  readonly hosts = new Set<HostProcess>();
  readonly #options: FleetOptions;
  readonly #stopped = new AbortController();
  readonly #leaving = new Set<HostProcess>();
  /** Hosts an operator drained while a reload ran. */
  readonly #drainedMeanwhile = new Set<HostProcess>();
  #ended: string[] = [];
  #seats: Seat[] = [];
  #reloading = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get seats(): readonly Seat[] {
    return this.#seats;
  }

  /** Starts the first generation; when one host fails, all are ended. @throws the host's error */
  async open(): Promise<void> {
    const seats = await this.#openSeats(await this.#options.nextGeneration(), false);
    this.#seats = seats;
    for (const seat of seats) seat.keep(seat.host!);
  }

  /**
   * Brings the code now on disk into service: starts new hosts, lets the old ones hand their rooms over one
   * after another, ends them. The old hosts go on when the new ones do not start or cannot take the rooms; until
   * that is known the new ones are in standby, so that nobody begins to play on code that is taken back.
   * @param reply called with the result before the old hosts are told to end
   * @throws reloadFailed, reloadInProgress, stopping
   */
  async reload(options: ReloadOptions = {}, reply?: (result: ReloadResult) => void): Promise<ReloadResult> {
    if (this.#stopped.signal.aborted) throw stopping();
    if (this.#reloading) throw reloadInProgress();
    this.#reloading = true;
    try {
      return await this.#swap(options.keepImmovable === true, reply);
    } catch (error) {
      if (this.#stopped.signal.aborted) throw stopping({}, error);
      const { code, details } = error as Partial<BatonError>;
      const refused = details?.['refused'];
      throw reloadFailed(
        { reason: reasonOf(error).replace(/\.$/, ''), code, ...(refused ? { refused } : {}) },
        error,
      );
    } finally {
      this.#reloading = false;
      for (const host of this.#drainedMeanwhile) this.#replaceDrained(host);
      this.#drainedMeanwhile.clear();
      this.#options.onChange();
    }
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped.abort();
    for (const seat of this.#seats) seat.retire();
    const leaving = [...this.hosts].map((host) => host.id).filter((id) => id !== undefined);
    await Promise.all([...this.hosts].map((host) => host.stop(deadlineMs, leaving)));
  }

  kill(): void {
    this.#stopped.abort();
    for (const seat of this.#seats) seat.retire();
    for (const host of this.hosts) host.kill();
  }

  async #swap(keepImmovable: boolean, reply?: (result: ReloadResult) => void): Promise<ReloadResult> {
    const { log } = this.#options;
    const started = performance.now();
    const generation = await this.#options.nextGeneration();
    log.info({ generation }, 'reload: starting hosts with the code now on disk');
    const fresh = await this.#openSeats(generation, true);
    if (this.#stopped.signal.aborted) throw stopping();
    const old = this.#seats;
    const oldHosts = livingHosts(old);
    const freshHosts = livingHosts(fresh);
    try {
      if (!keepImmovable) refuseIfAny((await Promise.all(oldHosts.map((host) => host.check()))).flat());
      await Promise.all(freshHosts.map((host) => host.serve()));
      this.#replaceSeats(old, fresh);
      const drained = await this.#drainAll(oldHosts, keepImmovable);
      if (this.#stopped.signal.aborted) throw stopping();
      const result: ReloadResult = {
        generation,
        from: idsOf(oldHosts),
        to: idsOf(livingHosts(fresh)),
        ...drained,
        seconds: (performance.now() - started) / 1000,
      };
      log.info({ ...result, refused: result.refused.length }, 'reload: done');
      reply?.(result);
      // Not the drained ones alone: a crashed one may have come up again meanwhile.
      for (const host of this.hosts) if (host.settings.generation < generation) void this.#leave(host);
      return result;
    } catch (error) {
      if (this.#stopped.signal.aborted) throw error;
      log.error({ reason: reasonOf(error) }, 'reload: the old hosts go on');
      this.#replaceSeats(fresh, old);
      await Promise.allSettled(oldHosts.map((host) => host.serve()));
      // Players may have begun to play there: their rooms move to the old hosts, or end in their own time.
      for (const host of freshHosts) void this.#leave(host);
      throw error;
    }
  }

  #replaceSeats(out: Seat[], into: Seat[]): void {
    for (const seat of out) seat.retire();
    this.#seats = into;
    for (const seat of into) {
      seat.reinstate();
      seat.keep(seat.host!);
    }
    this.#options.onChange();
  }

  /** Fails only while every room is still where it was: afterwards there is no way back but forward. */
  async #drainAll(
    hosts: HostProcess[],
    keepImmovable: boolean,
  ): Promise<{ rooms: number; moved: number; refused: Refusal[] }> {
    const total = { rooms: 0, moved: 0, refused: [] as Refusal[] };
    for (const host of hosts) {
      try {
        const result = await host.drain(this.#options.timing.drain);
        total.rooms += result.rooms;
        total.moved += result.moved;
        total.refused.push(...result.refused);
        if (total.moved === 0 && !keepImmovable) refuseIfAny(result.refused);
      } catch (error) {
        if (isGone(host)) continue;
        if (total.moved === 0) throw error;
        const { code, message } = asBatonError(error);
        total.refused.push({ roomId: '*', reason: `${host.id}: ${message}`, code });
      }
    }
    return total;
  }

  async #openSeats(generation: number, standby: boolean): Promise<Seat[]> {
    const seats = Array.from({ length: this.#options.size }, () => this.#newSeat(generation));
    try {
      const hosts = await Promise.all(seats.map((seat) => seat.open(standby)));
      for (const host of hosts) {
        if (isGone(host))
          throw hostFailedToStart({ host: host.id, reason: `it ${await host.exited} right after its start` });
      }
      return seats;
    } catch (error) {
      const gone = this.#abandon(seats);
      if (!standby) await gone;
      throw error;
    }
  }

  #newSeat(generation: number, onReady?: (host: HostProcess) => void): Seat {
    const { timing, log } = this.#options;
    return new Seat({ generation, timing, log, onReady, spawn: (...of) => this.#spawn(...of) });
  }

  async #abandon(seats: Seat[]): Promise<void> {
    for (const seat of seats) seat.retire();
    await Promise.all(seats.map(({ host }) => host?.stop(this.#options.timing.stop)));
  }

  #spawn(generation: number, standby: boolean): HostProcess {
    if (this.#stopped.signal.aborted) throw stopping();
    const { log, onChange } = this.#options;
    const host = this.#options.spawn(generation, standby, (from, message) => this.#receive(from, message));
    this.hosts.add(host);
    void host.ready.then(
      (id) => {
        log.info({ host: id, pid: host.pid, generation }, 'host is up');
        if (this.#ended.length > 0) host.send({ type: 'gone', hosts: this.#ended });
        onChange();
      },
      () => host.endSoon(),
    );
    void host.exited.then((how) => {
      this.hosts.delete(host);
      this.#leaving.delete(host);
      log.debug({ host: host.id, pid: host.pid }, `host ${how}`);
      if (host.id !== undefined) this.#tellOfEnd(host.id);
      onChange();
    });
    onChange();
    return host;
  }

  /** The others clear up after it at once: a lease is for those of which nobody knows whether they live. */
  #tellOfEnd(id: string): void {
    this.#ended = [...this.#ended, id].slice(-ENDED_REMEMBERED);
    for (const other of this.hosts) other.send({ type: 'gone', hosts: [id] });
  }

  #receive(host: HostProcess, message: FromHost): void {
    if (message.type === 'reload') {
      const { id, keepImmovable } = message;
      this.reload({ keepImmovable }, (result) => host.send({ type: 'reload-result', id, result })).catch(
        (error: unknown) => host.send({ type: 'reload-result', id, error: asBatonError(error).toJSON() }),
      );
    } else if (message.type === 'drained') {
      this.#replaceDrained(host);
    }
  }

  /** An operator drained this host: another one takes its seat, so that the service keeps its size. */
  #replaceDrained(host: HostProcess): void {
    const index = this.#seats.findIndex((seat) => seat.host === host);
    if (index === -1 || isGone(host) || this.#stopped.signal.aborted) return;
    if (this.#reloading) {
      this.#drainedMeanwhile.add(host);
      return;
    }
    host.state = 'draining';
    const old = this.#seats[index]!;
    const seat = this.#newSeat(old.generation, () => void this.#leave(host));
    old.retire();
    this.#seats[index] = seat;
    this.#options.log.info({ host: host.id }, 'host was drained; a new one takes its place');
    seat.openAndKeep();
  }

  /** Ends a host nobody needs any more; one with rooms gets time for them to move or end. */
  async #leave(host: HostProcess): Promise<void> {
    if (this.#leaving.has(host) || host.state === 'stopping' || isGone(host)) return;
    if (host.state === 'starting') return host.kill();
    this.#leaving.add(host);
    const { timing, log } = this.#options;
    const { signal } = this.#stopped;
    const end = Date.now() + timing.linger;
    while (!signal.aborted && !isGone(host) && Date.now() < end) {
      try {
        if ((await host.drain(timing.drain)).refused.length === 0) break;
      } catch (error) {
        log.debug({ host: host.id, reason: reasonOf(error) }, 'rooms of a replaced host stay');
      }
      await wait(timing.lingerEvery, undefined, { signal }).catch(() => {});
    }
    if (!signal.aborted) await host.stop(timing.stop);
  }
}

function livingHosts(seats: Seat[]): HostProcess[] {
  return seats
    .map((seat) => seat.host)
    .filter(
      (host) => host !== undefined && ['standby', 'up', 'draining'].includes(host.state),
    ) as HostProcess[];
}

/** Orders host ids: `h2` before `h10`. */
export const byNumber = new Intl.Collator('en', { numeric: true });

function idsOf(hosts: HostProcess[]): string[] {
  return hosts.map((host) => host.id!).sort(byNumber.compare);
}

/** A function, because control-flow analysis would take the state as unchanged over an await. */
function isGone(host: HostProcess): boolean {
  return host.state === 'gone';
}

/** @throws the first refusal as it was raised, with all of them */
function refuseIfAny(refused: Refusal[]): void {
  const first = refused[0];
  if (first === undefined) return;
  const more = refused.length > 1 ? ` (and ${refused.length - 1} more)` : '';
  throw new BatonError(first.code, 422, first.reason + more, { roomId: first.roomId, refused });
}
