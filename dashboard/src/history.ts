// The last minutes in numbers, for the charts: kept here since the page was opened.
import type { Model } from './model.ts';

/** A sample a second. */
const MAX_SAMPLES = 300;

export interface Sample {
  /** Unix time in s. */
  at: number;
  sockets: number | null;
  linked: number | null;
  waiting: number | null;
  clients: number | null;
  /** Calls per second. */
  calls: number | null;
  failed: number | null;
  cpu: Record<string, number>;
  lag: Record<string, number>;
}

export class History {
  readonly samples: Sample[] = [];
  private lastCalls: { at: number; total: number; failed: number } | undefined;

  add({ at, hosts, queues, calls }: Model): void {
    const last = this.samples.at(-1);
    // as many as seconds, whatever comes how often
    if (last && at / 1_000 - last.at < 0.7) this.samples.pop();
    else if (this.samples.length >= MAX_SAMPLES) this.samples.shift();
    const sum = (field: 'sockets' | 'linked' | 'waiting') =>
      queues ? queues.reduce((all, queue) => all + queue[field], 0) : null;
    this.samples.push({
      at: at / 1_000,
      sockets: sum('sockets'),
      linked: sum('linked'),
      waiting: sum('waiting'),
      clients: hosts ? hosts.reduce((all, host) => all + host.clients, 0) : null,
      ...this.rates(at, calls),
      cpu: Object.fromEntries((hosts ?? []).map(({ id, cpu = 0 }) => [id, cpu * 100])),
      lag: Object.fromEntries((hosts ?? []).map(({ id, lagMs }) => [id, lagMs])),
    });
  }

  /** What was counted since; less than before when a host has gone. */
  private rates(at: number, calls: Model['calls']): { calls: number | null; failed: number | null } {
    if (!calls) return { calls: null, failed: null };
    const total = calls.reduce((all, one) => all + one.total, 0);
    const failed = calls.reduce((all, one) => all + one.failed, 0);
    const before = this.lastCalls;
    const since = before ? (at - before.at) / 1_000 : 0;
    if (!before || since >= 0.7) this.lastCalls = { at, total, failed };
    const last = this.samples.at(-1);
    if (!before || since < 0.7) return { calls: last?.calls ?? 0, failed: last?.failed ?? 0 };
    return {
      calls: Math.max(0, total - before.total) / since,
      failed: Math.max(0, failed - before.failed) / since,
    };
  }
}
