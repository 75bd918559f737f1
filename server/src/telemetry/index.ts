// What the processes of a Baton service say and use: logs, written the same way everywhere and never with a secret in
// them, lines of a child's output, and what Linux knows of a process. Nothing here keeps state of its own.
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
export { procStat, startTicks } from './proc-stat.ts';
