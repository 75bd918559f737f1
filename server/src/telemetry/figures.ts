// How often something took how long, and failed, of each of a few kinds: since the process started, and in the last
// minute. For people who watch: one add() is some additions, and nothing runs when nothing happens.

/** Each bucket ends a fourth root of 2 beyond the one before, from 0.1 ms on: a percentile is within 10 %. */
const FIRST_MS = 0.1;
const PER_DOUBLING = 4;
const BUCKETS = 96;
/** What `recent` is of, … */
export const RECENT_MS = 60_000;
/** … in so many parts. */
const SLICES = 6;
const SLICE_MS = RECENT_MS / SLICES;
/** Kinds of one process; past it the one that was silent for longest goes. */
const MAX_SERIES = 2_000;

/** How many of which bucket: bucket, count, bucket, count … */
export type Sparse = number[];

export interface Figure {
  tenant: string;
  mapping: string;
  kind: string;
  /** Since the process started. */
  total: number;
  failed: number;
  /** In the last minute. */
  recent: number;
  recentFailed: number;
  durations: Sparse;
}

class Series {
  readonly of: readonly [tenant: string, mapping: string, kind: string];
  total = 0;
  failed = 0;
  /** Number of the slice of time that was added to last. */
  slice = 0;
  readonly counts = new Uint32Array(SLICES * BUCKETS);
  readonly failures = new Uint32Array(SLICES);

  constructor(of: Series['of']) {
    this.of = of;
  }

  /** Slices that have passed since are empty. */
  turn(slice: number): void {
    const passed = Math.min(slice - this.slice, SLICES);
    for (let i = 1; i <= passed; i++) {
      const at = (slice - passed + i) % SLICES;
      this.counts.fill(0, at * BUCKETS, (at + 1) * BUCKETS);
      this.failures[at] = 0;
    }
    if (passed > 0) this.slice = slice;
  }
}

export class Figures {
  private readonly series = new Map<string, Series>();

  add(tenant: string, mapping: string, kind: string, ms: number, failed = false, now = Date.now()): void {
    const name = `${tenant} ${mapping} ${kind}`;
    let series = this.series.get(name);
    if (!series) {
      if (this.series.size >= MAX_SERIES) this.forgetOne();
      this.series.set(name, (series = new Series([tenant, mapping, kind])));
    }
    const slice = Math.floor(now / SLICE_MS);
    if (slice !== series.slice) series.turn(slice);
    series.total++;
    series.counts[(slice % SLICES) * BUCKETS + bucketOf(ms)]!++;
    if (!failed) return;
    series.failed++;
    series.failures[slice % SLICES]!++;
  }

  read(now = Date.now()): Figure[] {
    return [...this.series.values()].map((series) => {
      series.turn(Math.floor(now / SLICE_MS));
      const [tenant, mapping, kind] = series.of;
      const durations: Sparse = [];
      let recent = 0;
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        let count = 0;
        for (let at = bucket; at < series.counts.length; at += BUCKETS) count += series.counts[at]!;
        if (count > 0) durations.push(bucket, count);
        recent += count;
      }
      const recentFailed = series.failures.reduce((sum, n) => sum + n, 0);
      const { total, failed } = series;
      return { tenant, mapping, kind, total, failed, recent, recentFailed, durations };
    });
  }

  private forgetOne(): void {
    const [first, ...others] = this.series;
    let oldest = first!;
    for (const one of others) if (one[1].slice < oldest[1].slice) oldest = one;
    this.series.delete(oldest[0]);
  }
}

/** The durations of several processes as one. */
export function merge(all: Sparse[]): Sparse {
  const counts = new Map<number, number>();
  for (const sparse of all)
    for (let i = 0; i < sparse.length; i += 2)
      counts.set(sparse[i]!, (counts.get(sparse[i]!) ?? 0) + sparse[i + 1]!);
  return [...counts].sort(([a], [b]) => a - b).flat();
}

/** @param part 0.5 for the median @returns milliseconds; undefined of nothing */
export function percentile(durations: Sparse, part: number): number | undefined {
  let all = 0;
  for (let i = 1; i < durations.length; i += 2) all += durations[i]!;
  if (all === 0) return undefined;
  let below = 0;
  for (let i = 0; i < durations.length; i += 2) {
    const count = durations[i + 1]!;
    if (below + count >= part * all) return upTo(durations[i]! - 1 + (part * all - below) / count);
    below += count;
  }
  return upTo(durations.at(-2)!);
}

function bucketOf(ms: number): number {
  if (!(ms > FIRST_MS)) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log2(ms / FIRST_MS) * PER_DOUBLING));
}

const upTo = (bucket: number): number => FIRST_MS * 2 ** (bucket / PER_DOUBLING);

/** Of this process: what became of calls to functions, by kind of call; `wait`: from open to linked. */
export const figures = new Figures();
