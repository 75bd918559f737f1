import { setTimeout as wait } from 'node:timers/promises';
import type { Refusal, ReloadResult } from '../control/index.ts';
import { hostFailedToStart, reloadFailed, reloadInProgress, roomImmovable, stopping } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import type { HostProcess } from './host-process.ts';
import { errorJson, type FromHost, parseDrainResult, reasonOf } from './messages.ts';
import type { Timing } from './options.ts';
import { Seat } from './seat.ts';

export interface FleetOptions {
  size: number;
  timing: Timing;
  log: Log;
  onChange: () => void;
  spawn: (generation: number, onMessage: (host: HostProcess, message: FromHost) => void) => HostProcess;
}

/** The hosts of one service: `size` seats that are kept filled, and hosts that are on their way out. */
export class Fleet {
  /** Living processes, the leaving ones included. */
  readonly hosts = new Set<HostProcess>();
  readonly #options: FleetOptions;
  readonly #stopped = new AbortController();
  readonly #leaving = new Set<HostProcess>();
  #seats: Seat[] = [];
  #lastGeneration = 0;
  #reloading = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get seats(): readonly Seat[] {
    return this.#seats;
  }

  /** Starts the first generation; when one host fails, all are ended. @throws the host's error */
  async open(): Promise<void> {
    const seats = await this.#openSeats(++this.#lastGeneration, false);
    this.#seats = seats;
    for (const seat of seats) seat.keep(seat.host!);
  }

  /**
   * Brings the code now on disk into service: starts new hosts, lets the old ones hand their rooms over one
   * after another, ends them. The old hosts go on when the new ones do not start or cannot take the rooms.
   * @param reply called with the result before the old hosts are told to end
   * @throws reloadFailed, reloadInProgress, stopping
   */
  async reload(reply?: (result: ReloadResult) => void): Promise<ReloadResult> {
    if (this.#stopped.signal.aborted) throw stopping();
    if (this.#reloading) throw reloadInProgress();
    this.#reloading = true;
    try {
      return await this.#swap(reply);
    } catch (error) {
      if (this.#stopped.signal.aborted) throw stopping({}, error);
      const { code } = error as { code?: string };
      throw reloadFailed({ reason: reasonOf(error).replace(/\.$/, ''), code }, error);
    } finally {
      this.#reloading = false;
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

  async #swap(reply?: (result: ReloadResult) => void): Promise<ReloadResult> {
    const { log } = this.#options;
    const started = performance.now();
    const generation = ++this.#lastGeneration;
    log.info({ generation }, 'reload: starting hosts with the code now on disk');
    const fresh = await this.#openSeats(generation, true);
    const old = this.#seats;
    const oldHosts = livingHosts(old);
    try {
      for (const host of oldHosts) refuseIfImmovable(await host.check());
      this.#replaceSeats(old, fresh);
      const drained = await this.#drainAll(oldHosts);
      const result: ReloadResult = {
        generation,
        from: idsOf(oldHosts),
        to: idsOf(livingHosts(fresh)),
        ...drained,
        seconds: (performance.now() - started) / 1000,
      };
      log.info({ ...result, refused: result.refused.length }, 'reload: done');
      reply?.(result);
      // A crashed host of the old code may be on its way up again.
      for (const { host } of old) if (host?.state === 'starting') host.kill();
      for (const host of oldHosts) void this.#leave(host, result.refused.length > 0);
      return result;
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'reload: the old hosts go on');
      this.#replaceSeats(fresh, old);
      for (const host of oldHosts) host.undrain();
      void this.#abandon(fresh, true);
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
  async #drainAll(hosts: HostProcess[]): Promise<{ rooms: number; moved: number; refused: Refusal[] }> {
    const total = { rooms: 0, moved: 0, refused: [] as Refusal[] };
    for (const host of hosts) {
      try {
        const result = await host.drain(this.#options.timing.drain);
        total.rooms += result.rooms;
        total.moved += result.moved;
        total.refused.push(...result.refused);
        if (total.moved === 0) refuseIfImmovable(result.refused);
      } catch (error) {
        if (isGone(host)) continue;
        if (total.moved === 0) throw error;
        total.refused.push({ roomId: '*', reason: `${host.id}: ${reasonOf(error)}` });
      }
    }
    return total;
  }

  async #openSeats(generation: number, besideOthers: boolean): Promise<Seat[]> {
    const seats = Array.from({ length: this.#options.size }, () => this.#newSeat(generation));
    try {
      const hosts = await Promise.all(seats.map((seat) => seat.open()));
      for (const host of hosts) {
        if (isGone(host))
          throw hostFailedToStart({ host: host.id, reason: `it ${await host.exited} right after its start` });
      }
      return seats;
    } catch (error) {
      const gone = this.#abandon(seats, besideOthers);
      if (!besideOthers) await gone;
      throw error;
    }
  }

  #newSeat(generation: number, onReady?: (host: HostProcess) => void): Seat {
    const { timing, log } = this.#options;
    return new Seat({ generation, timing, log, onReady, spawn: (of) => this.#spawn(of) });
  }

  /** Hosts that are up may already have rooms: they give them away first. */
  async #abandon(seats: Seat[], drain: boolean): Promise<void> {
    const { timing } = this.#options;
    for (const seat of seats) seat.retire();
    await Promise.all(
      seats.map(async ({ host }) => {
        if (host === undefined || isGone(host)) return;
        if (host.state === 'starting') return host.kill();
        if (drain) await host.drain(timing.drain).catch(() => {});
        await host.stop(timing.stop);
      }),
    );
  }

  #spawn(generation: number): HostProcess {
    const { log, onChange } = this.#options;
    const host = this.#options.spawn(generation, (from, message) => this.#receive(from, message));
    this.hosts.add(host);
    void host.ready.then(
      (id) => {
        log.info({ host: id, pid: host.pid, generation }, 'host is up');
        onChange();
      },
      () => host.endSoon(),
    );
    void host.exited.then((how) => {
      this.hosts.delete(host);
      this.#leaving.delete(host);
      log.debug({ host: host.id, pid: host.pid }, `host ${how}`);
      onChange();
    });
    onChange();
    return host;
  }

  #receive(host: HostProcess, message: FromHost): void {
    if (message.type === 'reload') {
      const { id } = message;
      this.reload((result) => host.send({ type: 'reload-result', id, result })).catch((error: unknown) => {
        host.send({ type: 'reload-result', id, error: errorJson(error) });
      });
    } else if (message.type === 'drained') {
      this.#replaceDrained(host, message.result);
    }
  }

  /** An operator drained this host: another one takes its seat, so that the service keeps its size. */
  #replaceDrained(host: HostProcess, result: unknown): void {
    const index = this.#seats.findIndex((seat) => seat.host === host);
    if (index === -1 || this.#reloading || this.#stopped.signal.aborted) return;
    let keepsRooms = true;
    try {
      keepsRooms = parseDrainResult(result).refused.length > 0;
    } catch {
      // Without a readable result it may have rooms.
    }
    host.state = 'draining';
    const old = this.#seats[index]!;
    const seat = this.#newSeat(old.generation, () => void this.#leave(host, keepsRooms));
    old.retire();
    this.#seats[index] = seat;
    this.#options.log.info({ host: host.id }, 'host was drained; a new one takes its place');
    seat.openAndKeep();
  }

  /** Ends a host nobody needs any more; one with rooms gets time for them to move or end. */
  async #leave(host: HostProcess, keepsRooms: boolean): Promise<void> {
    if (this.#leaving.has(host) || isGone(host)) return;
    this.#leaving.add(host);
    const { timing, log } = this.#options;
    const end = Date.now() + timing.linger;
    while (keepsRooms && Date.now() < end && !isGone(host)) {
      try {
        await wait(timing.lingerEvery, undefined, { signal: this.#stopped.signal });
        keepsRooms = (await host.drain(timing.drain)).refused.length > 0;
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        log.debug({ host: host.id, reason: reasonOf(error) }, 'rooms of a replaced host stay');
      }
    }
    if (!this.#stopped.signal.aborted) await host.stop(timing.stop);
  }
}

function livingHosts(seats: Seat[]): HostProcess[] {
  return seats
    .map((seat) => seat.host)
    .filter(
      (host) => host !== undefined && (host.state === 'up' || host.state === 'draining'),
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

function refuseIfImmovable(refused: Refusal[]): void {
  const first = refused[0];
  if (first === undefined) return;
  const more = refused.length > 1 ? ` (and ${refused.length - 1} more)` : '';
  throw roomImmovable({ roomId: first.roomId, reason: first.reason + more, refused });
}
