// One room on its way out: its state, what was captured, what is held back until it is clear where it runs.
import type { Room } from '@colyseus/core';
import type { CarriedConnection } from '../../handoff/index.ts';
import type { BatonClient } from '../../transport/index.ts';
import type { MovabilityReport } from '../fields/index.ts';
import type { RoomCall } from '../room/gates.ts';
import { Lull, type Reading } from '../room/lull.ts';
import { trackOf } from '../room/track.ts';
import type { PreCopySource } from '../schema/index.ts';
import { announce } from './phases.ts';
import { nowMicros } from './protocol.ts';
import type { MovePhases } from './result.ts';
import { advance, type SourceState } from './states.ts';

/** Calls held back while a room is frozen; more are dropped, their callers time out. */
const MAX_HELD_CALLS = 10_000;

export class Departure {
  readonly room: Room;
  readonly roomId: string;
  readonly report: MovabilityReport;
  /** µs, monotonic. */
  readonly since = nowMicros();
  frozenAt = 0;
  /** Messages it handles, as the target was told. */
  handlers = '';
  /** Resolves when there is reason to look whether it can be frozen. */
  rest: Promise<void> | undefined;
  /** Ids of calls that the room executed lately. */
  executed: string[] = [];
  state: SourceState = 'running';
  readonly phases: MovePhases = { prepare: 0, quiesce: 0, freeze: 0, transfer: 0, restore: 0, switch: 0 };
  readonly detached: BatonClient[] = [];
  readonly connections: CarriedConnection[] = [];
  readonly sessions: string[] = [];
  /** The state as far as it went ahead, and the encoder it was taken from. */
  ahead: { source: PreCopySource; encoder: object } | undefined;
  bytes: Uint8Array = new Uint8Array();
  checksum = 0;
  /** Resolves when the room runs here again or on the target. */
  readonly settled: Promise<void>;
  settle: () => void = () => {};
  private calls: RoomCall[] = [];
  private undo: (() => void) | undefined;

  private readonly lull: Lull<BatonClient>;

  constructor(room: Room, report: MovabilityReport, reading: Reading<BatonClient>) {
    this.lull = new Lull(room, reading);
    this.room = room;
    this.roomId = room.roomId;
    this.report = report;
    this.settled = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  advance(to: SourceState): void {
    this.state = advance(this.state, to);
    if (to === 'quiescing') this.lull.start();
    else if (to !== 'frozen') this.lull.end();
    if (to === 'quiescing') trackOf(this.room).letRest(true);
    else if (to === 'running') trackOf(this.room).letRest(false);
    announce('source', to, this.roomId);
  }

  /** After a freeze that did not get through. */
  forgetConnections(): void {
    this.detached.length = 0;
    this.connections.length = 0;
    this.sessions.length = 0;
  }

  /** The room in the form in which the target takes it. */
  message(epoch: number, group: string[]) {
    return {
      roomId: this.roomId,
      epoch,
      bytes: this.bytes,
      checksum: this.checksum,
      frozenAt: this.frozenAt,
      executed: this.executed,
      sessions: this.sessions,
      group,
    };
  }

  hold(call: RoomCall): void {
    if (this.calls.length < MAX_HELD_CALLS) this.calls.push(call);
  }

  takeCalls(): RoomCall[] {
    return this.calls.splice(0);
  }

  /** @param undo gives the room its own methods back */
  divert(undo: () => void): void {
    this.undo = undo;
  }

  undivert(): void {
    this.undo?.();
    this.undo = undefined;
  }
}
