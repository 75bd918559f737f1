// What the command and the thread of a simulation say to each other.
import type { Arrival, CrowdOptions, Simulation } from '@baton/functions/simulate';

export interface Task {
  file: string;
  /** Of the export. */
  name: string;
  arrivals: readonly Arrival[];
  settings: CrowdOptions & { seed: number };
  pulse: SharedArrayBuffer;
}

export interface Failure {
  reason: string;
  /** Milliseconds of virtual time. */
  at?: number;
  tickets?: readonly string[];
  socket?: string | undefined;
}

/** What the thread says: how far it is, and in the end one of the others. */
export type Said =
  | { progress: number }
  | { result: Simulation & { refused?: Record<string, number> } }
  | { invalid: string }
  | { failed: Failure };

export const CALL_KINDS = ['open', 'receive', 'linked', 'unlinked', 'close'] as const;

/** Shows a thread that does not give way where the other one is, even if that one does not give way either. */
export class Pulse {
  /** Stopped, calls made, share done, and of the last call: kind, number of its socket, milliseconds of virtual time. */
  readonly #shared: Float64Array<SharedArrayBuffer>;
  #calls = 0;

  constructor(shared = new SharedArrayBuffer(6 * Float64Array.BYTES_PER_ELEMENT)) {
    this.#shared = new Float64Array(shared);
  }

  get buffer(): SharedArrayBuffer {
    return this.#shared.buffer;
  }

  /** Nobody has to look any more. */
  stop(): void {
    this.#shared[0] = 1;
  }

  goesOn(done: number): void {
    this.#shared[2] = done;
  }

  calls(kind: number, socket: number, at: number): void {
    this.#shared.set([++this.#calls, this.#shared[2]!, kind, socket, at], 1);
  }

  /** Differs from what it was if something has happened. */
  get beat(): string {
    return this.#shared[0] ? String(performance.now()) : `${this.#shared[1]} ${this.#shared[2]}`;
  }

  /** @param after of how much silence this is said */
  silent(after: string): Failure {
    const [, calls, , kind, socket, at = 0] = this.#shared;
    if (calls === 0) return { reason: `it did not load, or begin, within ${after}` };
    const what = `after the ${CALL_KINDS[kind!]} function was called for socket s${socket}`;
    const when = `at ${(at / 1000).toFixed(3)} s`;
    return {
      reason: `nothing went on for ${after} of real time ${what} (${when})`,
      at,
      socket: `s${socket}`,
    };
  }
}
