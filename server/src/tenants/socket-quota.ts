// How many sockets a tenant has on all hosts, against how many it may have. Each host writes the number it has itself,
// so that nothing has to be set right when one dies: its number no longer counts.
import type { Presence } from '@colyseus/core';
import { quotaSockets } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';

/** How often a host compares its numbers with the sockets it has; what nobody reported is right after twice that. */
const RECOUNT_EVERY_MS = 2_000;

const keyOf = (tenant: string) => `baton:socket-count:${tenant}`;

export interface SocketQuotaOptions {
  store: Store;
  /** Id of this host. */
  host: string;
  log: Log;
  limitOf(tenant: string): number | undefined;
  /** Sockets this host has, by tenant. */
  held(): Map<string, number>;
  /** Default RECOUNT_EVERY_MS. */
  recountEveryMs?: number;
}

interface Count {
  sockets: number;
  /** Of those, ones that are about to be made. */
  pending: number;
  /** By how much the last recount was off. */
  off: number;
}

export class SocketQuota {
  private readonly options: SocketQuotaOptions;
  private readonly presence: Presence;
  private readonly counts = new Map<string, Count>();
  /** Writes to come of a tenant's number. */
  private readonly writing = new Set<string>();
  private live = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(options: SocketQuotaOptions) {
    this.options = options;
    this.presence = options.store.presence;
  }

  start(): void {
    this.timer = setInterval(() => {
      this.recount().catch((error) => this.options.log.debug({ err: error }, 'sockets were not counted'));
    }, this.options.recountEveryMs ?? RECOUNT_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    const { host } = this.options;
    await Promise.allSettled(
      [...this.counts.keys()].map((tenant) => this.presence.hdel(keyOf(tenant), host)),
    );
  }

  /**
   * Makes a socket if the tenant may have one more. There are never more than that; when several hosts are asked for the
   * last place at the same moment, none of them may give it.
   * @throws BATON_QUOTA_SOCKETS before `make` is called
   */
  async take<T>(tenant: string, make: () => Promise<T>): Promise<T> {
    const count = this.countOf(tenant);
    const mine = ++count.sockets;
    count.pending++;
    try {
      await this.check(tenant, mine);
      return await make();
    } catch (error) {
      this.closed(tenant);
      throw error;
    } finally {
      count.pending--;
    }
  }

  /** A socket came from another host. */
  arrived(tenant: string): void {
    this.countOf(tenant).sockets++;
    this.write(tenant);
  }

  /** A socket is no more. */
  closed(tenant: string): void {
    const count = this.countOf(tenant);
    count.sockets = Math.max(0, count.sockets - 1);
    this.write(tenant);
  }

  /** @param mine which of this host's sockets the new one is */
  private async check(tenant: string, mine: number): Promise<void> {
    const limit = this.options.limitOf(tenant);
    if (limit === undefined) return;
    const { host } = this.options;
    // on one connection, in this order: of two hosts that do so at the same time at least one sees the other
    const [, all] = await Promise.all([
      this.presence.hset(keyOf(tenant), host, String(this.countOf(tenant).sockets)),
      this.presence.hgetall(keyOf(tenant)),
    ]);
    const others = Object.entries(all ?? {}).filter(([id]) => id !== host);
    const sum = (counted: [string, string][]) => counted.reduce((total, [, n]) => total + Number(n), mine);
    if (sum(others) <= limit) return;
    if (sum(await this.ofTheLiving(tenant, others)) > limit) throw quotaSockets({ tenant, limit });
  }

  /** Without the numbers of hosts that are no more. */
  private async ofTheLiving(tenant: string, numbers: [string, string][]): Promise<[string, string][]> {
    if (numbers.every(([id]) => this.live.has(id))) return numbers;
    this.live = new Set((await this.options.store.hosts()).map(({ id }) => id));
    const dead = numbers.filter(([id]) => !this.live.has(id));
    await Promise.all(dead.map(([id]) => this.presence.hdel(keyOf(tenant), id)));
    return numbers.filter(([id]) => this.live.has(id));
  }

  private countOf(tenant: string): Count {
    let count = this.counts.get(tenant);
    if (!count) {
      count = { sockets: 0, pending: 0, off: 0 };
      this.counts.set(tenant, count);
    }
    return count;
  }

  /** Soon: what happens in the same moment is one write. */
  private write(tenant: string): void {
    if (this.options.limitOf(tenant) === undefined || this.writing.has(tenant)) return;
    this.writing.add(tenant);
    setImmediate(() => {
      this.writing.delete(tenant);
      void this.put(tenant).catch(() => {}); // the next recount writes it again
    });
  }

  private async put(tenant: string): Promise<void> {
    const { sockets } = this.countOf(tenant);
    await this.presence.hset(keyOf(tenant), this.options.host, String(sockets));
  }

  /** Sockets that left for another host, or whose client never came, are reported by nobody. */
  private async recount(): Promise<void> {
    const { limitOf } = this.options;
    if (![...this.counts.keys()].some((tenant) => limitOf(tenant) !== undefined)) return;
    this.live = new Set();
    const held = this.options.held();
    for (const tenant of new Set([...held.keys(), ...this.counts.keys()])) {
      const count = this.countOf(tenant);
      const off = (held.get(tenant) ?? 0) + count.pending - count.sockets;
      // twice in a row, so that one that is just being made or moved counts
      if (off * count.off > 0) count.sockets += Math.sign(off) * Math.min(Math.abs(off), Math.abs(count.off));
      count.off = off;
      if (limitOf(tenant) !== undefined) await this.put(tenant);
    }
  }
}
