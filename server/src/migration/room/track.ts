// What a move needs to know about a room and Colyseus does not keep: the options it was created with, calls in
// flight, when seats were reserved, how its loops were started.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Room } from '@colyseus/core';
import type { RoomClient } from '../../colyseus/room-internals.ts';
import type { Simulation } from './loop.ts';
import type { Mailbox } from './mailbox.ts';

/** Where a room stands in its life on this host. */
export type RoomPhase = 'creating' | 'live' | 'frozen' | 'released';

/** A client that left while a reconnection is allowed: what `_onLeave` was called with. */
export interface Departure {
  client: RoomClient;
  code: number | undefined;
}

/** A presence subscription of a room: undone when the room leaves this host. */
export interface Subscription {
  room: Room;
  topic: string;
  /** What the room gave. */
  callback: (message: any) => unknown;
  /** What the store calls. */
  listener: (message: any) => unknown;
}

const NO_TIMERS: ReadonlySet<string> = new Set();

/** Collections that most rooms never need are made when they are first asked for. */
export class RoomTrack {
  phase: RoomPhase = 'creating';
  /** True from the construction of a shell for an arriving room until the room is activated here. */
  shell = false;
  /** Options that onCreate() was called with (a copy made before user code could change them). */
  createOptions: unknown;
  /** Calls in flight, label → count; a room only moves when it is empty. */
  readonly busy = new Map<string, number>();
  busyCount = 0;
  private idleWaiters: Set<() => void> | undefined;
  private arrivalWaiters: (() => void)[] | undefined;
  /** A move waits for the room to rest, or has it: what can wait is not begun. */
  resting = false;
  private stayWaiters: (() => void)[] | undefined;
  private seatTimes: Map<string, { at: number; seconds: number }> | undefined;
  private stoppedSeats: Map<string, () => void> | undefined;
  private awaited: Map<string, Departure> | undefined;
  private replays: Map<unknown, number> | undefined;
  private late: Set<string> | undefined;
  simulation: Simulation | undefined;
  /** The room ended its loop by setTimestep() without a callback. */
  loopEnded = false;
  /** Put away while the room's loops are stopped: patch rates, and in how many seconds it ends unless somebody joins. */
  paused:
    | { patchRate: number | null; unreliablePatchRate: number | null; disposeIn?: number | undefined }
    | undefined;
  /** When (Date.now()) and for how long (s) the end of the empty room was put off. */
  disposal = { at: 0, seconds: 0 };
  /** Date.now() of the last broadcastPatch(), so that a moved room keeps its rhythm. */
  lastPatchAt = 0;
  /** Timers of onCreate() that the target of the move under way does not have. */
  missingTimers = NO_TIMERS;
  /** How often this room has moved since it was created. */
  moves = 0;
  /** How long its last move kept it still (ms). */
  lastBlackoutMs: number | undefined;
  /** What comes to the topics the room subscribed to; undefined without subscriptions. */
  mailbox: Mailbox | undefined;

  /** sessionId → when its seat was reserved (ms, Date.now()) and for how long (s). */
  get seats(): Map<string, { at: number; seconds: number }> {
    return (this.seatTimes ??= new Map());
  }

  /** sessionId → what its expiry does, while the room is frozen. */
  get pausedSeats(): Map<string, () => void> {
    return (this.stoppedSeats ??= new Map());
  }

  /** reconnectionToken → the departure that is being waited for. */
  get departures(): Map<string, Departure> {
    return (this.awaited ??= new Map());
  }

  /** Departures replayed by a restore: the client → seconds its seat is still held. */
  get replayed(): Map<unknown, number> {
    return (this.replays ??= new Map());
  }

  /** Topics subscribed through `this.presence` after onCreate(): their callbacks exist on this host only. */
  get lateSubscriptions(): Set<string> {
    return (this.late ??= new Set());
  }

  enter(label: string): void {
    this.busyCount++;
    this.busy.set(label, (this.busy.get(label) ?? 0) + 1);
  }

  leave(label: string): void {
    const left = (this.busy.get(label) ?? 1) - 1;
    if (left > 0) this.busy.set(label, left);
    else this.busy.delete(label);
    if (--this.busyCount === 0 && this.idleWaiters) for (const wake of [...this.idleWaiters]) wake();
  }

  /** Resolves when this arriving room runs here; never when its shell is thrown away. */
  arrived(): Promise<void> {
    if (!this.shell) return Promise.resolve();
    return new Promise((resolve) => (this.arrivalWaiters ??= []).push(resolve));
  }

  /** A move wants the room to rest from now on, or does not any more. */
  letRest(rest: boolean): void {
    this.resting = rest;
    if (rest) return;
    for (const wake of this.stayWaiters?.splice(0) ?? []) wake();
  }

  /** Resolves when no move wants the room to rest; never once it has moved on. */
  stays(): Promise<void> {
    if (!this.resting) return Promise.resolve();
    return new Promise((resolve) => (this.stayWaiters ??= []).push(resolve));
  }

  goLive(): void {
    this.shell = false;
    this.phase = 'live';
    for (const wake of this.arrivalWaiters?.splice(0) ?? []) wake();
  }

  /** Counts a promise as a call in flight until it settles; passes any value through. */
  follow<T>(label: string, result: T): T {
    if (
      result !== null &&
      typeof result === 'object' &&
      typeof (result as { then?: unknown }).then === 'function'
    ) {
      this.enter(label);
      const done = () => this.leave(label);
      (result as unknown as Promise<unknown>).then(done, done);
    }
    return result;
  }

  /** Resolves when nothing is in flight, or after `ms`. */
  idle(ms: number): Promise<void> {
    if (this.busyCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const waiters = (this.idleWaiters ??= new Set());
      const wake = () => {
        waiters.delete(wake);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      waiters.add(wake);
    });
  }

  /** True while nothing this room does may reach listings, lobbies or other hosts. */
  get silent(): boolean {
    return this.shell || this.phase === 'frozen' || this.phase === 'released';
  }
}

const kTrack = Symbol('baton.track');

/** The bookkeeping of a room; made on first use. */
export function trackOf(room: Room): RoomTrack {
  const holder = room as unknown as { [kTrack]?: RoomTrack };
  return (holder[kTrack] ??= new RoomTrack());
}

/** The room whose constructor, onCreate() or what they started is running. */
export const creating = new AsyncLocalStorage<{ room: Room }>();

/** Set while a shell for an arriving room is built. */
export const arriving = new AsyncLocalStorage<{ roomId: string; room?: Room }>();
