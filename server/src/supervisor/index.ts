// Keeps the host processes of one machine running: it owns the listening port, starts, watches and replaces
// hosts, and swaps in new code. It is never in the data path, and hosts go on serving when it is gone.
export { findApp, type HostProgram, hostProgram, tsconfigOf } from './host-program.ts';
export { LOOPBACK } from './options.ts';
export { defaultRuntimeBase, findService, type ServiceInfo } from './service-file.ts';
export { handleSignals } from './signals.ts';
export {
  type HostLine,
  type HostStatus,
  type StoreChoice,
  Supervisor,
  type SupervisorOptions,
} from './supervisor.ts';
export { type Usage, UsageSampler } from './usage.ts';
