import type { AuditLog } from '../audit.ts';
import type { Operation } from '../operation.ts';
import type { ControlBackend, DeadLettersBackend, SocketsBackend, WatchBackend } from '../types.ts';
import { auditOperations } from './audit.ts';
import { deadLetterOperations } from './dead-letters.ts';
import { documentOperations } from './document.ts';
import { eventOperations } from './events.ts';
import { type FunctionsBackend, functionOperations } from './functions.ts';
import { hostOperations } from './hosts.ts';
import { type KeysBackend, keyOperations } from './keys.ts';
import { type LogBackend, logOperations } from './log.ts';
import { type MappingsBackend, mappingOperations } from './mappings.ts';
import { metricsOperations } from './metrics.ts';
import { probeOperations } from './probes.ts';
import { roomOperations } from './rooms.ts';
import { socketOperations } from './sockets.ts';

/** What the operations stand on. */
export interface Backends {
  service: ControlBackend;
  sockets?: SocketsBackend;
  deadLetters?: DeadLettersBackend;
  functions?: FunctionsBackend;
  mappings?: MappingsBackend;
  keys?: KeysBackend;
  audit?: AuditLog;
  tenantLog?: LogBackend;
  watch?: WatchBackend;
  /** Text of all metrics as Prometheus reads it. */
  metrics?: () => Promise<string>;
  /** Why the host should get no traffic; `undefined` = it should. Default: it always should. */
  unready?: () => string | undefined | Promise<string | undefined>;
}

/** All operations of the control API. */
export function operationsOf(backends: Backends): Operation[] {
  const { service, sockets, deadLetters, functions, mappings, keys, audit, tenantLog, watch } = backends;
  const { metrics, unready } = backends;
  const operations = [
    ...hostOperations(service),
    ...roomOperations(service),
    ...(sockets ? socketOperations(sockets) : []),
    ...(deadLetters ? deadLetterOperations(deadLetters) : []),
    ...(functions ? functionOperations(functions) : []),
    ...(mappings ? mappingOperations(mappings) : []),
    ...(keys ? keyOperations(keys) : []),
    ...(audit ? auditOperations(audit) : []),
    ...(tenantLog ? logOperations(tenantLog) : []),
    ...(watch ? eventOperations(watch) : []),
    ...(metrics ? metricsOperations(metrics) : []),
    ...probeOperations(unready),
  ];
  return [...operations, ...documentOperations(operations)];
}
