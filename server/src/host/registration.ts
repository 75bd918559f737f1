// A host's place in the registry: its lease, its load, and the sweeping of hosts whose lease ran out.
import os from 'node:os';
import { matchMaker } from '@colyseus/core';
import { asBatonError } from '../errors.ts';
import type { Ownership } from '../migration/index.ts';
import type { HostRecord, Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';

/**
 * A host of which nobody hears is taken for dead after so long. That its process has ended its supervisor says at once, and
 * one that hangs it ends before that: a host that was only slow keeps its rooms.
 */
const LEASE_MS = 8_000;
const RENEW_MS = 500;
/** Others that took this host for dead may still take its rows off the listings for this long after it is back. */
const RELIST_MS = 6_000;

export interface RegistrationOptions {
  id: string;
  store: Store;
  handoffPath: string;
  generation: number;
  log: Log;
  /** A host died and is off the registry. */
  hostGone?: (dead: HostRecord) => Promise<void>;
}

export class Registration {
  readonly record: HostRecord;
  private readonly options: RegistrationOptions;
  private ownership: Ownership | undefined;
  private moves: () => number = () => 0;
  private timer: NodeJS.Timeout | undefined;
  private renewing = false;
  /** Why it is not renewed, as it was said last. */
  private complaint: string | undefined;
  private relist: () => Promise<void> = async () => {};
  /** The registry lost this host: rooms are claimed and listed anew until this time (Date.now()). */
  private relistUntil = 0;
  private restored = true;
  /** Dead hosts whose rows are still to be removed, by processId. */
  private readonly unswept = new Map<string, HostRecord>();
  /** Ids of hosts whose processes have ended, until the registry knows. */
  private ended: string[] = [];
  private cpu = { at: process.hrtime.bigint(), usage: process.cpuUsage() };

  constructor(options: RegistrationOptions) {
    this.options = options;
    this.record = {
      id: options.id,
      processId: '',
      pid: process.pid,
      machine: os.hostname(),
      handoffPath: options.handoffPath,
      state: 'up',
      generation: options.generation,
      rooms: 0,
      clients: 0,
      startedAt: Date.now(),
    };
  }

  /**
   * @param relist lists this host's rooms anew, after the store lost them
   * @param moves  counts rooms that arrived or left
   */
  async start(ownership: Ownership, relist: () => Promise<void>, moves: () => number): Promise<void> {
    this.ownership = ownership;
    this.moves = moves;
    this.relist = relist;
    this.record.processId = matchMaker.processId;
    await this.renew();
    this.timer = setInterval(() => this.tick(), RENEW_MS);
  }

  async setState(state: HostRecord['state']): Promise<void> {
    this.record.state = state;
    await this.renew();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined; // it must not be there again
    await this.options.store.removeHost(this.record.id).catch(() => {});
  }

  /** The processes of these hosts have ended: nobody waits for their leases. */
  gone(hosts: string[]): void {
    this.ended = [...this.ended, ...hosts];
    if (this.timer) void this.tick();
  }

  private async tick(): Promise<void> {
    if (this.renewing) return;
    this.renewing = true;
    try {
      await this.renew();
      await this.sweep();
      this.complaint = undefined;
    } catch (error) {
      this.complain(error);
    } finally {
      this.renewing = false;
    }
  }

  /** Once, for it is tried again soon. That the store is away it says itself. */
  private complain(error: unknown): void {
    const reason = String(error);
    const known = reason === this.complaint || asBatonError(error).code === 'BATON_STORE_UNAVAILABLE';
    this.complaint = reason;
    this.options.log[known ? 'debug' : 'warn'](
      { err: error },
      'the place in the registry could not be renewed: others take this host for dead if it stays so',
    );
  }

  private async renew(): Promise<void> {
    this.record.rooms = this.ownership?.rooms().length ?? 0;
    this.record.clients = matchMaker.stats.local.ccu;
    this.record.load = this.load();
    this.record.memory = this.memory();
    this.record.moves = this.moves();
    const fresh = await this.options.store.putHost(this.record, LEASE_MS);
    if (fresh && this.timer) {
      this.restored = false;
      this.relistUntil = Date.now() + RELIST_MS;
    }
    await this.restore();
  }

  /** What a registry that forgot this host must learn again; tried at every renewal until it is done. */
  private async restore(): Promise<void> {
    if (!this.restored) {
      await this.ownership?.restore();
      await matchMaker.stats.persist(true);
      this.restored = true;
    }
    if (Date.now() < this.relistUntil) await this.relist();
  }

  /** Reading it takes a descriptor. A host that has none left must not lose its lease over that. */
  private memory(): number | undefined {
    try {
      return process.memoryUsage.rss();
    } catch {
      return this.record.memory;
    }
  }

  /** Share of one core since the last call. */
  private load(): number {
    const at = process.hrtime.bigint();
    const usage = process.cpuUsage();
    const spent = usage.user + usage.system - this.cpu.usage.user - this.cpu.usage.system;
    const wall = Number(at - this.cpu.at) / 1000;
    this.cpu = { at, usage };
    return wall > 0 ? Math.round((spent / wall) * 1000) / 1000 : 0;
  }

  /** A host is reported dead once only: what the store does not take now is done when it is back. */
  private async sweep(): Promise<void> {
    const { ended } = this;
    const found = await this.options.store.expireHosts(ended);
    this.ended = this.ended.slice(ended.length);
    for (const dead of found) {
      this.options.log.warn({ host: dead.id }, 'host is gone; its rooms are taken off the listings');
      this.unswept.set(dead.processId, dead);
    }
    if (this.unswept.size === 0) return;
    const alive = new Set((await this.options.store.hosts()).map((host) => host.processId));
    for (const [processId, dead] of this.unswept) {
      if (!alive.has(processId)) {
        await this.options
          .hostGone?.(dead)
          .catch((error) =>
            this.options.log.error({ host: dead.id, err: error }, 'sockets were not cleared up'),
          );
        await this.options.store.driver.cleanup?.(processId);
        await matchMaker.stats.excludeProcess(processId);
      }
      this.unswept.delete(processId);
    }
  }
}
