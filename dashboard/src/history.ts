// The last minutes in numbers, for the charts: kept here since the page was opened.
import type { WatchedQueue } from '../../server/src/control/watch-views.ts';
import type { Model } from './model.ts';

/** A sample a second. */
const MAX_SAMPLES = 300;

export interface Sample {
  /** Unix time in s. */
  at: number;
  sockets: number | null;
  linked: number | null;
  /** Open, without peers. */
  alone: number | null;
  clients: number | null;
  /** Calls per second. */
  calls: number | null;
  failed: number | null;
  cpu: Record<string, number>;
  lag: Record<string, number>;
}

/** Who wants peers: whether a function has yet to find some, or has named some that are still to come. */
export const aloneOf = ({ unlinked, waiting }: WatchedQueue): number => unlinked + waiting;

export class History {
  readonly samples: Sample[] = [];
  private lastCalls: { at: number; total: number; failed: number } | undefined;

  add({ at, hosts, queues, calls }: Model): void {
    const last = this.samples.at(-1);
    // as many as seconds, whatever comes how often
    if (last && at / 1_000 - last.at < 0.7) this.samples.pop();
    else if (this.samples.length >= MAX_SAMPLES) this.samples.shift();
    const sum = (of: (queue: WatchedQueue) => number) =>
      queues ? queues.reduce((all, queue) => all + of(queue), 0) : null;
    this.samples.push({
      at: at / 1_000,
      sockets: sum(({ sockets }) => sockets),
      linked: sum(({ linked }) => linked),
      alone: sum(aloneOf),
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
