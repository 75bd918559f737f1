// Logs of every process of a Baton service, written the same way and never with a secret in them.
// Everything above takes a `Log` as a parameter; nothing here keeps state of its own.
export {
  createLog,
  type Log,
  type LogFormat,
  type LogOptions,
  silentLog,
  tolerateBrokenPipes,
  withoutPassword,
} from './log.ts';
