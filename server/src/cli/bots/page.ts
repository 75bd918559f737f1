import type { Histogram } from 'hdr-histogram-js';
import { type Chart, reportPage, type Section } from '../report/index.ts';
import type { Second } from './course.ts';
import { percentileMs } from './measure.ts';
import type { Played } from './run.ts';

/** Where a curve of percentiles is looked at: the last ones tell most. */
const PERCENTS = [...Array.from({ length: 99 }, (_, n) => n + 1), 99.5, 99.9, 99.99, 100];

/** A run as an HTML file. */
export function pageOf(
  { course, moves, faults }: Played,
  figures: [string, string][],
  facts: string[],
): string {
  const { seconds } = course;
  const overTime = (
    title: string,
    unit: string,
    lines: Record<string, (second: Second) => number>,
  ): Section => ({
    title,
    chart: {
      kind: 'lines',
      x: { label: 'seconds', values: seconds.map(({ at }) => at) },
      y: { label: unit },
      series: Object.entries(lines).map(([label, value]) => ({ label, values: seconds.map(value) })),
    },
  });
  const log = [...moves.log].sort((a, b) => a.at - b.at);
  const scatter: Chart = {
    kind: 'points',
    x: { label: 'seconds', values: log.map(({ at }) => Math.round(at * 100) / 100) },
    y: { label: 'ms' },
    series: [{ label: 'blackout', values: log.map(({ blackoutMs }) => Math.round(blackoutMs * 100) / 100) }],
  };
  return reportPage({
    title: 'Baton bots',
    facts,
    sections: [
      { title: 'Figures', table: { head: ['figure', 'value'], rows: figures } },
      ...(faults.length === 0
        ? []
        : [{ title: 'What went wrong', table: { head: ['fault'], rows: faults.map((fault) => [fault]) } }]),
      overTime('Clients', 'connected', { clients: ({ clients }) => clients }),
      overTime('Messages', 'in a second', { sent: ({ sent }) => sent, received: ({ received }) => received }),
      overTime('Round trip', 'ms', { p50: ({ p50 }) => p50, p99: ({ p99 }) => p99, max: ({ max }) => max }),
      percentiles('Round trip by percentile', course.roundTrips),
      ...(log.length === 0
        ? []
        : [
            { title: 'Blackouts', note: 'How long a room did not run, move by move.', chart: scatter },
            percentiles('Blackout by percentile', moves.blackout),
          ]),
    ],
  });
}

function percentiles(title: string, histogram: Histogram): Section {
  return {
    title,
    note: 'So many percent took no longer.',
    chart: {
      kind: 'lines',
      x: { label: 'percent', values: PERCENTS },
      y: { label: 'ms' },
      series: [{ label: 'ms', values: PERCENTS.map((percent) => percentileMs(histogram, percent)) }],
    },
  };
}
