/** What a list of numbers is like; all 0 when it is empty. */
export interface Distribution {
  count: number;
  mean: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

export function distributionOf(values: Iterable<number>): Distribution {
  const sorted = Float64Array.from(values).sort();
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    count: sorted.length,
    mean: rounded(sorted.length === 0 ? 0 : sum / sorted.length),
    p50: rounded(percentile(sorted, 50)),
    p95: rounded(percentile(sorted, 95)),
    p99: rounded(percentile(sorted, 99)),
    max: rounded(percentile(sorted, 100)),
  };
}

/**
 * Nearest rank: the least value that `percent` of all values do not exceed.
 * @param sorted  least first
 * @param percent 0 to 100
 * @returns 0 when there are no values
 */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const rank = Math.ceil((percent * sorted.length) / 100);
  return sorted[Math.max(0, rank - 1)] ?? 0;
}

/** Two digits behind the point, five for what is less than one. */
export function rounded(value: number): number {
  const factor = Math.abs(value) < 1 ? 100_000 : 100;
  return Math.round(value * factor) / factor;
}
