// Rooms that may arrive: their ids are taken from the first moment on, their shells wait until they are filled, called
// off or too old.
import { matchMaker, type Room, requestFromIPC } from '@colyseus/core';
import { moveFailed, moveInProgress } from '../../errors.ts';
import type { ClassRegistry } from '../fields/index.ts';
import { discardShell, divertMethods, type Gates } from '../room/shell.ts';
import type { PreCopyTarget } from '../schema/index.ts';
import { shuttingDown } from './context.ts';
import { announce } from './phases.ts';
import type { Fate } from './protocol.ts';

/** A shell nobody commits is thrown away after this long. */
const SHELL_LIFETIME_MS = 120_000;
/** Rooms that came lately are known to have come: whoever sent one may ask, if the answer got lost. */
const MAX_TAKEN = 10_000;

export interface Arrival {
  readonly roomId: string;
  readonly transferId: string;
  readonly from: string;
  /** A shell that was called off while it is built goes when it is done. */
  stage: 'building' | 'calledOff' | 'waiting' | 'committing';
  shell: Shell | undefined;
  readonly expiry: NodeJS.Timeout;
  /** Resolves when the room runs here or its shell is gone. */
  readonly settled: Promise<void>;
  readonly settle: () => void;
}

export interface Shell {
  room: Room;
  classes: ClassRegistry;
  /** Source and target run the same code. */
  sameCode: boolean;
  undivert: () => void;
  /** The state as far as it came ahead. */
  ahead: PreCopyTarget | undefined;
}

export class Arrivals {
  private readonly gates: Gates;
  private readonly arrivals = new Map<string, Arrival>();
  /** `transferId roomId`, the oldest first. */
  private readonly lately = new Set<string>();
  private ended = false;

  constructor(gates: Gates) {
    this.gates = gates;
  }

  /** No room arrives any more. */
  get closed(): boolean {
    return this.ended;
  }

  get(roomId: string): Arrival | undefined {
    return this.arrivals.get(roomId);
  }

  /** @throws BATON_MOVE_IN_PROGRESS when the id is taken */
  reserve({ transferId, from }: { transferId: string; from: string }, roomId: string): Arrival {
    // a host that begins anew has given up its last attempt, even where it could not say so
    const before = this.arrivals.get(roomId);
    if (before?.from === from && before.stage === 'waiting') this.discard(roomId);
    if (this.arrivals.has(roomId) || matchMaker.getLocalRoomById(roomId)) throw moveInProgress({ roomId });
    let settle = () => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const expiry = setTimeout(() => this.discard(roomId), SHELL_LIFETIME_MS);
    expiry.unref();
    const arrival: Arrival = {
      roomId,
      transferId,
      from,
      stage: 'building',
      shell: undefined,
      expiry,
      settled,
      settle,
    };
    this.arrivals.set(roomId, arrival);
    return arrival;
  }

  /** The shell is built. @throws BATON_MOVE_FAILED when nobody wants it any more */
  ready(arrival: Arrival, shell: Shell): void {
    const { roomId, stage } = arrival;
    if (stage === 'calledOff') throw moveFailed({ roomId, reason: 'it was called off' });
    shell.undivert = divertShell(shell.room);
    arrival.shell = shell;
    arrival.stage = 'waiting';
  }

  /** @throws BATON_MOVE_FAILED when no shell of this transfer waits */
  expected(transferId: string, roomId: string): { arrival: Arrival; shell: Shell } {
    const arrival = this.arrivals.get(roomId);
    if (arrival?.transferId !== transferId || arrival.stage !== 'waiting' || !arrival.shell)
      throw moveFailed({ roomId, reason: 'the target does not expect it (any more)' });
    return { arrival, shell: arrival.shell };
  }

  /** From now on only the commit decides what becomes of the shell. */
  committing(arrival: Arrival): void {
    arrival.stage = 'committing';
    clearTimeout(arrival.expiry);
  }

  /** The room runs here. */
  taken(transferId: string, roomId: string): void {
    this.lately.add(`${transferId} ${roomId}`);
    for (const oldest of this.lately) {
      if (this.lately.size <= MAX_TAKEN) break;
      this.lately.delete(oldest);
    }
  }

  /** What became of a room that was to come here. A shell that still waits for it is thrown away. */
  fate(transferId: string, roomId: string): Fate {
    const arrival = this.arrivals.get(roomId);
    if (arrival?.transferId !== transferId)
      return this.lately.has(`${transferId} ${roomId}`) ? 'active' : 'discarded';
    if (arrival.stage === 'committing') return 'committing';
    this.discard(roomId);
    return 'discarded';
  }

  /** Shells for rooms of these hosts are of no use. */
  discardFrom(isGone: (host: string) => boolean): void {
    for (const [roomId, { from }] of this.arrivals) if (isGone(from)) this.discard(roomId);
  }

  /** Shells go, rooms that are being taken over at this moment still come. */
  async close(): Promise<void> {
    this.ended = true;
    this.discardFrom(() => true);
    const coming = [...this.arrivals.values()].filter(({ stage }) => stage === 'committing');
    await Promise.all(coming.map(({ settled }) => settled)); // the store answers or gives up
  }

  /** Throws the shell away, unless its room is being taken over. */
  private discard(roomId: string): void {
    const arrival = this.arrivals.get(roomId);
    if (!arrival || arrival.stage === 'committing') return;
    if (arrival.shell) this.end(arrival, arrival.shell);
    else arrival.stage = 'calledOff';
  }

  /** Throws the shell away. */
  end(arrival: Arrival, shell: Shell): void {
    shell.undivert();
    discardShell(shell.room, this.gates);
    this.remove(arrival);
    announce('target', 'discarded', arrival.roomId);
  }

  /** The room runs here, or its shell is gone. */
  remove(arrival: Arrival): void {
    this.arrivals.delete(arrival.roomId);
    clearTimeout(arrival.expiry);
    arrival.settle();
  }
}

/** Colyseus already finds the shell by its id: calls made in this process go to the room where it runs. */
function divertShell(room: Room): () => void {
  const undo = divertMethods(room, async (method, args) =>
    shuttingDown() ? undefined : requestFromIPC(matchMaker.presence, `$${room.roomId}`, method, args),
  );
  const own = Object.getOwnPropertyDescriptor(room, 'onBeforeShutdown');
  const value = () => {}; // it is the running room's to end its game
  Object.defineProperty(room, 'onBeforeShutdown', { configurable: true, writable: true, value });
  return () => {
    undo();
    if (own) Object.defineProperty(room, 'onBeforeShutdown', own);
    else delete (room as { onBeforeShutdown?: unknown }).onBeforeShutdown;
  };
}
