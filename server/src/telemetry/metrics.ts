// Metrics in the text format of Prometheus. What they say is read when it is asked for, not written as things happen.
import { collectDefaultMetrics, Registry } from 'prom-client';
import { BOUNDS, Durations } from './counters.ts';

export interface Metric {
  type: 'counter' | 'gauge' | 'histogram';
  /** One line. */
  help: string;
  /** Names of its labels. */
  labels?: readonly string[];
}

/** One series: its labels, in the order of the metric's names, and what it is at. */
export type Series = readonly [labels: readonly string[], value: number | Durations];
/** What a metric reads when it is asked for. */
export type Reader = () => number | Durations | Series[] | Promise<number | Series[]>;

/** A metric with its values, as it goes from process to process. */
export interface Reading {
  name: string;
  help: string;
  type: string;
  values: { value: number; labels: Record<string, string | number>; metricName?: string }[];
}

/** They take longer the more connections there are: each reads all descriptors or handles. */
const COSTLY = [
  'process_open_fds',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
];
const EVENT_LOOP_EVERY_MS = 20;

/** Metrics of this process. */
export class Metrics<Definitions extends Record<string, Metric>> {
  private readonly registry = new Registry();

  /**
   * @param labels of all series
   * @param readers for each metric; one that fails leaves its metric without values
   */
  constructor(
    labels: Record<string, string>,
    definitions: Definitions,
    readers: { [Name in keyof Definitions]: Reader },
  ) {
    this.registry.setDefaultLabels(labels);
    collectDefaultMetrics({
      register: this.registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_EVERY_MS,
    });
    for (const name of COSTLY) this.registry.removeSingleMetric(name);
    for (const [name, { type, help, labels: names = [] }] of Object.entries(definitions)) {
      const get = async () => {
        const read = await attempt(readers[name]!);
        const series = Array.isArray(read) ? read : [[[], read] as const];
        return { name, type, help, values: series.flatMap((one) => valuesOf(name, names, one)) };
      };
      this.registry.registerMetric({ name, get } as never);
    }
  }

  async read(): Promise<Reading[]> {
    return (await this.registry.getMetricsAsJSON()) as unknown as Reading[];
  }
}

async function attempt(reader: Reader): Promise<Awaited<ReturnType<Reader>>> {
  try {
    return await reader();
  } catch {
    return [];
  }
}

function valuesOf(name: string, names: readonly string[], [given, value]: Series): Reading['values'] {
  const labels = Object.fromEntries(names.map((label, i) => [label, given[i]!]));
  if (!(value instanceof Durations)) return [{ value, labels }];
  let below = 0;
  const buckets = value.counts.map((count, i) => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: BOUNDS[i] ?? '+Inf' },
    value: (below += count),
  }));
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: value.sum },
    { metricName: `${name}_count`, labels, value: below },
  ];
}

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Readings of several processes as one text. */
export async function metricsText(processes: Reading[][]): Promise<string> {
  const merged = new Map<string, Reading>();
  for (const reading of processes.flat()) {
    const there = merged.get(reading.name);
    if (there) there.values.push(...reading.values);
    else merged.set(reading.name, { ...reading, values: [...reading.values] });
  }
  const registry = new Registry();
  for (const reading of merged.values())
    registry.registerMetric({ name: reading.name, get: async () => reading } as never);
  return registry.metrics();
}
