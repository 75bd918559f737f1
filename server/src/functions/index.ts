// Functions that the service hosts itself (endpoints `function:NAME`): each runs in an own workerd process beside the
// hosts, kept by a runner process of the supervisor. Hosts ask the runner where a function is and call it directly.
export { type FunctionAddress, Functions } from './functions.ts';
export { environment, MAX_BUNDLE_BYTES, MAX_LOG_LINES, MAX_LOG_WAIT_MS, origins } from './protocol.ts';
export { functionName } from './records.ts';
export { MAX_SECRET_BYTES, secretName } from './secrets.ts';
export type { RunnerSettings } from './settings.ts';
export {
  type FunctionDetails,
  type FunctionLogs,
  type FunctionView,
  functionDetails,
  functionLogs,
  functionView,
  secretList,
  secretView,
} from './views.ts';
