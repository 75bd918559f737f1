import type { Operation } from '../operation.ts';
import type { ControlBackend } from '../types.ts';
import { hostOperations } from './hosts.ts';
import { roomOperations } from './rooms.ts';

/** What the operations stand on. */
export interface Backends {
  service: ControlBackend;
}

/** All operations of the control API. */
export function operationsOf(backends: Backends): Operation[] {
  return [...hostOperations(backends.service), ...roomOperations(backends.service)];
}
