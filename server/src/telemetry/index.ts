// What the processes of a Baton service say and use: logs, metrics and traces, written the same way everywhere and never
// with a secret in them, lines of a child's output, and what Linux knows of a process. The only state here is what a
// process has counted, and where its traces go.
export { counters, Durations, DurationsOf, Tally } from './counters.ts';
export { LineSplitter, printable } from './lines.ts';
export {
  createLog,
  type Log,
  type LogFormat,
  type LogOptions,
  silentLog,
  tolerateBrokenPipes,
  withoutPassword,
} from './log.ts';
export {
  METRICS_TYPE,
  type Metric,
  Metrics,
  metricsText,
  type Reader,
  type Reading,
  type Series,
} from './metrics.ts';
export { procStat, startTicks } from './proc-stat.ts';
export { startTraces, type Traced, traced } from './traces.ts';
