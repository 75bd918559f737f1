import type { Histogram } from 'hdr-histogram-js';
import { newHistogram, percentileMs, type Sample, unpacked } from './measure.ts';

/** One second of the whole run. */
export interface Second {
  /** Seconds since the first bot. */
  at: number;
  clients: number;
  sent: number;
  received: number;
  p50: number;
  p99: number;
  max: number;
}

/** A day has more; what is older is put together two by two. */
const mostSeconds = 3600;

/** What the bots of all processes see, as it goes on. */
export class Course {
  readonly roundTrips = newHistogram();
  readonly #start = performance.now();
  readonly #processes: Sample[] = [];
  readonly #seconds: Second[] = [];
  #sent = 0;
  #received = 0;
  #second: Histogram = newHistogram();

  add(process: number, sample: Sample): void {
    this.#processes[process] = sample;
    this.#sent += sample.sent;
    this.#received += sample.received;
    this.#second.add(unpacked(sample.roundTrips));
  }

  /** Seconds since the beginning. */
  get now(): number {
    return Math.round((performance.now() - this.#start) / 100) / 10;
  }

  get clients(): number {
    return this.#processes.reduce((sum, each) => sum + (each?.clients ?? 0), 0);
  }

  /** Ends a second. */
  tick(): void {
    const ms = (percent: number) => percentileMs(this.#second, percent);
    this.#seconds.push({
      at: this.now,
      clients: this.clients,
      sent: this.#sent,
      received: this.#received,
      ...{ p50: ms(50), p99: ms(99), max: ms(100) },
    });
    if (this.#seconds.length > mostSeconds) thin(this.#seconds);
    this.roundTrips.add(this.#second);
    this.#second.reset();
    this.#sent = 0;
    this.#received = 0;
  }

  get seconds(): readonly Second[] {
    return this.#seconds;
  }
}

/** Halves the older half: of two neighbours the one with the slower answers stays. */
function thin(seconds: Second[]): void {
  const older = seconds.splice(0, mostSeconds / 2);
  const kept = older.filter((second, n) => {
    const neighbour = older[n % 2 === 0 ? n + 1 : n - 1];
    return (
      neighbour === undefined || second.max > neighbour.max || (second.max === neighbour.max && n % 2 === 0)
    );
  });
  seconds.unshift(...kept);
}
