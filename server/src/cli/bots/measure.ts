import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';
import type { Spread } from './types.ts';

/** Values in µs, so that a histogram of whole numbers keeps fractions of a millisecond. */
export function newHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });
}

export function record(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.max(0, Math.round(ms * 1000)));
}

export const packed = encodeIntoCompressedBase64;
export const unpacked = (text: string): Histogram => decodeFromCompressedBase64(text, 32, false);

export function spread(histogram: Histogram): Spread {
  if (histogram.totalCount === 0) return { p50: 0, p99: 0, max: 0 };
  return {
    p50: percentileMs(histogram, 50),
    p99: percentileMs(histogram, 99),
    max: inMs(histogram.maxValue),
  };
}

export function percentileMs(histogram: Histogram, percent: number): number {
  // A value stands for all of its bucket, which may reach beyond the highest one.
  const value = Math.min(histogram.getValueAtPercentile(percent), histogram.maxValue);
  return histogram.totalCount === 0 ? 0 : inMs(value);
}

const inMs = (us: number) => Math.round(us / 10) / 100;

/** What the bots of a process have seen since the last time it was asked. */
export interface Sample {
  /** How many are connected. */
  clients: number;
  sent: number;
  received: number;
  /** Packed; of messages and their answers. */
  roundTrips: string;
}

/** Counts for all bots of a process. */
export class Meter {
  clients = 0;
  sent = 0;
  received = 0;
  #roundTrips = newHistogram();

  roundTrip(ms: number): void {
    record(this.#roundTrips, ms);
  }

  take(): Sample {
    const { clients, sent, received } = this;
    const sample = { clients, sent, received, roundTrips: packed(this.#roundTrips) };
    this.sent = 0;
    this.received = 0;
    this.#roundTrips.reset();
    return sample;
  }
}
