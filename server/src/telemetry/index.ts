// What the processes of a Baton service say and use: logs, metrics and traces, written the same way everywhere and never
// with a secret in them, lines of a child's output, and what Linux knows of a process. The only state here is what a
// process has counted, and where its traces go.
export { BOUNDS, counters, Durations, DurationsOf, Tally } from './counters.ts';
export {
  type Figure,
  Figures,
  figures,
  merge,
  percentile,
  RECENT_MS,
  type Sparse,
} from './figures.ts';
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
export { type MoveSeen, RecentMoves, recentMoves } from './recent-moves.ts';
export { startTraces, type Traced, traced } from './traces.ts';
