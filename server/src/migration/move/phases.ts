// Every step of every move is published on the diagnostics channel `baton:move`, synchronously, for traces and
// tests: `diagnosticsChannel.subscribe('baton:move', ({ side, phase, roomId }) => …)`.
import diagnosticsChannel from 'node:diagnostics_channel';

export interface MovePhaseEvent {
  side: 'source' | 'target';
  /**
   * Source: the state entered (preparing, quiescing, frozen, transferring, released, running, lost).
   * Target: prepared, precopy (the first part of a large state), received, restored, switched, active, published, discarded.
   */
  phase: string;
  roomId: string;
}

const channel = diagnosticsChannel.channel('baton:move');

export function announce(side: MovePhaseEvent['side'], phase: string, roomId: string): void {
  if (channel.hasSubscribers) channel.publish({ side, phase, roomId } satisfies MovePhaseEvent);
}
